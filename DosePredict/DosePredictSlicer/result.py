"""What one prediction has brought into the scene; found again after the scene was saved and reopened."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import slicer
from slicer.i18n import tr as _

from DosePredictLib.worker.scene import DIFFERENCE, GAMMA, PREDICTED, UNCERTAINTY

from .kinds import MEASURED, PLAN, PLANNED, Kind

__all__ = ["DIFFERENCE", "GAMMA", "PLANNED", "PREDICTED", "UNCERTAINTY", "Result"]

RUN, ROLE = "DosePredict.Run", "DosePredict.Role"  # attributes of every node of a prediction
CT, STRUCTURES = "DosePredict.CT", "DosePredict.Structures"  # references of the predicted dose, as PLANNED
REPORT, PAGE, CURVES, METRICS, GOALS, CHART, ISODOSES = "report", "page", "curves", "metrics", "goals", "chart", "isodoses"


@dataclass(frozen=True)
class Result:
    """A prediction in the scene, by its run's name."""

    run: str

    @classmethod
    def of(cls, node: Any) -> Result | None:
        """The prediction a node belongs to."""
        run = node.GetAttribute(RUN) if node is not None else None
        return cls(run) if run else None

    @property
    def nodes(self) -> list[Any]:
        """All nodes of this prediction."""
        scene = slicer.mrmlScene
        every = (scene.GetNthNode(number) for number in range(scene.GetNumberOfNodes()))
        return [node for node in every if node.GetAttribute(RUN) == self.run]

    def node(self, role: str) -> Any:
        """The node of one role, None where this prediction has none."""
        return next((node for node in self.nodes if node.GetAttribute(ROLE) == role), None)

    def adopt(self, node: Any, role: str) -> Any:
        """Mark a node as part of this prediction."""
        for name, value in self.marks(role).items():
            node.SetAttribute(name, value)
        return node

    def marks(self, role: str) -> dict[str, str]:
        """The attributes of a node of this prediction."""
        return {RUN: self.run, ROLE: role}

    @property
    def report(self) -> dict[str, Any]:
        """The numbers of report.json."""
        return json.loads(self.node(REPORT).GetText())

    @property
    def kind(self) -> Kind:
        """Whether it is a plan's dose or what is measured of a plan."""
        return MEASURED if self.report.get("dose_kind") == "measured" else PLAN

    def name(self, role: str) -> str:
        """Of a volume, as people see it."""
        learned = _(" (simulated training)") if role == PREDICTED and self.report.get("simulated_measurements") else ""
        return f"{self.kind.nodes[role]}{learned}"

    @property
    def full_gy(self) -> float:
        """What 100 % is: the highest prescription; of a measured dose the maximum of the planned one."""
        if self.kind is MEASURED:
            return float(self.report["maximum_gy"]["planned"])
        return max(target["dose_gy"] for target in self.report["prescription"])

    def source(self, role: str) -> Any:
        """The CT, structures or planned dose it was made from; None where that is no longer in the scene."""
        predicted = self.node(PREDICTED)
        return predicted.GetNodeReference(role) if predicted is not None else None

    def remove(self) -> None:
        """Take everything of this prediction out of the scene."""
        from .subject_hierarchy import remove_folder_of

        remove_folder_of(self.node(PREDICTED))
        for node in self.nodes:
            for part in _display_and_storage_of(node):
                slicer.mrmlScene.RemoveNode(part)
            slicer.mrmlScene.RemoveNode(node)


def _display_and_storage_of(node: Any) -> list[Any]:
    """What Slicer has made for a node and leaves behind when the node goes."""
    displays = node.GetNumberOfDisplayNodes() if node.IsA("vtkMRMLDisplayableNode") else 0
    storages = node.GetNumberOfStorageNodes() if node.IsA("vtkMRMLStorableNode") else 0
    parts = [node.GetNthDisplayNode(n) for n in range(displays)] + [node.GetNthStorageNode(n) for n in range(storages)]
    return [part for part in parts if part is not None]
