"""RT Structure Set: all contours, only contours, and no half of a file."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictLib.core.errors import DicomError
from DosePredictLib.io.rtplan import read_rtplan
from DosePredictLib.io.rtstruct import read_rtstruct


def test_contours_come_back_as_they_were_drawn(patient, draw_box):
    drawn = draw_box(1.5, -2.25, 7, (-5, 0, 5))
    struct = read_rtstruct(patient.rtstruct({"PTV_70": drawn}, types={"PTV_70": "PTV"}))
    (roi,) = struct.structures
    assert (roi.name, roi.number, roi.interpreted_type) == ("PTV_70", 1, "PTV")
    np.testing.assert_allclose(roi.contours, drawn)


def test_xor_contours_are_kept_and_open_ones_are_named(patient, draw_box):
    square = draw_box(0, 0, 5, (0,))
    struct = read_rtstruct(
        patient.rtstruct(
            {"ring": square * 2, "wire": square, "point": [square[0][:1]] * 3, "empty": []},
            kinds={"ring": "CLOSEDPLANAR_XOR", "wire": "OPEN_NONPLANAR", "point": "POINT"},
        )
    )
    ring, wire, point, empty = struct.structures
    assert len(ring.contours) == 2 and not ring.skipped
    assert wire.is_empty and wire.skipped == ("1 OPEN_NONPLANAR",)
    assert point.is_empty and point.skipped == ("3 POINT",)
    assert empty.is_empty and not empty.skipped


def test_rois_of_another_frame_of_reference_are_left_out(patient, draw_box):
    def elsewhere(dataset):
        dataset.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = "1.2.3"

    path = patient.rtstruct({"here": draw_box(0, 0, 5, (0,)), "on MR": draw_box(0, 0, 5, (0,))}, change=elsewhere)
    assert read_rtstruct(path).frames_of_reference == (patient.frame, "1.2.3")
    assert read_rtstruct(path, frame_of_reference=patient.frame).structures.names == ("here",)


def test_the_header_is_free_of_contours_and_names_the_images(patient, draw_box):
    struct = read_rtstruct(patient.rtstruct({"PTV": draw_box(0, 0, 5, (0,))}))
    assert "ROIContourSequence" not in struct.header and struct.header.StructureSetLabel == "SET"
    assert struct.series_uids == (patient.series,) and struct.uid == patient.struct_uid


@pytest.mark.parametrize("damage", ["1\\2", "1\\2\\nan", "1\\x\\3"])
def test_a_damaged_contour_is_refused_by_the_name_of_its_roi(patient, draw_box, damage):
    path = patient.rtstruct({"PTV": draw_box(0, 0, 5, (0,))})
    content = path.read_bytes()
    good = b"-5\\-5\\0\\5\\-5\\0\\5\\5\\0\\-5\\5\\0"
    assert good in content
    path.write_bytes(content.replace(good, damage.encode().ljust(len(good))))
    with pytest.raises(DicomError, match="A contour of PTV in structures is damaged"):
        read_rtstruct(path)


def test_a_structure_set_cut_anywhere_is_refused(patient, draw_box):
    path = patient.rtstruct({f"ROI {n}": draw_box(0, 0, n, range(5)) for n in range(1, 5)})
    content = path.read_bytes()
    for length in np.linspace(200, len(content) - 2, 150, dtype=int):
        path.write_bytes(content[:length])
        with pytest.raises(DicomError):
            read_rtstruct(path)


@pytest.mark.parametrize(
    "file",
    [
        "breast-boost-complete/RS.dcm",
        "raystation14-proton-beamdoses/RS1.2.752.243.1.1.20250522124652761.2000.43711.dcm",
        "pymedphys-edge/monaco_rtstruct/example_structures.dcm",
    ],
)
def test_a_real_structure_set_cut_anywhere_is_refused(sets, tmp_path, file):
    content = (sets / file).read_bytes()
    cut = tmp_path / "cut"
    for length in np.linspace(400, len(content) - 2, 12, dtype=int):
        cut.write_bytes(content[:length])
        with pytest.raises(DicomError):
            read_rtstruct(cut)


def test_the_breast_structure_set_has_what_its_notes_say(sets):
    structures = read_rtstruct(sets / "breast-boost-complete" / "RS.dcm").structures
    assert len(structures) == 10 and structures["Areola"].is_empty
    assert len(structures["Lt Lung"].contours) == 165
    assert structures["BODY"].interpreted_type == "EXTERNAL"


def test_a_file_without_transfer_syntax_is_read(sets):
    structures = read_rtstruct(sets / "pymedphys-edge" / "monaco_rtstruct" / "example_structures.dcm").structures
    assert structures.names == ("ANT Box", "Number4", "Number2", "Number1", "Number3")
    assert all(len(s.contours) > 0 for s in structures)


def test_the_plans_say_what_their_planning_systems_wrote(sets):
    breast = read_rtplan(sets / "breast-boost-complete" / "RP.dcm")
    assert [(p.dose_gy, p.roi_number, p.description) for p in breast.prescriptions] == [(14.0, None, "Breast")]
    assert breast.fractions == (7,) and len(breast.beams) == 4 and not breast.is_ion
    proton = read_rtplan(sets / "raystation14-proton-beamdoses" / "ramped_2Gy_ver2_full.dcm")
    assert proton.is_ion and proton.beam_numbers == {1, 2} and proton.prescriptions == ()
    pinnacle = read_rtplan(sets / "pymedphys-edge" / "pinnacle16_dose" / "1.3.46.670589.13.997910418.20181018190715.112493.dcm")
    assert pinnacle.fractions == (25,) and pinnacle.prescriptions == ()


def test_set_up_fields_are_no_treatment_beams(patient):
    def with_setup_field(dataset):
        dataset.BeamSequence[1].TreatmentDeliveryType = "SETUP"

    assert read_rtplan(patient.rtplan(beams=(1, 2, 3), change=with_setup_field)).beam_numbers == {1, 3}
