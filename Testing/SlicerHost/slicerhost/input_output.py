"""Loading and saving nodes: what `slicer.util.loadVolume`, `saveNode` and `saveScene` ask of the application."""

from __future__ import annotations

import os
from typing import Any

import qt
import slicer
import slicer.util

from .declare import Signal

ENDINGS = {
    "SegmentationFile": (".seg.nrrd",),
    "MarkupsFile": (".mrk.json",),
    "SceneFile": (".mrml", ".mrb"),
    "VolumeFile": (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd"),
    "TableFile": (".csv", ".tsv"),
    "ModelFile": (".vtk", ".vtp", ".stl"),
}
NODES = {"SegmentationFile": "vtkMRMLSegmentationNode", "TableFile": "vtkMRMLTableNode", "ModelFile": "vtkMRMLModelNode"}
WRITTEN = {**NODES, "VolumeFile": "vtkMRMLVolumeNode"}


class IOManager(qt.QObject):
    """slicer.app.coreIOManager()."""

    newFileLoaded = Signal(object)

    def fileType(self, path: str) -> str:
        return next((kind for kind, endings in ENDINGS.items() if str(path).lower().endswith(endings)), "NoFile")

    def fileWriterFileType(self, node: Any) -> str:
        return next((kind for kind, cls in WRITTEN.items() if node.IsA(cls)), "NoFile")

    def loadNodes(self, kind: str, properties: dict, loaded: Any = None, messages: Any = None) -> bool:
        path, scene = properties["fileName"], slicer.mrmlScene
        if kind == "SceneFile":
            return self._load_scene(path, properties.get("clear", False))
        name = properties.get("name") or scene.GenerateUniqueName(os.path.basename(path).split(".")[0])
        node = self._load_volume(path, name, properties) if kind == "VolumeFile" else self._load(NODES[kind], path, name)
        if node is not None and loaded is not None:
            loaded.AddItem(node)
        return node is not None

    @staticmethod
    def _load_scene(path: str, clear: bool) -> bool:
        if path.endswith(".mrb"):
            return bool(slicer.mrmlScene.ReadFromMRB(path, clear))
        slicer.mrmlScene.SetURL(path)
        return bool(slicer.mrmlScene.Connect() if clear else slicer.mrmlScene.Import())

    @staticmethod
    def _load_volume(path: str, name: str, properties: dict) -> Any:
        options = (
            1 * bool(properties.get("labelmap")) + 2 * bool(properties.get("center")) + 4 * bool(properties.get("singleFile"))
        )
        node = slicer.modules.volumes.logic().AddArchetypeVolume(path, name, options)
        if node and properties.get("show", True):
            slicer.util.setSliceViewerLayers(background=node, fit=True)
        return node

    @staticmethod
    def _load(cls: str, path: str, name: str) -> Any:
        node = slicer.mrmlScene.AddNewNodeByClass(cls, name)
        node.AddDefaultStorageNode(path)
        if not node.GetStorageNode().ReadData(node):
            slicer.mrmlScene.RemoveNode(node)
            return None
        if node.IsA("vtkMRMLDisplayableNode"):
            node.CreateDefaultDisplayNodes()
        return node

    def saveNodes(self, kind: str, properties: dict, messages: Any = None) -> bool:
        path, scene = properties["fileName"], slicer.mrmlScene
        if kind == "SceneFile":
            scene.SetURL(path)
            return bool(scene.WriteToMRB(path) if path.endswith(".mrb") else scene.Commit(path))
        node = scene.GetNodeByID(properties["nodeID"])
        if not node.GetStorageNode():
            node.AddDefaultStorageNode(path)
        node.GetStorageNode().SetFileName(path)
        return bool(node.GetStorageNode().WriteData(node))
