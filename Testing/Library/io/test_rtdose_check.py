"""The checker is held against dciodvfy, against doses of real planning systems, and against faults put in one by one."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from DosePredictLib.cli.main import main
from DosePredictLib.core import DicomError, DoseGrid, Grid, InputError, Prescription, Target
from DosePredictLib.io.headers import read_header
from DosePredictLib.io.new_dicom import Provenance
from DosePredictLib.io.rtdose_attributes import IOD
from DosePredictLib.io.rtdose_check import Companions, Finding, check_rtdose, companions
from DosePredictLib.io.rtdose_writer import DvhCurve, Export, write_rtdose

PROVENANCE = Provenance("dosediff", "1.0.0", "0123456789abcdef" * 4, "0.1.0")


@pytest.fixture
def clean(tmp_path: Path, whole_patient) -> tuple[Path, Companions]:
    """A predicted dose with histograms, 16 bit, of the small complete patient, and what lies beside it."""
    ct = next(path for path in whole_patient.folder.iterdir() if read_header(path).Modality == "CT")
    rtstruct = whole_patient.folder / "structures"
    grid = Grid((9, 12, 6), (4.0, 4.0, 5.0), (-18.0, -22.0, -15.0))
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in grid.shape), indexing="ij")
    export = Export(
        read_header(ct),
        PROVENANCE,
        bits=16,
        prescription=Prescription((Target("PTV_70", 70.0),)),
        rtstruct_header=read_header(rtstruct),
        dvhs=[DvhCurve(1, 0.1, np.linspace(20, 0, 721), 60.0, 72.0, 69.0)],
    )
    written = write_rtdose(tmp_path, DoseGrid(72 * np.exp(-(x**2 + y**2 + z**2)), grid), export)
    assert written.plan is not None
    return written.dose, companions(whole_patient.folder, rtstruct, [written.plan])


def spoiled(path: Path, change: Callable[[Dataset], object]) -> Path:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path.with_name("spoiled.dcm"))
    return path.with_name("spoiled.dcm")


def lines(found: list[Finding]) -> list[str]:
    return [str(finding) for finding in found]


def test_a_predicted_dose_is_clean(clean: tuple[Path, Companions]) -> None:
    assert check_rtdose(*clean) == []


def test_what_was_not_compared_is_said(clean: tuple[Path, Companions]) -> None:
    assert [(f.severity, f.keyword) for f in check_rtdose(clean[0])] == [
        ("note", "ReferencedRTPlanSequence[1]"),
        ("note", "FrameOfReferenceUID"),
    ]


# --- types of attributes, as dciodvfy knows them ----------------------------------------------------------------------


def dciodvfy(path: Path) -> str:
    return subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize("rule", IOD, ids=lambda rule: rule.keywords)
def test_dciodvfy_misses_the_same_attributes(rule, clean: tuple[Path, Companions]) -> None:
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy (Debian package dicom3tools) is not installed")
    path, beside = clean
    if not rule.when(pydicom.dcmread(path)):
        pytest.skip("the rule is for doses of another DoseSummationType")
    for keyword in rule.keywords.split():
        without = spoiled(path, lambda dataset, keyword=keyword: delattr(dataset, keyword))
        assert "Error" in dciodvfy(without), f"dciodvfy does not miss {keyword}"
        assert any(keyword == finding.keyword for finding in check_rtdose(without, beside)) or keyword == "NumberOfFrames"
        assert any(finding.severity == "error" for finding in check_rtdose(without, beside))


# --- faults, one by one -----------------------------------------------------------------------------------------------


def put(**values: object) -> Callable[[Dataset], object]:
    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return change


def in_item(sequence: str, **values: object) -> Callable[[Dataset], object]:
    return lambda dataset: put(**values)(dataset[sequence][0])


def longest_decimal(dataset: Dataset) -> None:
    """As pydicom writes it without a word."""
    dataset.add(pydicom.DataElement("DoseGridScaling", "DS", "0.00000123456789012345", validation_mode=0))


def wrapped(dataset: Dataset) -> None:
    stored = dataset.pixel_array.copy()
    stored[np.unravel_index(stored.argmax(), stored.shape)] = 0
    dataset.PixelData = stored.tobytes()


def set_offsets(change: Callable[[list[float]], list[float]]) -> Callable[[Dataset], object]:
    return lambda dataset: put(GridFrameOffsetVector=change([float(v) for v in dataset.GridFrameOffsetVector]))(dataset)


FAULTS = {
    "one offset too few": (set_offsets(lambda v: v[:-1]), "error   GridFrameOffsetVector: has 5 offsets for 6 frames"),
    "offsets out of order": (set_offsets(lambda v: [0, 10, 5, 15, 20, 25]), "error   GridFrameOffsetVector: neither rises"),
    "a gap": (set_offsets(lambda v: [*v[:-1], 27.0]), "warning GridFrameOffsetVector: is uneven (5 to 7 mm)"),
    "falling": (set_offsets(lambda v: [-o for o in v]), "warning GridFrameOffsetVector: falls"),
    "absolute": (set_offsets(lambda v: [o - 15 for o in v]), "warning GridFrameOffsetVector: holds positions"),
    "neither": (set_offsets(lambda v: [o + 3 for o in v]), "error   GridFrameOffsetVector: starts at 3"),
    "another frame": (put(FrameOfReferenceUID="1.2.3"), "error   FrameOfReferenceUID: is not that of the CT"),
    "another patient": (put(PatientID="other"), "error   PatientID: is not that of the CT"),
    "another study": (put(StudyInstanceUID="1.2.3"), "warning StudyInstanceUID: is not that of the CT"),
    "turned": (put(ImageOrientationPatient=[-1, 0, 0, 0, -1, 0]), "warning ImageOrientationPatient: is not that of the CT"),
    "no unit vectors": (put(ImageOrientationPatient=[1, 0, 0, 0, 2, 0]), "error   orientation: "),
    "beside the CT": (put(ImagePositionPatient=[900, 0, 0]), "error   ImagePositionPatient: the dose lies wholly outside"),
    "half outside": (put(ImagePositionPatient=[30, -22, -15]), "warning ImagePositionPatient: the dose reaches"),
    "cGy": (put(DoseGridScaling="0.11"), "warning DoseGridScaling: makes a maximum of"),
    "no scaling": (put(DoseGridScaling="0"), "error   DoseGridScaling: is not a positive number"),
    "long decimal": (longest_decimal, "error   DoseGridScaling: has a value of 22 characters; DS has 16 at most"),
    "signed": (put(PixelRepresentation=1), "error   PixelRepresentation: is 1, not 0"),
    "12 bits": (put(BitsStored=12, HighBit=11), "error   BitsStored: is 12, not BitsAllocated (16)"),
    "cut off": (lambda d: put(PixelData=d.PixelData[:-200])(d), "error   PixelData: has 1096 bytes, not 1296"),
    "no dose": (lambda d: put(PixelData=bytes(len(d.PixelData)))(d), "warning PixelData: is zero everywhere"),
    "overflow": (wrapped, "error   PixelData: has 1 voxels of 0 amid high dose"),
    "inverse": (put(PhotometricInterpretation="MONOCHROME1"), "error   PhotometricInterpretation: is MONOCHROME1"),
    "invented term": (put(DoseType="PREDICTED"), "warning DoseType: is PREDICTED"),
    "one UID for two": (lambda d: put(SeriesInstanceUID=d.StudyInstanceUID)(d), "error   SOPInstanceUID: instance, series"),
    "letters in a UID": (put(SeriesInstanceUID="1.2.a"), "error   SeriesInstanceUID: has a value that is no UID"),
    "empty plan reference": (
        in_item("ReferencedRTPlanSequence", ReferencedSOPInstanceUID=""),
        "error   ReferencedRTPlanSequence[1].ReferencedSOPInstanceUID: is empty",
    ),
    "plan not given": (
        in_item("ReferencedRTPlanSequence", ReferencedSOPInstanceUID="1.2.3"),
        "note    ReferencedRTPlanSequence[1]: the plan is not among the files",
    ),
    "part unsaid": (
        put(DoseSummationType="BEAM"),
        "error   ReferencedRTPlanSequence[1].ReferencedFractionGroupSequence: is missing, the dose is that of a BEAM",
    ),
    "one of many plans": (put(DoseSummationType="MULTI_PLAN"), "error   ReferencedRTPlanSequence: has one item"),
    "overview without one": (put(DoseSummationType="PLAN_OVERVIEW"), "error   PlanOverviewSequence: is missing (type 1)"),
    "histogram cut off": (in_item("DVHSequence", DVHData=["0.1", "20"]), "error   DVHSequence[1].DVHData: has 2 values for 721"),
    "histogram rising": (
        in_item("DVHSequence", DVHData=[text for volume in range(721) for text in ("0.1", str(volume))]),
        "error   DVHSequence[1].DVHData: is CUMULATIVE and its volumes rise",
    ),
    "histogram in percent": (in_item("DVHSequence", DVHMaximumDose="104"), "warning DVHSequence[1].DVHMaximumDose: is 104 Gy"),
    "unknown ROI": (
        lambda d: in_item("DVHReferencedROISequence", ReferencedROINumber=99)(d.DVHSequence[0]),
        "error   DVHReferencedROISequence: ROI 99 is not in the structure set",
    ),
    "another structure set": (
        in_item("ReferencedStructureSetSequence", ReferencedSOPInstanceUID="1.2.3"),
        "warning ReferencedStructureSetSequence: refers to another",
    ),
    "not a dose": (put(SOPClassUID="1.2.840.10008.5.1.4.1.1.2"), "error   SOPClassUID: the file is not an RT Dose"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_named(fault: str, clean: tuple[Path, Companions]) -> None:
    path, beside = clean
    change, expected = FAULTS[fault]
    found = lines(check_rtdose(spoiled(path, change), beside))
    assert any(line.startswith(expected) for line in found), found
    assert len(found) <= 5, found


def test_the_file_must_name_the_instance_it_holds(clean: tuple[Path, Companions]) -> None:
    path, beside = clean
    path = spoiled(path, lambda dataset: setattr(dataset.file_meta, "MediaStorageSOPInstanceUID", "1.2.3.4"))
    assert [f.keyword for f in check_rtdose(path, beside)] == ["MediaStorageSOPInstanceUID"]


def test_findings_name_no_patient(clean: tuple[Path, Companions]) -> None:
    path, beside = clean
    for change in (put(PatientName="Unmistakable^Name", PatientID="UNMISTAKABLE"), put(StudyInstanceUID="1.2.3.4.777")):
        said = "\n".join(lines(check_rtdose(spoiled(path, change), beside)))
        assert said
        assert not any(word in said for word in ("Unmistakable", "UNMISTAKABLE", "Secret", "1.2.3.4.777"))


@pytest.mark.filterwarnings("error")  # pydicom's warnings would print UIDs
def test_damaged_files_end_in_findings(clean: tuple[Path, Companions]) -> None:
    path, beside = clean
    chance, whole = random.Random(7), path.read_bytes()
    damaged = path.with_name("damaged.dcm")
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(chance.randrange(1, 12)):
            content[chance.randrange(132, 3000)] = chance.randrange(256)
        damaged.write_bytes(content[: chance.choice([len(content), len(content), chance.randrange(200, len(content))])])
        check_rtdose(damaged, beside)  # raises nothing


# --- doses of real planning systems -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "dose", "expected"),
    [
        ("breast-boost-complete", "RD.dcm", {"OperatorsName", "DVHSequence[1].DVHMaximumDose"}),
        ("raystation14-proton-beamdoses", "RD1*.dcm", {"PatientID", "PatientName"}),
        ("pymedphys-edge/orientation_empty_rtdose", "RD*HFP*.dcm", {"OperatorsName", "PixelData"}),
        ("pymedphys-edge/raystation8_wedge_dose", "RD*.dcm", set()),
    ],
)
def test_known_oddities_of_real_doses_are_found(case: str, dose: str, expected: set[str], sets: Path) -> None:
    """As listed with the files: a scrubbed OperatorsName, maxima in percent, plans of another PatientID, emptied pixels."""
    folder = sets / case
    plans = [path for path in folder.glob("*.dcm") if read_header(path).Modality == "RTPLAN"]
    for path in folder.glob(dose):
        found = check_rtdose(path, companions(plans=plans))
        named = {f.keyword for f in found if f.severity != "note"}
        assert {keyword for keyword in named if not keyword.startswith("DVHSequence")} <= expected
        assert expected <= named


# --- command --------------------------------------------------------------------------------------------------------------


def command(*words: object) -> int:
    return main(["check-rtdose", *map(str, words)])


def test_the_command_is_silent_about_what_is_right(clean, whole_patient, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = clean
    plan = next(path.parent.glob("RP.*"))
    assert command(path, plan, "--ct", whole_patient.folder, "--rtstruct", whole_patient.folder / "structures") == 0
    assert capsys.readouterr().out == f"{path.name}: nothing found\n"


def test_the_command_ends_with_1_at_an_error_and_with_0_at_a_warning(clean, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = clean
    assert command(spoiled(path, put(DoseType="PREDICTED")), "--quiet") == 0
    assert capsys.readouterr().out.startswith("spoiled.dcm: 1 warning, 2 notes\n  warning DoseType")
    assert command(path, spoiled(path, put(DoseUnits="CGY"))) == 1
    assert "error   DoseUnits: is CGY, not GY or RELATIVE [PS3.3 C.8.8.3]" in capsys.readouterr().out


def test_a_file_that_is_no_dicom_is_an_error_like_any_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("nothing of DICOM")
    assert command(tmp_path / "notes.txt") == 1
    assert "error" in capsys.readouterr().out


def test_a_folder_without_ct_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no CT"):
        companions(tmp_path)


def test_a_structure_set_that_is_none_is_refused(clean: tuple[Path, Companions]) -> None:
    with pytest.raises(DicomError, match="not an RT Structure Set"):
        companions(rtstruct=clean[0])
