"""CT series: every voxel lands where its slice says, and what is no regular stack is refused."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from DosePredictLib.core.errors import DicomError, GeometryError
from DosePredictLib.io.ct import read_ct
from DosePredictLib.io.scan import scan


def read(patient):
    (series,) = scan(patient.folder).ct_series().values()
    return read_ct(series)


def every_point(grid):
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    return grid.to_world(np.stack([i, j, k], axis=-1))


def test_every_voxel_lies_where_its_slice_says_in_all_patient_positions(patient, orientation, code):
    patient.ct(orientation=orientation)
    volume = read(patient)
    assert np.linalg.det(volume.grid.axes) == pytest.approx(1)
    np.testing.assert_allclose(volume.array, code(every_point(volume.grid)), atol=0.51)


def test_descending_slices_give_the_same_volume_as_ascending_ones(patient, code):
    patient.ct(change=lambda k, d: setattr(d, "InstanceNumber", 100 - k))
    volume = read(patient)
    assert volume.grid.origin == pytest.approx((-47.5, -37.5, -20.0))
    np.testing.assert_allclose(volume.array, code(every_point(volume.grid)), atol=0.51)


def test_pixel_spacing_is_between_rows_then_between_columns(patient):
    patient.ct(spacing=(2.5, 5.0), size=(31, 20))
    assert read(patient).grid.spacing == pytest.approx((5.0, 2.5, 5.0))
    assert read(patient).grid.size == (20, 31, 10)


def test_slope_and_intercept_are_those_of_each_slice(patient, code):
    def rescale(k, dataset):
        stored = np.frombuffer(dataset.PixelData, np.uint16)
        dataset.RescaleSlope, dataset.RescaleIntercept = (0.5, -1000) if k == 3 else (1, -1000)
        dataset.PixelData = (stored * 2 if k == 3 else stored).astype(np.uint16).tobytes()

    patient.ct(change=rescale)
    volume = read(patient)
    np.testing.assert_allclose(volume.array, code(every_point(volume.grid)), atol=0.51)


def test_localizers_are_left_out(patient):
    patient.ct(change=lambda k, d: setattr(d, "ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]) if k == 0 else None)
    assert read(patient).grid.size[2] == 9


def shear(k, dataset):
    x, y, z = dataset.ImagePositionPatient
    dataset.ImagePositionPatient = [x, y + 0.5 * k, z]


def test_gantry_tilt_is_refused(patient):
    patient.ct(change=shear)
    with pytest.raises(GeometryError, match=r"tilted gantry \(slices shift 4\.5 mm"):
        read(patient)


def test_oblique_slices_are_refused(patient):
    tilt = np.deg2rad(10)
    patient.ct(orientation=(1, 0, 0, 0, np.cos(tilt), np.sin(tilt)))
    with pytest.raises(GeometryError, match="oblique or tilted"):
        read(patient)


def test_a_missing_slice_is_refused_and_its_place_is_named(patient):
    patient.ct()[4].unlink()
    with pytest.raises(GeometryError, match=r"after position -5\.00 mm the next is 10\.00 mm away, not 5\.00 mm"):
        read(patient)


def test_two_slices_at_one_position_are_refused(patient):
    patient.ct()
    patient.ct(slices=1, prefix="again")
    with pytest.raises(GeometryError, match=r"at one position \(-20\.00 mm\)"):
        read(patient)


def test_positions_rounded_by_a_scanner_are_accepted(patient):
    def rounded(k, dataset):
        dataset.ImagePositionPatient = [-47.5, -37.5, round(k * 1.25, 1) + 0.001 * (k % 2)]

    patient.ct(step=1.25, slices=20, change=rounded)
    assert read(patient).grid.spacing[2] == pytest.approx(1.25, abs=5e-3)


@pytest.mark.parametrize(
    ("keyword", "value", "words"),
    [
        ("PixelSpacing", [2.5, 4.0], "different pixel spacings"),
        ("ImageOrientationPatient", [-1, 0, 0, 0, -1, 0], "different orientations"),
        ("Rows", 30, "different sizes"),
    ],
)
def test_mixed_slices_are_refused(patient, keyword, value, words):
    patient.ct(change=lambda k, d: setattr(d, keyword, value) if k == 5 else None)
    with pytest.raises(GeometryError, match=words):
        read(patient)


def test_one_slice_is_no_volume(patient):
    patient.ct(slices=1)
    with pytest.raises(GeometryError, match="at least two"):
        read(patient)


def test_a_slice_without_position_is_refused_by_its_file_name(patient):
    patient.ct(change=lambda k, d: d.__delattr__("ImagePositionPatient") if k == 0 else None)
    with pytest.raises(DicomError, match="x00_0 has no usable ImagePositionPatient"):
        read(patient)


def test_a_truncated_slice_is_refused_by_its_file_name(patient):
    path = patient.ct()[2]
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DicomError, match=f"{path.name} is truncated"):
        read(patient)


def test_the_breast_case_agrees_with_the_series_reader_of_simpleitk(sets):
    (slices,) = scan(sets / "breast-boost-complete" / "CT").ct_series().values()
    volume = read_ct(slices)
    reader = sitk.ImageSeriesReader()
    names = reader.GetGDCMSeriesFileNames(str(sets / "breast-boost-complete" / "CT"))
    reader.SetFileNames(names)
    image = reader.Execute()
    assert np.array_equal(volume.array, sitk.GetArrayFromImage(image))
    assert volume.grid.origin == pytest.approx(image.GetOrigin())
    assert volume.grid.spacing == pytest.approx(image.GetSpacing(), abs=1e-5)
