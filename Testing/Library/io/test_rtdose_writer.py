"""A written dose is read by programs of others: pydicom, SimpleITK (GDCM), dciodvfy and dcmdump."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset

from DosePredictLib.core import DicomError, DoseGrid, GeometryError, Grid, InputError, OutputError, Prescription, Target
from DosePredictLib.io import whole_files
from DosePredictLib.io.new_dicom import decimal
from DosePredictLib.io.rtdose_writer import DvhCurve, Export, Provenance, write_rtdose

WEIGHTS = "0123456789abcdef" * 4
PROVENANCE = Provenance("dosediff", "1.0.0", WEIGHTS, "0.1.0", training_data="OpenKBP")
PRESCRIPTION = Prescription((Target("PTV70", 70.0), Target("PTV56", 56.0)))
DIRECTIONS = {
    "HFS": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "HFP": (-1, 0, 0, 0, -1, 0, 0, 0, 1),
    "FFS": (-1, 0, 0, 0, 1, 0, 0, 0, -1),
    "FFP": (1, 0, 0, 0, -1, 0, 0, 0, -1),
}
MARKER = (3, 11, 5)  # i, j, k
# PS3.3 A.18.3 and A.20.3 with the modules named there: type 1 has a value, type 2 is there.
COMMON_1 = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "FrameOfReferenceUID")
COMMON_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber",
    "ReferringPhysicianName", "SeriesNumber", "OperatorsName", "PositionReferenceIndicator", "Manufacturer",
)  # fmt: skip
COPIED = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID",
    "StudyDescription", "FrameOfReferenceUID", "PositionReferenceIndicator", "PatientWeight",
)  # fmt: skip
DOSE_1 = (
    "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "NumberOfFrames", "FrameIncrementPointer", "PixelSpacing", "ImageOrientationPatient",
    "ImagePositionPatient", "DoseUnits", "DoseType", "DoseSummationType", "GridFrameOffsetVector", "DoseGridScaling",
    "ReferencedRTPlanSequence", "PixelData",
)  # fmt: skip
DOSE_2 = ("InstanceNumber", "SliceThickness")
PLAN_1 = ("RTPlanLabel", "RTPlanGeometry", "FractionGroupSequence", "DoseReferenceSequence")
PLAN_2 = ("RTPlanDate", "RTPlanTime")


def dose_in(orientation: str = "HFS") -> DoseGrid:
    """An asymmetric dose on an anisotropic grid with one voxel that is hotter than all."""
    grid = Grid((13, 17, 9), (2.5, 3.125, 4.0), (-21.7, 33.3, -105.25), DIRECTIONS[orientation])
    gray = np.random.default_rng(7).random(grid.shape) * 60
    gray[MARKER[::-1]] = 71.23456789
    return DoseGrid(gray, grid)


def written(folder: Path, dose: DoseGrid, ct: Dataset, **options) -> tuple[Dataset, Dataset | None]:
    files = write_rtdose(folder, dose, Export(ct, PROVENANCE, prescription=PRESCRIPTION, **options))
    return pydicom.dcmread(files.dose), None if files.plan is None else pydicom.dcmread(files.plan)


@pytest.mark.parametrize("orientation", DIRECTIONS)
def test_an_independent_reader_finds_every_voxel_where_it_was(orientation: str, tmp_path: Path, ct_header: Dataset) -> None:
    dose = dose_in(orientation)
    image = sitk.ReadImage(str(write_rtdose(tmp_path, dose, Export(ct_header, PROVENANCE)).dose))
    hottest = np.unravel_index(int(sitk.GetArrayFromImage(image).argmax()), dose.gray.shape)[::-1]
    place = image.TransformIndexToPhysicalPoint([int(n) for n in hottest])
    assert place == pytest.approx(dose.grid.to_world(np.array(MARKER)), abs=1e-4)
    corner = [n - 1 for n in image.GetSize()]
    assert image.TransformIndexToPhysicalPoint(corner) == pytest.approx(dose.grid.to_world(np.array(corner)), abs=1e-4)


@pytest.mark.parametrize("orientation", DIRECTIONS)
def test_the_geometry_in_the_file_follows_the_standard(orientation: str, tmp_path: Path, ct_header: Dataset) -> None:
    dose = dose_in(orientation)
    file, _ = written(tmp_path, dose, ct_header)
    row, column = np.array(file.ImageOrientationPatient, dtype=float).reshape(2, 3)
    between_rows, between_columns = map(float, file.PixelSpacing)
    i, j, k = MARKER
    place = np.array(file.ImagePositionPatient, dtype=float) + i * between_columns * row + j * between_rows * column
    place += float(file.GridFrameOffsetVector[k]) * np.cross(row, column)  # PS3.3 C.7.6.2.1.1 and C.8.8.3.2, option a
    assert place == pytest.approx(dose.grid.to_world(np.array(MARKER)), abs=1e-6)
    assert file.pixel_array[k, j, i] == file.pixel_array.max()
    assert float(file.GridFrameOffsetVector[0]) == 0
    assert len(file.GridFrameOffsetVector) == file.NumberOfFrames
    assert all(a < b for a, b in pairwise(file.GridFrameOffsetVector))


@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("hottest", [71.23456789, 70.0, 1e-3, 99.99999999, 7.3])
def test_no_voxel_is_off_by_more_than_half_a_step_and_the_hottest_does_not_wrap(
    bits: int, hottest: float, tmp_path: Path, ct_header: Dataset
) -> None:
    dose = dose_in()
    dose = DoseGrid((dose.gray / dose.gray.max() * hottest).astype(np.float32), dose.grid)
    file, _ = written(tmp_path, dose, ct_header, bits=bits)
    gray = file.pixel_array.astype(np.float64) * float(file.DoseGridScaling)
    assert np.abs(gray - dose.gray).max() <= float(file.DoseGridScaling) * 0.501
    assert gray.max() == pytest.approx(dose.gray.max(), rel=1e-6 if bits == 32 else 1e-4)
    assert file.BitsAllocated == file.BitsStored == bits
    assert file.HighBit == bits - 1
    assert file.PixelRepresentation == 0


def test_a_dose_of_zero_is_written_as_zero(tmp_path: Path, ct_header: Dataset) -> None:
    grid = dose_in().grid
    file, _ = written(tmp_path, DoseGrid(np.zeros(grid.shape, np.float32), grid), ct_header)
    assert not file.pixel_array.any()


@pytest.mark.parametrize(
    "value", [1 / 3, 71.23456789012345 / (2**32 - 1), -1234567.890123456, 500 / 256, 1e-17, 0.30000000000000004]
)
def test_decimal_strings_stay_within_sixteen_characters(value: float) -> None:
    assert len(str(decimal(value))) <= 16
    assert float(decimal(value)) == pytest.approx(value, rel=1e-9)


def every_element(dataset: Dataset):
    for element in dataset:
        yield element
        for item in element.value if element.VR == "SQ" else ():
            yield from every_element(item)


def test_every_decimal_string_and_uid_in_the_files_is_legal(tmp_path: Path, ct_header: Dataset, rtstruct: Dataset) -> None:
    for file in written(tmp_path, dose_in(), ct_header, rtstruct_header=rtstruct):
        assert file is not None
        for element in every_element(file):
            for value in element.value if element.VM > 1 else [element.value]:
                if element.VR == "DS":
                    assert len(str(value)) <= 16
                if element.VR == "UI":
                    assert len(value) <= 64
                    assert pydicom.uid.UID(value).is_valid
                if element.VR == "LO":
                    assert len(value) <= 64


def test_what_the_standard_requires_is_there(tmp_path: Path, ct_header: Dataset, rtstruct: Dataset) -> None:
    dose, plan = written(tmp_path, dose_in(), ct_header, rtstruct_header=rtstruct)
    for file, with_value, present in ((dose, COMMON_1 + DOSE_1, DOSE_2), (plan, COMMON_1 + PLAN_1, PLAN_2)):
        assert [k for k in with_value if k not in file or file[k].is_empty] == []
        assert [k for k in COMMON_2 + present if k not in file] == []
        empty = [e.keyword for item in _items(file) for e in item if e.is_empty and e.keyword != "NumberOfFractionsPlanned"]
        assert empty == []


def _items(dataset: Dataset):
    for element in dataset:
        for item in element.value if element.VR == "SQ" else ():
            yield item
            yield from _items(item)


def test_the_dose_belongs_to_the_patient_study_and_frame_of_the_ct(tmp_path: Path, ct_header: Dataset) -> None:
    for file in written(tmp_path, dose_in(), ct_header):
        assert file is not None
        for keyword in COPIED:
            assert str(file[keyword].value or "") == str(ct_header[keyword].value or "").rstrip(" "), keyword
        assert "PatientPosition" not in file
        assert "Scanner maker" not in str(file)


def test_names_beyond_ascii_keep_their_bytes(tmp_path: Path, ct_header: Dataset) -> None:
    for name, declared, expected in (("Müller^Jörg", "ISO_IR 100", "ISO_IR 100"), ("山田^太郎", "ISO_IR 192", "ISO_IR 192")):
        ct_header.SpecificCharacterSet, ct_header.PatientName = declared, name
        file, _ = written(tmp_path, dose_in(), ct_header)
        assert (file.SpecificCharacterSet, str(file.PatientName)) == (expected, name)


def test_undeclared_bytes_beyond_ascii_are_declared_and_kept(tmp_path: Path, ct_header: Dataset) -> None:
    for encoding, expected in (("utf-8", "ISO_IR 192"), ("latin-1", "ISO_IR 100")):
        raw = "Müller^Jörg".encode(encoding)
        ct_header.PatientName = raw.decode("latin-1")  # how pydicom shows bytes without a declared repertoire
        files = write_rtdose(tmp_path, dose_in(), Export(ct_header, PROVENANCE))
        assert raw in files.dose.read_bytes()
        file = pydicom.dcmread(files.dose)
        assert (file.SpecificCharacterSet, str(file.PatientName)) == (expected, "Müller^Jörg")


def test_nobody_can_take_it_for_a_calculated_dose(tmp_path: Path, ct_header: Dataset) -> None:
    dose, plan = written(tmp_path, dose_in(), ct_header)
    assert plan is not None
    assert dose.SeriesDescription == "PREDICTED DOSE - NOT FOR TREATMENT"
    assert "NOT FOR TREATMENT" in dose.DoseComment
    made_by = dose.ContributingEquipmentSequence[0]
    assert made_by.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    assert made_by.ManufacturerModelName == "dosediff"
    assert WEIGHTS in made_by.SoftwareVersions
    assert (plan.PlanIntent, plan.ApprovalStatus, plan.RTPlanLabel) == ("RESEARCH", "UNAPPROVED", "AI_PRED_NO_TX")
    assert plan.FractionGroupSequence[0].NumberOfBeams == 0
    assert "BeamSequence" not in plan


def test_the_stub_plan_is_the_one_the_dose_refers_to_and_prescribes(
    tmp_path: Path, ct_header: Dataset, rtstruct: Dataset
) -> None:
    dose, plan = written(tmp_path, dose_in(), ct_header, rtstruct_header=rtstruct)
    assert plan is not None
    assert dose.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == plan.SOPInstanceUID
    assert dose.SeriesInstanceUID != plan.SeriesInstanceUID
    prescribed = [(r.ReferencedROINumber, float(r.TargetPrescriptionDose)) for r in plan.DoseReferenceSequence]
    assert prescribed == [(4, 70.0), (9, 56.0)]
    assert plan.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID == rtstruct.SOPInstanceUID


def test_file_names_carry_nothing_of_the_patient(tmp_path: Path, ct_header: Dataset) -> None:
    files = write_rtdose(tmp_path, dose_in(), Export(ct_header, PROVENANCE))
    assert files.plan is not None
    assert files.dose.name == f"RD.{pydicom.dcmread(files.dose).SOPInstanceUID}.dcm"
    assert files.plan.name == f"RP.{pydicom.dcmread(files.plan).SOPInstanceUID}.dcm"


def test_two_exports_share_no_instance(tmp_path: Path, ct_header: Dataset) -> None:
    one, two = (written(tmp_path, dose_in(), ct_header)[0] for _ in range(2))
    assert one.SOPInstanceUID != two.SOPInstanceUID
    assert one.SeriesInstanceUID != two.SeriesInstanceUID


def test_the_profile_plan_refers_to_the_clinical_plan_and_writes_none(tmp_path: Path, ct_header: Dataset) -> None:
    clinical = Dataset()
    clinical.SOPClassUID, clinical.SOPInstanceUID, clinical.StudyInstanceUID = pydicom.uid.RTPlanStorage, "1.2.3.7", "1.2.3.4"
    dose, plan = written(tmp_path, dose_in(), ct_header, profile="plan", plan_header=clinical)
    assert plan is None
    assert dose.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == "1.2.3.7"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_profile_overview_needs_no_plan(tmp_path: Path, ct_header: Dataset, rtstruct: Dataset) -> None:
    """Items by their types in PS3.3 2023b: 1 PlanOverviewIndex and TotalPrescriptionDose; 2 label, site and prescriptions."""
    dose, plan = written(tmp_path, dose_in(), ct_header, profile="overview", rtstruct_header=rtstruct)
    assert plan is None
    assert dose.DoseSummationType == "PLAN_OVERVIEW"
    assert "ReferencedRTPlanSequence" not in dose
    (item,) = dose.PlanOverviewSequence
    assert (item.PlanOverviewIndex, item.RTPlanLabel) == (1, "AI_PRED_NO_TX")
    assert item["TreatmentSite"].is_empty and item["TreatmentSiteCodeSequence"].is_empty
    assert "NumberOfFractionsIncluded" not in item  # type 1C: with a value or not at all
    prescribed = [(p.ReferencedROINumber, p.TotalPrescriptionDose, p.EntityLongLabel) for p in item.PrescriptionOverviewSequence]
    assert prescribed == [(4, 70, "PTV70"), (9, 56, "PTV56")]
    assert item.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID == rtstruct.SOPInstanceUID


def test_several_doses_of_a_study_are_told_apart(tmp_path: Path, ct_header: Dataset) -> None:
    pairs = [written(tmp_path, dose_in(), ct_header, number=number) for number in (1, 2, 99)]
    assert [(dose.SeriesNumber, plan.SeriesNumber) for dose, plan in pairs if plan] == [(9001, 9000), (9003, 9002), (9197, 9196)]
    labels = [plan.RTPlanLabel for _, plan in pairs if plan]
    assert labels == ["AI_PRED_NO_TX", "AI_PRED_NO_TX_2", "AI_PRED_NO_TX_99"] and max(map(len, labels)) <= 16  # VR SH
    assert {dose.StudyInstanceUID for dose, _ in pairs} == {ct_header.StudyInstanceUID}
    assert len({file.SOPInstanceUID for pair in pairs for file in pair if file}) == 6
    assert len({file.SeriesInstanceUID for pair in pairs for file in pair if file}) == 6
    for dose, plan in pairs:
        assert plan is not None and dose.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == plan.SOPInstanceUID


@pytest.mark.filterwarnings("ignore:Failed to encode")
@pytest.mark.parametrize(
    ("declared", "shown", "repertoire"),
    [(None, "PTV_Å_山", "ISO_IR 192"), ("ISO_IR 192", "PTV_Å_山", "ISO_IR 192"), ("ISO_IR 100", "PTV_Å_?", "ISO_IR 100")],
)
def test_roi_names_beyond_ascii_do_not_change_the_repertoire_of_the_patient(
    declared: str | None, shown: str, repertoire: str, tmp_path: Path, ct_header: Dataset
) -> None:
    if declared:
        ct_header.SpecificCharacterSet = declared
    export = Export(ct_header, PROVENANCE, prescription=Prescription((Target("PTV_Å_山", 70.0),)))
    files = write_rtdose(tmp_path, dose_in(), export)
    assert files.plan is not None
    plan = pydicom.dcmread(files.plan)
    assert (plan.SpecificCharacterSet, plan.DoseReferenceSequence[0].DoseReferenceDescription) == (repertoire, shown)
    assert str(plan.PatientName) == "Doe^Jane"


def test_dvhs_and_the_structure_set_reference_come_together_or_not_at_all(
    tmp_path: Path, ct_header: Dataset, rtstruct: Dataset
) -> None:
    curve = DvhCurve(4, 0.1, np.array([10.0, 7.5, 1 / 3]), 0.05, 0.25, 0.2)
    both, _ = written(tmp_path, dose_in(), ct_header, rtstruct_header=rtstruct, dvhs=[curve])
    item = both.DVHSequence[0]
    assert [float(v) for v in item.DVHData] == pytest.approx([0.1, 10, 0.1, 7.5, 0.1, 1 / 3], rel=1e-5)
    assert item.DVHNumberOfBins == 3
    assert item.DVHReferencedROISequence[0].ReferencedROINumber == 4
    assert both.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID == rtstruct.SOPInstanceUID
    for options in ({"rtstruct_header": rtstruct}, {"dvhs": [curve]}):
        neither, _ = written(tmp_path, dose_in(), ct_header, **options)
        assert "DVHSequence" not in neither
        assert "ReferencedStructureSetSequence" not in neither


def test_a_dvh_too_long_for_its_element_is_refused(tmp_path: Path, ct_header: Dataset, rtstruct: Dataset) -> None:
    curve = DvhCurve(4, 0.001, np.linspace(100, 0, 80_000), 0, 80, 40)
    with pytest.raises(InputError, match="wider bins"):
        written(tmp_path, dose_in(), ct_header, rtstruct_header=rtstruct, dvhs=[curve])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("profile", ["stub-plan", "overview"])
def test_dciodvfy_finds_no_error(profile: str, tmp_path: Path, ct_header: Dataset, rtstruct: Dataset) -> None:
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy (Debian package dicom3tools) is not installed")
    curve = DvhCurve(4, 0.1, np.array([10.0, 7.5, 1 / 3]), 0.05, 0.25, 0.2)
    options = {"rtstruct_header": rtstruct, "dvhs": [curve], "profile": profile}
    ct_header.StudyID = "1"  # empty is legal, but a DICOMDIR would want one
    written(tmp_path, dose_in(), ct_header, bits=16, **options)  # it aborts on every dose of 32 bits
    for file in tmp_path.iterdir():
        said = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, check=False)
        assert "Error" not in said.stderr, said.stderr
        if profile == "stub-plan":
            assert "Warning" not in said.stderr, said.stderr


def test_dcmdump_reads_to_the_end(tmp_path: Path, ct_header: Dataset) -> None:
    if not shutil.which("dcmdump"):
        pytest.skip("dcmdump (Debian package dcmtk) is not installed")
    written(tmp_path, dose_in(), ct_header)
    for file in tmp_path.iterdir():
        said = subprocess.run(["dcmdump", str(file)], capture_output=True, text=True, check=False)
        assert (said.returncode, said.stderr) == (0, "")


# --- whole or not at all ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step", "call"), [("fsync", 1), ("fsync", 2), ("replace", 1), ("replace", 2)])
def test_nothing_is_left_when_the_disk_fails(
    step: str, call: int, tmp_path: Path, ct_header: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = getattr(os, step), []

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) == call:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(os, step, failing)
    with pytest.raises(OutputError, match="No space left on device"):
        write_rtdose(tmp_path, dose_in(), Export(ct_header, PROVENANCE))
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_when_the_file_reads_back_differently(
    tmp_path: Path, ct_header: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_files, "decode", lambda dataset: dose_in().gray + 1e-3)
    with pytest.raises(OutputError, match="read back"):
        write_rtdose(tmp_path, dose_in(), Export(ct_header, PROVENANCE))
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_never_overwritten(tmp_path: Path, ct_header: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("DosePredictLib.io.new_dicom.generate_uid", lambda: "1.2.3.99")
    first = write_rtdose(tmp_path, dose_in(), Export(ct_header, PROVENANCE))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OutputError, match="never overwritten"):
        write_rtdose(tmp_path, dose_in("FFS"), Export(ct_header, PROVENANCE))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert first.dose in before


def test_a_folder_that_is_not_there_is_one_sentence_without_its_path(tmp_path: Path, ct_header: Dataset) -> None:
    with pytest.raises(OutputError, match="could not be written to the folder absent") as caught:
        write_rtdose(tmp_path / "absent", dose_in(), Export(ct_header, PROVENANCE))
    assert str(tmp_path) not in str(caught.value)


# --- what does not fit together ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "FrameOfReferenceUID"])
def test_a_ct_without_the_links_is_refused(keyword: str, tmp_path: Path, ct_header: Dataset) -> None:
    del ct_header[keyword]
    with pytest.raises(DicomError, match=keyword):
        write_rtdose(tmp_path, dose_in(), Export(ct_header, PROVENANCE))
    assert not list(tmp_path.iterdir())


def test_a_structure_set_of_another_frame_is_refused(tmp_path: Path, ct_header: Dataset, rtstruct: Dataset) -> None:
    frame = Dataset()
    frame.FrameOfReferenceUID = "1.2.3.55"
    rtstruct.ReferencedFrameOfReferenceSequence = [frame]
    with pytest.raises(GeometryError, match="another frame of reference"):
        write_rtdose(tmp_path, dose_in(), Export(ct_header, PROVENANCE, rtstruct_header=rtstruct))


def test_the_profile_plan_without_a_plan_is_refused(tmp_path: Path, ct_header: Dataset) -> None:
    with pytest.raises(InputError, match="stub-plan"):
        write_rtdose(tmp_path, dose_in(), Export(ct_header, PROVENANCE, profile="plan"))
