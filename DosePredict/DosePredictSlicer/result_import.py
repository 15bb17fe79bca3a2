"""The outputs of a background job as nodes of the scene."""

from __future__ import annotations

import datetime
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from DosePredictLib.core import Volume
from DosePredictLib.io.scene_case import read_volumes
from DosePredictLib.worker.scene import VOLUMES

from . import dose_display, dvh_review
from .kinds import NOTICE
from .patient import Patient
from .result import CT, PAGE, PLANNED, PREDICTED, REPORT, STRUCTURES, Result
from .scene_volumes import add_volume
from .subject_hierarchy import mark_as_dose, place_beside


def import_result(output: Path, patient: Patient) -> Result:
    """Bring a finished prediction into the scene, under the study of its CT; all of it, or nothing where that fails."""
    result = Result(uuid.uuid4().hex[:12])
    try:
        _import(result, output, patient)
    except BaseException:
        for node in result.nodes:
            slicer.mrmlScene.RemoveNode(node)
        raise
    return result


def _import(result: Result, output: Path, patient: Patient) -> None:
    volumes = read_volumes(output / VOLUMES)
    _add_text(result, REPORT, _("Report (numbers)"), output / "report.json")
    _add_text(result, PAGE, _("Report"), output / "report.html")
    for role, volume in volumes.items():
        add_volume(Volume(np.nan_to_num(volume.array), volume.grid), result.name(role), result.marks(role))  # gamma has NaN
    _note_provenance(result, patient)
    dvh_review.add_tables(result, (output / "dvh.csv").read_text(encoding="utf-8"))
    dvh_review.add_chart(result)
    dose_display.prepare(result)
    model = result.report["model"]["id"]
    shown = [node for node in result.nodes if not node.GetHideFromEditors() and not node.IsA("vtkMRMLPlotSeriesNode")]
    place_beside(patient.ct or patient.planned, shown, f"{result.kind.folder} ({model})")
    mark_as_dose(result.node(PREDICTED))


def _add_text(result: Result, role: str, name: str, file: Path) -> None:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", slicer.mrmlScene.GenerateUniqueName(name))
    node.SetText(file.read_text(encoding="utf-8"))
    node.SetHideFromEditors(True)
    result.adopt(node, role)


def _note_provenance(result: Result, patient: Patient) -> None:
    """On the predicted dose: what made it, and from what."""
    dose: Any = result.node(PREDICTED)
    report = result.report
    facts = {
        "Created": datetime.datetime.now().isoformat(timespec="seconds"),
        "Prescription": ", ".join(f"{target['roi']} {target['dose_gy']:g} Gy" for target in report.get("prescription", ())),
        "OutsideDomain": report.get("outside_domain") or "",
        **{f"Model.{key}": value for key, value in report["model"].items()},
        **{f"Request.{key}": value for key, value in report["request"].items()},
    }
    dose.SetAttribute(NOTICE, result.kind.exported.notice)
    for name, value in facts.items():
        dose.SetAttribute(f"DosePredict.{name}", str(value))
    for role, node in ((CT, patient.ct), (STRUCTURES, patient.structures), (PLANNED, patient.planned)):
        if node is not None:
            dose.SetNodeReferenceID(role, node.GetID())
