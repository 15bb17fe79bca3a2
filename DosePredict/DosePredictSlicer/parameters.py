"""What the user has chosen, kept in the scene."""

from __future__ import annotations

from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from DosePredictLib.registry import DEFAULT_MODEL


@parameterNodeWrapper
class DosePredictParameterNode:
    """Inputs and settings; see ``patient.Patient`` and ``prediction_queue.Settings``.

    plan: ID of a vtkMRMLRTPlanNode, a class that only SlicerRT has. names, prescription: what the user wants otherwise than it
    was recognised, as JSON; wishesFor: ID of the structures they are for. samples, steps: 0 for the model's own number.
    predicted: the prediction that is shown.
    """

    ct: vtkMRMLScalarVolumeNode
    structures: vtkMRMLSegmentationNode
    planned: vtkMRMLScalarVolumeNode
    plan: str
    names: str = "{}"
    prescription: str = "{}"
    wishesFor: str
    model: str = DEFAULT_MODEL
    samples: Annotated[int, WithinRange(0, 50)] = 0
    steps: Annotated[int, WithinRange(0, 1000)] = 0
    seed: Annotated[int, WithinRange(0, 2147483647)] = 0
    device: str = "auto"
    grid: str = "dose"
    outsideDomain: bool = False
    predicted: vtkMRMLScalarVolumeNode
