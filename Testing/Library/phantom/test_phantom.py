"""The synthetic patient against analytic truth, clinical facts and an independent reader."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from DosePredictLib.core import BODY, OARS, Case, OutputError
from DosePredictLib.phantom import COARSE_MM, anatomy, make_phantom, write_phantom
from DosePredictLib.phantom.dicom import turn
from DosePredictLib.phantom.isolines import isolines
from DosePredictLib.phantom.plan import inside_masks
from DosePredictLib.phantom.shapes import Ellipsoid, Section

ORIENTATIONS = {"HFS": (1, 0, 0, 0, 1, 0), "HFP": (-1, 0, 0, 0, -1, 0), "FFS": (-1, 0, 0, 0, 1, 0), "FFP": (1, 0, 0, 0, -1, 0)}


@pytest.fixture(scope="module")
def case() -> Case:
    return make_phantom()


@pytest.fixture(scope="module")
def doses(case: Case) -> dict[str, np.ndarray]:
    """Gy of the dose voxels centred in each structure."""
    assert case.reference is not None
    return {name: case.reference.gray[mask] for name, mask in inside_masks(case.reference.grid).items()}


@pytest.fixture(scope="module")
def coarse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    write_phantom(folder / "coarse", spacing_mm=COARSE_MM)
    return folder / "coarse"


def area(polygon: np.ndarray) -> float:
    """Signed, mm2 (shoelace)."""
    x, y = polygon[:, 0], polygon[:, 1]
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def contoured_cc(case: Case, name: str) -> float:
    """Holes run the other way round, so that signed areas add up."""
    return abs(sum(area(p) for p in case.structures[name].contours)) * case.ct.grid.spacing[2] / 1000


def above(dose: np.ndarray, percent: float) -> float:
    """D_percent in Gy."""
    return float(np.percentile(dose, 100 - percent))


# --- contours ----------------------------------------------------------------------------------------------------------


def test_isolines_of_a_circle_have_its_area_and_radius() -> None:
    y, x = np.mgrid[:60, :80]
    (loop,) = isolines(20 - np.hypot(x - 41.3, y - 28.7))
    assert np.hypot(*(loop - (41.3, 28.7)).T) == pytest.approx(20, abs=0.02)
    assert abs(area(loop)) == pytest.approx(np.pi * 400, rel=2e-3)


def test_isolines_of_a_ring_are_two_loops_that_run_opposite_ways() -> None:
    y, x = np.mgrid[:60, :60]
    radius = np.hypot(x - 30, y - 30)
    loops = isolines(np.minimum(20 - radius, radius - 10))
    assert sum(area(loop) for loop in loops) == pytest.approx(sorted(map(area, loops))[0] + sorted(map(area, loops))[1])
    assert abs(sum(area(loop) for loop in loops)) == pytest.approx(np.pi * 300, rel=5e-3)


def test_isolines_at_a_saddle_and_at_the_rim_are_closed() -> None:
    field = np.array([[1.0, -1.0], [-1.0, 1.0]])
    assert len(isolines(field)) == 2
    assert len(isolines(np.ones((3, 3)))) == 1
    assert isolines(-np.ones((3, 3))) == []


def test_slices_of_an_ellipsoid_add_up_to_its_volume() -> None:
    solid, pixels = Ellipsoid((3, -2, 1), (20, 14, 25)), np.arange(-40.0, 41.0)
    heights = np.arange(-30, 32, 0.5)
    areas = [abs(area(loop)) for z in heights for loop in isolines(Section(pixels, pixels, float(z)).depth(solid))]
    assert sum(areas) * 0.5 / 1000 == pytest.approx(solid.volume_cc, rel=5e-3)


@pytest.mark.parametrize(
    ("name", "tolerance"), [("SpinalCord", 0.04), ("Esophagus", 0.02), ("Larynx", 0.02), ("Brainstem", 0.02)]
)
def test_contours_enclose_the_analytic_volume_of_the_solid(name: str, tolerance: float, case: Case) -> None:
    """A polygon with a point every 2 mm lies inside its curve: 2 % for a cord of 5 mm radius."""
    solid, grid = anatomy.STRUCTURES[name], case.ct.grid
    heights = grid.origin[2] + grid.spacing[2] * np.arange(grid.size[2])
    ellipses = [ellipse for z in heights if (ellipse := solid.at(float(z))) is not None]  # type: ignore[attr-defined]
    analytic = sum(np.pi * a * b for _, _, a, b in ellipses) * grid.spacing[2] / 1000
    assert contoured_cc(case, name) == pytest.approx(analytic, rel=tolerance)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("PTV70", 150, 250), ("PTV63", 120, 200), ("PTV56", 150, 250), ("Parotid_L", 20, 40), ("Parotid_R", 20, 40),
        ("Brainstem", 20, 35), ("SpinalCord", 12, 30), ("Larynx", 20, 45), ("Esophagus", 6, 15), ("Bone_Mandible", 45, 80),
    ],
)  # fmt: skip
def test_volumes_are_those_of_adults_and_of_openkbp(name: str, low: float, high: float, case: Case) -> None:
    assert low < contoured_cc(case, name) < high


def test_targets_are_disjoint_and_stay_below_the_skin(case: Case) -> None:
    assert case.reference is not None
    masks = inside_masks(case.reference.grid)
    assert np.sum([masks[name] for name in anatomy.PRESCRIPTION_GY], axis=0).max() == 1
    body = sitk.GetImageFromArray(masks[BODY].astype(np.uint8))
    body.SetSpacing(case.reference.grid.spacing)
    depth = -sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(body, squaredDistance=False, useImageSpacing=True))
    for name in anatomy.PRESCRIPTION_GY:
        assert np.percentile(depth[masks[name]], 0.5) > anatomy.SKIN_MM - 2.5  # measured to voxel centres of 3 mm


def test_organs_lie_in_the_body_and_left_is_left(case: Case) -> None:
    assert case.reference is not None
    masks = inside_masks(case.reference.grid)
    for name in (*OARS, *anatomy.PRESCRIPTION_GY):
        assert not (masks[name] & ~masks[BODY]).any(), name
    middle = {
        name: np.vstack(case.structures[name].contours).mean(axis=0) for name in ("Parotid_L", "Parotid_R", "Brainstem", "Larynx")
    }
    assert middle["Parotid_L"][0] > 40 > -40 > middle["Parotid_R"][0]  # LPS: x grows to the left
    assert middle["Larynx"][1] < middle["Brainstem"][1]  # y to the back
    assert middle["Larynx"][2] < middle["Brainstem"][2]  # z to the head


def test_every_name_a_model_knows_is_filled(case: Case) -> None:
    assert [name for name in (BODY, *OARS) if case.structure(name) is None] == []
    assert [(t.roi, t.dose_gy) for t in case.prescription.targets] == [("PTV70", 70.0), ("PTV63", 63.0), ("PTV56", 56.0)]


def test_tissues_have_believable_numbers(case: Case) -> None:
    grid = case.ct.grid
    masks = inside_masks(grid)
    hu = case.ct.array
    assert hu[masks["Brainstem"]].mean() == pytest.approx(36, abs=8)
    assert -60 < hu[masks["Parotid_L"]].mean() < 60
    assert 350 < hu[masks["Bone_Mandible"]].mean() < 1100
    assert 10 < hu[masks["Brainstem"]].std() < 40  # noise
    outside = ~masks[BODY] & (np.arange(grid.size[1]) < 100)[:, None]  # in front of the patient: no couch
    assert hu[outside].mean() == pytest.approx(-1000, abs=10)
    assert (hu[masks[BODY]] < -800).mean() > 0.005  # the airway


# --- the plan ------------------------------------------------------------------------------------------------------------


def test_targets_get_their_prescription_and_no_more_than_110_percent(doses: dict[str, np.ndarray]) -> None:
    assert above(doses["PTV70"], 95) == pytest.approx(70, abs=0.1)
    assert above(doses["PTV63"], 95) == pytest.approx(63, abs=1.2)
    assert above(doses["PTV56"], 95) == pytest.approx(56, abs=1.2)
    assert max(float(dose.max()) for dose in doses.values()) < 77


def test_organs_at_risk_are_spared(doses: dict[str, np.ndarray]) -> None:
    assert doses["SpinalCord"].max() < 45
    assert doses["Brainstem"].max() < 54
    assert doses["Parotid_L"].mean() < 26 < doses["Parotid_R"].max()
    assert doses["Larynx"].mean() < 45


def test_dose_falls_away_from_the_targets_and_shows_beams(case: Case) -> None:
    """Far from the targets the dose on a circle in the transverse plane rises and falls with the nine beams."""
    assert case.reference is not None
    gray, grid = case.reference.gray, case.reference.grid
    masks = inside_masks(grid)
    assert (gray[~masks[BODY]] == 0).all()
    assert gray[masks[BODY]].mean() < 25
    k = int(grid.to_index(np.array([0.0, 0.0, -120.0]))[2])
    angle = np.deg2rad(np.arange(0, 360, 2))
    ring = np.stack([100 * np.sin(angle), 15 - 45 * np.cos(angle), np.full(len(angle), -120.0)], axis=-1)
    i, j, _ = np.rint(grid.to_index(ring)).astype(int).T
    profile = gray[k, j, i]
    assert profile.max() > 2.5 * max(float(profile.min()), 0.5)


def test_the_same_seed_gives_the_same_patient_and_another_seed_another_one(case: Case) -> None:
    small = {"spacing_mm": COARSE_MM, "planned": False}
    one, same, other = make_phantom(seed=3, **small), make_phantom(seed=3, **small), make_phantom(seed=4, **small)
    assert np.array_equal(one.ct.array, same.ct.array)
    assert not np.array_equal(one.ct.array, other.ct.array)


# --- DICOM ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_position_shows_the_same_patient_to_an_independent_reader(orientation: str, tmp_path: Path) -> None:
    write_phantom(tmp_path, orientation=orientation, spacing_mm=COARSE_MM, planned=False)
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path))
    image = sitk.ReadImage(names)
    case = make_phantom(spacing_mm=COARSE_MM, planned=False)
    truth = sitk.GetImageFromArray(case.ct.array)
    truth.SetOrigin(case.ct.grid.origin)
    truth.SetSpacing(case.ct.grid.spacing)
    seen = sitk.Resample(image, truth, sitk.Transform(), sitk.sitkNearestNeighbor, -3000, sitk.sitkInt16)
    assert np.array_equal(sitk.GetArrayFromImage(seen), case.ct.array)
    header = pydicom.dcmread(tmp_path / "CT.001.dcm", stop_before_pixels=True)
    assert header.PatientPosition == orientation
    assert tuple(header.ImageOrientationPatient) == ORIENTATIONS[orientation]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_turning_leaves_every_voxel_in_its_place(orientation: str) -> None:
    ct = make_phantom(spacing_mm=(20.0, 20.0, 20.0), planned=False).ct
    turned = turn(ct, orientation)
    i, j, k = np.rint(turned.grid.to_index(ct.grid.to_world(np.array([3, 9, 7])))).astype(int)
    assert turned.array[k, j, i] == ct.array[7, 9, 3]
    assert np.sort(turned.array.ravel()).tolist() == np.sort(ct.array.ravel()).tolist()


def test_objects_refer_to_each_other(coarse: Path) -> None:
    files = {path.name: pydicom.dcmread(path) for path in coarse.iterdir()}
    structures, plan, dose = files["RS.dcm"], files["RP.dcm"], files["RD.dcm"]
    images = {file.SOPInstanceUID for name, file in files.items() if name.startswith("CT")}
    assert len({file.StudyInstanceUID for file in files.values()}) == 1
    assert len({file.FrameOfReferenceUID for file in files.values()}) == 1
    assert len({file.SOPInstanceUID for file in files.values()}) == len(files)
    assert {str(file.PatientName) for file in files.values()} == {"DosePredict^Phantom"}
    assert dose.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == plan.SOPInstanceUID
    assert plan.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID == structures.SOPInstanceUID
    used = {
        c.ContourImageSequence[0].ReferencedSOPInstanceUID for roi in structures.ROIContourSequence for c in roi.ContourSequence
    }
    assert used <= images
    assert len(plan.BeamSequence) == 9
    assert plan.FractionGroupSequence[0].NumberOfFractionsPlanned == 35
    names = {roi.ROINumber: roi.ROIName for roi in structures.StructureSetROISequence}
    prescribed = {names[r.ReferencedROINumber]: r.TargetPrescriptionDose for r in plan.DoseReferenceSequence}
    assert prescribed == anatomy.PRESCRIPTION_GY


def test_the_same_call_writes_the_same_bytes(coarse: Path, tmp_path: Path) -> None:
    write_phantom(tmp_path, spacing_mm=COARSE_MM)
    assert [p.name for p in sorted(tmp_path.iterdir()) if p.read_bytes() != (coarse / p.name).read_bytes()] == []


@pytest.mark.parametrize("name", ["CT.020.dcm", "RS.dcm", "RP.dcm"])  # it aborts on a dose of 32 bits
def test_dciodvfy_finds_no_error(name: str, coarse: Path) -> None:
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy (Debian package dicom3tools) is not installed")
    said = subprocess.run(["dciodvfy", str(coarse / name)], capture_output=True, text=True, check=False)
    assert "Error" not in said.stderr, said.stderr


def test_files_that_are_there_are_not_overwritten(coarse: Path) -> None:
    with pytest.raises(OutputError, match="could not be written"):
        write_phantom(coarse, spacing_mm=COARSE_MM, planned=False)
