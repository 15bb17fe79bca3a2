"""Doses leave the scene: into a folder, Slicer's DICOM database, to a node; files are found through the database."""

from __future__ import annotations

import shutil
from pathlib import Path

import pydicom
import pytest
import slicer
from slicerhost import dicom

from DosePredictLib.core import OutputError


@pytest.fixture
def result(patient, finished):
    from DosePredictSlicer.patient import Patient
    from DosePredictSlicer.result_import import import_result

    return import_result(finished, Patient(patient.ct, patient.structures, patient.planned))


def forget_files(*nodes) -> None:
    """As if Slicer's own DICOM module had loaded them, not this one."""
    for node in nodes:
        node.RemoveAttribute("DosePredict.Files")


def test_the_ct_is_found_through_the_instances_slicer_notes_on_a_volume(patient, patient_folder):
    from DosePredictSlicer.dicom_behind import files_behind

    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in files_behind(patient.ct)]
    patient.ct.SetAttribute("DICOM.instanceUIDs", " ".join(header.SOPInstanceUID for header in headers))
    forget_files(patient.ct)
    assert files_behind(patient.ct) == []
    with dicom.database(patient_folder):
        assert len(files_behind(patient.ct)) == len(headers)


def test_structures_are_found_through_the_series_the_subject_hierarchy_knows(patient, patient_folder):
    from DosePredictSlicer.dicom_behind import files_behind

    (file,) = files_behind(patient.structures)
    series = pydicom.dcmread(file, stop_before_pixels=True).SeriesInstanceUID
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    hierarchy.SetItemUID(hierarchy.GetItemByDataNode(patient.structures), "DICOM", series)
    forget_files(patient.structures)
    with dicom.database(patient_folder):
        assert files_behind(patient.structures) == [file]


def test_export_into_slicers_database(result, tmp_path, monkeypatch):
    from DosePredictSlicer.exporter import Exporter

    kept = tmp_path / "kept"
    with dicom.database() as database:
        insert = database.insert
        monkeypatch.setattr(database, "insert", lambda path: insert(shutil.copy(path, kept)), raising=False)
        kept.mkdir()
        Exporter(result).to_database()
    modalities = sorted(pydicom.dcmread(path).Modality for path in kept.iterdir())
    assert modalities == ["RTDOSE", "RTPLAN"]


def test_without_a_database_the_sentence_names_another_way(result):
    from DosePredictSlicer.exporter import Exporter

    with pytest.raises(OutputError, match="export to a folder"):
        Exporter(result).to_database()


def test_a_node_that_refuses_is_said(result, monkeypatch):
    from DosePredictSlicer.exporter import Exporter

    from DosePredictLib.io import send

    def refuse(files: list[Path], node: send.Node) -> list[send.Outcome]:
        assert all(path.exists() for path in files)
        return [send.Outcome(path.name, False, "refused: out of resources") for path in files]

    monkeypatch.setattr(send, "send", refuse)
    with pytest.raises(OutputError, match="did not take everything: RD"):
        Exporter(result).to_node("127.0.0.1", 104, "TPS")


def test_a_second_prediction_is_exported_as_the_second_of_its_study(result, patient, finished, tmp_path):
    from DosePredictSlicer.exporter import Exporter
    from DosePredictSlicer.patient import Patient
    from DosePredictSlicer.result_import import import_result

    second = import_result(finished, Patient(patient.ct, patient.structures))
    numbers = [int(pydicom.dcmread(Exporter(one).to_folder(tmp_path)[0]).SeriesNumber) for one in (result, second)]
    assert numbers[1] > numbers[0]


def test_nothing_is_written_over_what_is_there_already(result, tmp_path):
    from DosePredictSlicer.exporter import Exporter

    folder = tmp_path / "not writable"
    folder.write_text("a file, no folder")
    with pytest.raises(OutputError):
        Exporter(result).to_folder(folder)
