"""The DICOM files that nodes of the scene came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import slicer

FILES = "DosePredict.Files"  # attribute of what this module has loaded itself: names of files, and their folder
PLAN = "DosePredict.PlanFile"  # attribute of structures this module has loaded itself
INSTANCES = "DICOM.instanceUIDs"  # attribute Slicer gives to volumes loaded from DICOM


def files_behind(node: Any) -> list[Path]:
    """The files of a volume, segmentation or plan that still exist; none for a node that has nothing to do with DICOM."""
    return [path for path in (*_remembered(node), *_of_instances(node), *_of_series(node)) if path.is_file()]


def remember_files(node: Any, files: list[Path]) -> None:
    """Note where a node came from, for nodes that are not in Slicer's DICOM database."""
    node.SetAttribute(FILES, json.dumps([str(path) for path in files]))


def remember_plan(structures: Any, plan: Path) -> None:
    """Note the RTPLAN that was made on a structure set."""
    structures.SetAttribute(PLAN, str(plan))


def plan_behind(structures: Any) -> Path | None:
    """The RTPLAN made on a structure set, where it is known and still exists."""
    path = Path(structures.GetAttribute(PLAN) or "")
    return path if path.is_file() else None


def _remembered(node: Any) -> list[Path]:
    return [Path(path) for path in json.loads(node.GetAttribute(FILES) or "[]")]


def _of_instances(node: Any) -> list[Path]:
    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        return []
    found = (database.fileForInstance(uid) for uid in (node.GetAttribute(INSTANCES) or "").split())
    return [Path(path) for path in found if path]


def _of_series(node: Any) -> list[Path]:
    """Through the subject hierarchy, which knows a segmentation's SeriesInstanceUID."""
    database = getattr(slicer, "dicomDatabase", None)
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    item = hierarchy.GetItemByDataNode(node)
    uid = hierarchy.GetItemUID(item, slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMUIDName()) if item else ""
    if not uid or database is None or not database.isOpen:
        return []
    return [Path(path) for path in database.filesForSeries(uid)]
