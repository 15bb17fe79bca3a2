"""Predicted doses in four patient positions, on three grids and in both bit depths: clean, and where others look for them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from DosePredictLib.core import Case, DoseGrid, Grid
from DosePredictLib.io.case import DicomCase, load_case
from DosePredictLib.io.new_dicom import Provenance
from DosePredictLib.io.rtdose_check import Companions, check_rtdose, companions
from DosePredictLib.io.rtdose_writer import Export, WrittenFiles, write_rtdose
from DosePredictLib.phantom.dicom import write_case

POSITIONS = ("HFS", "HFP", "FFS", "FFP")
GRIDS = ("ct", "dose", "5 mm")
PROVENANCE = Provenance("dosediff", "1.0.0", "0123456789abcdef" * 4, "0.1.0")
CENTRE_MM, WIDTH_MM, HIGHEST_GY = np.array([14.0, -23.0, 31.0]), 60.0, 72.0


@pytest.fixture(scope="module", params=POSITIONS)
def patient(request: pytest.FixtureRequest, phantom_case: Case, tmp_path_factory: pytest.TempPathFactory):
    """The synthetic patient scanned in one position: what was read, and what the checker compares with."""
    folder = tmp_path_factory.mktemp("patient") / request.param
    write_case(folder, phantom_case, orientation=request.param, salt="export")
    return load_case(folder), companions(folder, folder / "RS.dcm")


def dose_at(points: np.ndarray) -> np.ndarray:
    """A dose that is known everywhere, Gy, of points in LPS mm; it has no symmetry with the grid."""
    return HIGHEST_GY * np.exp(-(((points - CENTRE_MM) / (WIDTH_MM * np.array([1.0, 1.3, 0.8]))) ** 2).sum(axis=-1))


def dose_on(grid: Grid) -> DoseGrid:
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    return DoseGrid(dose_at(grid.to_world(np.stack([i, j, k], axis=-1))), grid)


def grid_of(case: Case, name: str) -> Grid:
    assert case.reference is not None
    return {"ct": case.ct.grid, "dose": case.reference.grid, "5 mm": case.ct.grid.resampled((5.0, 5.0, 5.0))}[name]


def exported(folder: Path, patient: DicomCase, grid: str, bits: int = 32) -> WrittenFiles:
    export = Export(
        patient.ct_header, PROVENANCE, bits=bits, prescription=patient.case.prescription, rtstruct_header=patient.rtstruct_header
    )
    return write_rtdose(folder, dose_on(grid_of(patient.case, grid)), export)


@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("grid", GRIDS)
def test_it_is_clean_and_simpleitk_sees_every_voxel_at_its_place(
    grid: str, bits: int, patient: tuple[DicomCase, Companions], tmp_path: Path
) -> None:
    read, beside = patient
    files = exported(tmp_path, read, grid, bits)
    assert files.plan is not None
    with_plan = Companions(beside.ct, beside.rtstruct, companions(plans=[files.plan]).plans)
    assert check_rtdose(files.dose, with_plan) == []
    image = sitk.ReadImage(str(files.dose))  # GDCM; it does not apply DoseGridScaling
    gray = sitk.GetArrayFromImage(image) * float(image.GetMetaData("3004|000e"))
    assert np.abs(gray - dose_at(_places(image))).max() < HIGHEST_GY / 2**bits


def _places(image: sitk.Image) -> np.ndarray:
    """(k, j, i, 3) LPS mm of all voxels, by the image's own origin, spacing and direction."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in image.GetSize()[::-1]), indexing="ij")
    matrix = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    return np.stack([i, j, k], axis=-1) @ matrix.T + image.GetOrigin()


def test_plastimatch_sees_the_same_dose(patient: tuple[DicomCase, Companions], tmp_path: Path) -> None:
    if not shutil.which("plastimatch"):
        pytest.skip("plastimatch (Debian package plastimatch) is not installed")
    files = exported(tmp_path, patient[0], "5 mm")
    image = tmp_path / "dose.nrrd"
    subprocess.run(
        ["plastimatch", "convert", "--input-dose-img", str(files.dose), "--output-dose-img", str(image)],
        check=True, capture_output=True,
    )  # fmt: skip
    seen = sitk.ReadImage(str(image), sitk.sitkFloat64)
    difference = np.abs(sitk.GetArrayFromImage(seen) - dose_at(_places(seen)))
    assert difference.max() < 1e-3


def test_the_plan_passes_dciodvfy_in_every_position(patient: tuple[DicomCase, Companions], tmp_path: Path) -> None:
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy (Debian package dicom3tools) is not installed")
    files = exported(tmp_path, patient[0], "5 mm", bits=16)
    for path in (files.dose, files.plan):
        said = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False).stderr
        assert "Error" not in said and "Warning" not in said, said
