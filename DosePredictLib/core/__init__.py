"""The nouns of the library; numpy only."""

from .case import Case
from .errors import Cancelled, DicomError, DosePredictError, GeometryError, InputError, ModelError, OutputError
from .grid import Grid
from .prescription import Prescription, Target
from .qa_case import QaCase
from .recipe import Recipe
from .structures import BODY, OARS, TARGET_SLOTS, Structure, StructureSet
from .tabulated_dvh import TabulatedDvh
from .volumes import DoseGrid, Volume

__all__ = [
    "BODY", "OARS", "TARGET_SLOTS", "Cancelled", "Case", "DicomError", "DoseGrid", "DosePredictError", "GeometryError",
    "Grid", "InputError", "ModelError", "OutputError", "Prescription", "QaCase", "Recipe", "Structure", "StructureSet",
    "TabulatedDvh", "Target", "Volume",
]  # fmt: skip
