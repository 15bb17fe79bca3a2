"""What is chosen by itself: where the scene leaves only one choice."""

from __future__ import annotations

from typing import Any

import slicer

from .result import RUN
from .subject_hierarchy import DOSE_VOLUME


def preselect(parameters: Any) -> None:
    """Fill what is not chosen yet, where exactly one node comes into question."""
    volumes = [node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if _is_patient_image(node)]
    doses = [node for node in volumes if node.GetAttribute(DOSE_VOLUME) is not None]
    images = [node for node in volumes if node.GetAttribute(DOSE_VOLUME) is None]
    if parameters.ct is None:
        parameters.ct = _only(images)
    if parameters.structures is None:
        parameters.structures = _only(slicer.util.getNodesByClass("vtkMRMLSegmentationNode"))
        if parameters.planned is None and parameters.structures is not None:
            parameters.planned = _only(doses)


def _is_patient_image(node: Any) -> bool:
    is_image = not node.IsA("vtkMRMLLabelMapVolumeNode") and not node.GetHideFromEditors()
    return is_image and node.GetAttribute(RUN) is None


def _only(nodes: list[Any]) -> Any:
    return nodes[0] if len(nodes) == 1 else None
