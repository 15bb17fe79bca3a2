"""Histograms of planning systems: as the standard says, as Eclipse writes them, and with the quirks both have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from DosePredictLib.core import DicomError, InputError, Structure, StructureSet
from DosePredictLib.io.tps_dvh import read_tps_dvh

ROIS = StructureSet((Structure("PTV", number=3), Structure("Cord", number=4)))
CUMULATIVE = [1.0, 8.0, 1.0, 8.0, 1.0, 2.0, 1.0, -1e-13]  # 8 cc above 0 and 1 Gy, 2 cc above 2 Gy, none above 3 Gy


def histogram(data: list[float], rois: dict[int, str] | None = None, **changes: object) -> Dataset:
    item = Dataset()
    item.DVHType, item.DoseUnits, item.DVHDoseScaling, item.DVHVolumeUnits = "CUMULATIVE", "GY", 1, "CM3"
    item.DVHNumberOfBins, item.DVHData, item.DVHMeanDose = len(data) // 2, data, 101.9  # percent of the prescription
    item.DVHReferencedROISequence = []
    for number, contribution in (rois or {3: "INCLUDED"}).items():
        roi = Dataset()
        roi.ReferencedROINumber, roi.DVHROIContributionType = number, contribution
        item.DVHReferencedROISequence.append(roi)
    for keyword, value in changes.items():
        setattr(item, keyword, value)
    return item


def rtdose(folder: Path, *items: Dataset, normalisation: float | None = None) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, "1.2.840.10008.5.1.4.1.1.481.2"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset(str(folder / "RD.dcm"), {}, file_meta=meta, preamble=bytes(128))
    dataset.DVHSequence = list(items)
    if normalisation:
        dataset.DVHNormalizationDoseValue = normalisation
    dataset.save_as(folder / "RD.dcm", **({} if hasattr(dataset, "is_little_endian") else {"enforce_file_format": True}))
    return folder / "RD.dcm"


def test_a_cumulative_histogram_starts_at_zero_dose_with_the_whole_volume(tmp_path: Path) -> None:
    (table,) = read_tps_dvh(rtdose(tmp_path, histogram(CUMULATIVE)), ROIS)
    assert (table.name, table.total_cc) == ("PTV", 8.0)
    np.testing.assert_allclose(table.dose_gy, [0, 1, 2, 3])
    np.testing.assert_allclose(table.percent, [100, 100, 25, 0])


@pytest.mark.parametrize(
    ("changes", "normalisation"),
    [
        ({"DVHType": "DIFFERENTIAL", "DVHData": [1.0, 0.0, 1.0, 6.0, 1.0, 2.0]}, None),
        ({"DVHDoseScaling": 0.01, "DVHData": [100.0, 8.0, 100.0, 8.0, 100.0, 2.0, 100.0, 0.0]}, None),
        ({"DVHVolumeUnits": "PERCENT", "DVHData": [1.0, 100.0, 1.0, 100.0, 1.0, 25.0, 1.0, 0.0]}, None),
        ({"DoseUnits": "RELATIVE", "DVHData": [10.0, 8.0, 10.0, 8.0, 10.0, 2.0, 10.0, 0.0]}, 10.0),
        ({"DoseUnits": "RELATIVE", "DVHData": [0.1, 8.0, 0.1, 8.0, 0.1, 2.0, 0.1, 0.0]}, 10.0),
        ({"DVHNumberOfBins": 77}, None),
    ],
    ids=["differential", "scaled", "percent of the volume", "percent of 10 Gy", "share of 10 Gy", "wrong number of bins"],
)
def test_every_way_to_write_it_means_the_same_curve(tmp_path: Path, changes: dict, normalisation: float | None) -> None:
    (table,) = read_tps_dvh(rtdose(tmp_path, histogram(CUMULATIVE, **changes), normalisation=normalisation))
    np.testing.assert_allclose(table.dose_gy, [0, 1, 2, 3])
    np.testing.assert_allclose(table.percent, [100, 100, 25, 0])
    assert table.total_cc == (None if changes.get("DVHVolumeUnits") else 8.0)


@pytest.mark.parametrize(
    ("rois", "name"),
    [
        ({4: "INCLUDED"}, "Cord"),
        ({9: "INCLUDED"}, "ROI 9"),
        ({3: "INCLUDED", 4: "EXCLUDED"}, "PTV - Cord"),
        ({4: "EXCLUDED", 3: "INCLUDED"}, "- Cord + PTV"),
    ],
)
def test_rois_are_named_by_the_structure_set_or_their_number(tmp_path: Path, rois: dict[int, str], name: str) -> None:
    assert read_tps_dvh(rtdose(tmp_path, histogram(CUMULATIVE, rois)), ROIS)[0].name == name


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"DVHType": "NATURAL"}, "is NATURAL in CM3"),
        ({"DVHVolumeUnits": "PER_U"}, "CUMULATIVE in PER_U"),
        ({"DVHData": [1.0, 8.0, 1.0]}, "3 numbers instead of pairs"),
        ({"DVHData": [1.0, 8.0]}, "2 numbers instead of pairs"),
        ({"DVHData": [1.0, 0.0, 1.0, 0.0]}, "has no volume"),
        ({"DVHData": [-1.0, 8.0, 1.0, 4.0, 1.0, 0.0]}, "do not rise from 0"),
        ({"DoseUnits": "RELATIVE"}, "no DVHNormalizationDoseValue"),
    ],
)
def test_what_cannot_be_a_histogram_is_refused_in_a_sentence(tmp_path: Path, changes: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_tps_dvh(rtdose(tmp_path, histogram(CUMULATIVE, **changes)), ROIS)


def test_a_dose_without_histograms_and_an_absent_file_are_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="holds no dose-volume histograms"):
        read_tps_dvh(rtdose(tmp_path))
    with pytest.raises(InputError, match="There is no file"):
        read_tps_dvh(tmp_path / "absent.dcm")


def test_the_histograms_of_a_clinical_plan_reach_from_its_volumes_to_its_maximum_dose(shared: Path) -> None:
    """The dose was normalised to 14 Gy, and DVHMaximumDose (104.86, in percent of it) is that of the dose grid, 14.68 Gy."""
    tables = read_tps_dvh(shared / "data/dicom-rt/breast-boost-complete/RD.dcm")
    assert [round(t.total_cc or 0, 2) for t in tables[-2:]] == [12.81, 62.88]
    assert tables[0].dose_gy[-1] == pytest.approx(14.69, abs=0.011)


ECLIPSE = """\
Patient Name         : somebody
Exported by          : someone
Type                 : Cumulative Dose Volume Histogram

Plan: boost
Prescribed dose [cGy]: 5000.0
% for dose (%): 100.0

Structure: PTV 50
Approval Status: Approved
Volume [cm³]: 8.0
Mean Dose [cGy]: 162.5

{header}
{rows}

Structure: Cord
Volume [cm³]: 3.5

Dose [cGy] Ratio of Total Structure Volume [%]
         0                       100
         1                         0
"""
FORMS = {
    "percent": ("Dose [cGy] Ratio of Total Structure Volume [%]", ["0 100", "100 100", "200 25", "300 1e-013", "301 0"]),
    "both doses": (
        "Relative dose [%]          Dose [cGy] Ratio of Total Structure Volume [%]",
        ["0 0 100", "2 100 100", "4 200 25", "6 300 0"],
    ),
    "volume": ("Dose [Gy]     Structure Volume [cm³]", ["0 8", "1 8", "2 2", "3 0"]),
    "commas": ("Dose [Gy]     Structure Volume [cm³]", ["0,0 8,0", "1,0 8,0", "2,0 2,0", "3,0 0"]),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_eclipse_s_export_means_the_same_curve(tmp_path: Path, form: str, encoding: str) -> None:
    header, rows = FORMS[form]
    path = tmp_path / "dvh.txt"
    path.write_text(ECLIPSE.format(header=header, rows="\n".join(rows)), encoding=encoding)
    first, second = read_tps_dvh(path)
    assert (first.name, first.total_cc, second.name, second.total_cc) == ("PTV 50", 8.0, "Cord", 3.5)
    np.testing.assert_allclose(first.dose_gy[:4], [0, 1, 2, 3])
    np.testing.assert_allclose(first.percent[:4], [100, 100, 25, 0], atol=1e-9)


@pytest.mark.parametrize(
    ("header", "rows", "says"),
    [
        ("Relative dose [%] Ratio of Total Structure Volume [%]", "0 100\n1 0", "export the DVH with absolute dose"),
        ("Dose [cGy] dVolume / dDose [cm³ / cGy]", "0 0\n1 8", "export the DVH as a cumulative"),
        ("Dose [cGy] Ratio of Total Structure Volume [%]", "0 100\n1", "has a row that is not 2 numbers"),
        ("Dose [cGy] Ratio of Total Structure Volume [%]", "0 100\n1 x", "has a row that is not 2 numbers"),
        ("", "", "no table of dose and volume"),
        ("Dose [cGy] Ratio of Total Structure Volume [%]", "0 60\n1 100", "fewer than two|cumulative"),
    ],
)
def test_what_eclipse_s_export_lacks_is_said(tmp_path: Path, header: str, rows: str, says: str) -> None:
    path = tmp_path / "dvh.txt"
    path.write_text(ECLIPSE.format(header=header, rows=rows), encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_tps_dvh(path)


def test_any_other_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Dear colleague")
    with pytest.raises(InputError, match="notes\\.txt has no line 'Structure:'"):
        read_tps_dvh(path)
