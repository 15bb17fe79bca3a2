"""Where results stand in the subject hierarchy: under the CT's study, marked as SlicerRT marks a dose."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import slicer

DOSE_VOLUME = "DicomRtImport.DoseVolume"  # these three: SlicerRT, vtkSlicerRtCommon
UNIT_NAME, UNIT_VALUE = "DicomRtImport.DoseUnitName", "DicomRtImport.DoseUnitValue"


def mark_as_dose(node: Any) -> None:
    """Make SlicerRT's modules take a volume in Gy for a dose; a unit the study already has is left alone."""
    node.SetAttribute(DOSE_VOLUME, "1")
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    item = hierarchy.GetItemByDataNode(node)
    study = hierarchy.GetItemAncestorAtLevel(item, slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy())
    if study and not hierarchy.GetItemAttribute(study, UNIT_NAME):
        hierarchy.SetItemAttribute(study, UNIT_NAME, "GY")
        hierarchy.SetItemAttribute(study, UNIT_VALUE, "1.0")
    hierarchy.RequestOwnerPluginSearch(item)


def place_beside(reference: Any, nodes: Iterable[Any], folder_name: str) -> None:
    """Put nodes into a new folder next to a node, which is in its study where it has one."""
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(reference))
    folder = hierarchy.CreateFolderItem(parent or hierarchy.GetSceneItemID(), folder_name)
    for node in nodes:
        if item := hierarchy.GetItemByDataNode(node):
            hierarchy.SetItemParent(item, folder)


def remove_folder_of(node: Any) -> None:
    """Remove the folder a node stands in; the nodes in it stay in the scene."""
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    item = hierarchy.GetItemByDataNode(node) if node is not None else 0
    folder = hierarchy.GetItemParent(item) if item else 0
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetSubjectHierarchyLevelFolder()
    if folder and folder != hierarchy.GetSceneItemID() and hierarchy.GetItemLevel(folder) == level:
        hierarchy.RemoveItem(folder, False, False)
