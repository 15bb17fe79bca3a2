"""RT Dose: values in Gy on the right voxels, whichever way the frames are written down."""

from __future__ import annotations

import json

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from DosePredictLib.core.errors import DicomError, GeometryError
from DosePredictLib.io.rtdose import dose_grid, read_rtdose, whole_course
from DosePredictLib.io.rtplan import Beam, Plan, read_rtplan


def assert_in_place(dose, code):
    k, j, i = np.meshgrid(*(np.arange(n) for n in dose.grid.shape), indexing="ij")
    points = dose.grid.to_world(np.stack([i, j, k], axis=-1))
    np.testing.assert_allclose(dose.gray, 200 + code(points) / 10, atol=2e-3)


def test_every_voxel_lies_in_place_in_all_patient_positions(patient, orientation, code):
    assert_in_place(read_rtdose(patient.rtdose(orientation=orientation)).dose, code)


def test_descending_offsets_are_turned_round(patient, orientation, code):
    dose = read_rtdose(patient.rtdose(orientation=orientation, offsets=(0, -5, -10, -15))).dose
    assert np.linalg.det(dose.grid.axes) == pytest.approx(1)
    assert_in_place(dose, code)


@pytest.mark.parametrize("position", ["HFS", "HFP", "FFS", "FFP"])
def test_offsets_that_are_positions_are_taken_as_positions(patient, position, code):
    def absolute(dataset):
        normal = -1 if position.startswith("FF") else 1
        dataset.GridFrameOffsetVector = [-15.0 + normal * v for v in (0, 5, 10, 15)]

    assert_in_place(read_rtdose(patient.rtdose(orientation=position, change=absolute)).dose, code)


def test_the_coordinates_are_those_pymedphys_expects(sets):
    """Its oracle counts along the image axes: the sign of a coordinate is that of the axis' direction in the patient."""
    folder = sets / "pymedphys-edge" / "orientation_empty_rtdose"
    expected = json.loads((folder / "expected_dicom_xyz.json").read_text())
    assert len(expected) == 8
    for position, coordinates in expected.items():
        grid, _ = dose_grid(pydicom.dcmread(folder / f"RD.DICOMORIENT.Dose_{position}_empty.dcm"), position)
        for axis, values in enumerate(coordinates):
            sign = grid.axes[axis].sum()
            ends = {round(float(sign * v), 3) for v in grid.corners[:, axis]}
            assert sorted(ends) == pytest.approx(sorted([values[0], values[-1]]), abs=2e-3), position
            assert len(values) == grid.size[int(np.abs(grid.axes[axis]).argmax())], position


@pytest.mark.parametrize(
    "file",
    [
        "breast-boost-complete/RD.dcm",
        "eclipse-prostate-rando/derived_dicom/RD.from_SlicerRT_EclipseProstate_Dose.dcm",
        "pymedphys-edge/raystation8_wedge_dose/RD.wedge.dcm",
        "pymedphys-edge/pinnacle16_dose/1.3.46.670589.13.997910418.20181018190715.183309.dcm",
    ],
)
def test_real_doses_agree_with_simpleitk(sets, file):
    dose = read_rtdose(sets / file).dose
    image = sitk.ReadImage(str(sets / file))
    scaling = float(pydicom.dcmread(sets / file, stop_before_pixels=True).DoseGridScaling)
    np.testing.assert_allclose(dose.gray, sitk.GetArrayFromImage(image).astype(float) * scaling, rtol=1e-6)
    assert dose.grid.origin == pytest.approx(image.GetOrigin())
    assert dose.grid.spacing == pytest.approx(image.GetSpacing(), abs=1e-5)


def test_the_maxima_of_real_doses_are_the_known_ones(sets):
    maxima = {"breast-boost-complete/RD.dcm": 14.681, "pymedphys-edge/raystation8_wedge_dose/RD.wedge.dcm": 1.960}
    for file, maximum in maxima.items():
        assert float(read_rtdose(sets / file).dose.gray.max()) == pytest.approx(maximum, abs=1e-3)


def test_a_single_frame_needs_no_offsets(sets):
    for file in sorted((sets / "pymedphys-edge" / "planar_2d_dose").iterdir()):
        dose = read_rtdose(file).dose
        assert dose.gray.shape[0] == 1
        assert np.array_equal(dose.gray[0] > 0, pydicom.dcmread(file).pixel_array > 0)


def test_the_beams_of_a_real_proton_plan_add_up_to_its_plan_dose(sets):
    folder = sets / "raystation14-proton-beamdoses"
    doses = [read_rtdose(path) for path in sorted(folder.glob("RD*.dcm"))]
    plan = read_rtplan(folder / "ramped_2Gy_ver2_full.dcm")
    (planned,) = (d for d in doses if d.summation == "PLAN")
    summed = whole_course([d for d in doses if d.summation == "BEAM"], plan, 2.0)
    np.testing.assert_allclose(summed.dose.gray, planned.dose.gray, atol=2e-4)
    assert "sum of the doses of all 2 beams" in summed.notes[-1]
    assert any("EFFECTIVE" in note for note in planned.notes)


def test_the_sum_of_some_beams_is_refused(sets):
    folder = sets / "raystation14-proton-beamdoses"
    beams = [d for d in map(read_rtdose, sorted(folder.glob("RD*.dcm"))) if d.summation == "BEAM"]
    with pytest.raises(DicomError, match=r"doses of beams \[1\], the plan has \[1, 2\]"):
        whole_course(beams[:1], read_rtplan(folder / "ramped_2Gy_ver2_full.dcm"), 2.0)


@pytest.mark.parametrize(("stored", "course"), [(2.1, 73.5), (71.0, 71.0)])
def test_a_fraction_dose_becomes_the_course_whichever_way_it_was_meant(patient, stored, course):
    dose = read_rtdose(patient.rtdose(gray=np.full((4, 12, 9), stored), summation="FRACTION"))
    whole = whole_course([dose], Plan("", "", fractions=(35,), beams=(Beam(1),)), 70.0)
    assert float(whole.dose.gray.max()) == pytest.approx(course, rel=1e-5)


def test_a_fraction_dose_that_suits_neither_is_refused(patient):
    dose = read_rtdose(patient.rtdose(gray=np.full((4, 12, 9), 20.0), summation="FRACTION"))
    with pytest.raises(DicomError, match=r"maximum of 20\.00 Gy, and suits neither the 70"):
        whole_course([dose], Plan("", "", fractions=(35,)), 70.0)


def test_a_part_without_its_plan_is_refused(patient):
    with pytest.raises(DicomError, match="type BEAM and its plan is absent"):
        whole_course([read_rtdose(patient.rtdose(summation="BEAM"))], None, 70.0)


@pytest.mark.parametrize(
    ("keyword", "value", "words"),
    [
        ("DoseUnits", "RELATIVE", "units of dose are RELATIVE, not GY"),
        ("DoseType", "ERROR", "difference"),
        ("PixelData", b"", "PixelData is empty"),
        ("PixelData", b"\0" * 400, "cannot be decoded"),
        ("DoseGridScaling", None, "no usable DoseGridScaling"),
        ("Modality", "RTPLAN", "not an RTDOSE"),
    ],
)
def test_doses_that_cannot_be_used_are_refused_with_the_reason(patient, keyword, value, words):
    with pytest.raises(DicomError, match=words):
        read_rtdose(patient.rtdose(change=lambda d: setattr(d, keyword, value)))


@pytest.mark.parametrize(
    ("offsets", "words"),
    [((0, 5, 10, 16), "not evenly spaced"), ((3, 8, 13, 18), "starts neither at 0 nor"), ((0, 0, 0, 0), "not evenly spaced")],
)
def test_irregular_frames_are_refused(patient, offsets, words):
    with pytest.raises(GeometryError, match=words):
        read_rtdose(patient.rtdose(change=lambda d: setattr(d, "GridFrameOffsetVector", list(offsets))))


def test_an_offset_vector_of_another_length_is_refused(patient):
    with pytest.raises(DicomError, match=r"GridFrameOffsetVector \(4"):
        read_rtdose(patient.rtdose(change=lambda d: setattr(d, "GridFrameOffsetVector", [0, 5, 10])))


def test_a_truncated_dose_is_refused(patient):
    path = patient.rtdose()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DicomError, match="dose is truncated"):
        read_rtdose(path)


def test_the_hottest_voxel_of_a_32_bit_dose_survives(patient):
    gray = np.full((4, 12, 9), 70.0)
    gray[1, 2, 3] = 80.0
    dose = read_rtdose(patient.rtdose(gray=gray, scaling=80.0 / (2**32 - 1))).dose
    assert float(dose.gray[1, 2, 3]) == pytest.approx(80.0)
