"""The two kinds of predicted dose, in words and colours of their own, so that neither is ever taken for the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from DosePredictLib.io.dose_kinds import MEASURED_DOSE, PLANNED_DOSE, DoseKind
from DosePredictLib.io.headers import read_header
from DosePredictLib.worker.scene import DIFFERENCE, GAMMA, PREDICTED, UNCERTAINTY

from . import dose_colors
from .dicom_behind import files_behind

PLANNED = "DosePredict.Planned"  # reference of a predicted dose to the planned one
NOTICE = "DosePredict.Notice"  # attribute of a predicted dose


@dataclass(frozen=True)
class Kind:
    """How one kind of dose is named and shown.

    exported: what its RTDOSE says. folder: in the subject hierarchy. banner: colours of text and background above a result.
    nodes: names of volumes by role. shown: what the list of washes calls them. wash, difference: make colour tables.
    difference_share: where the colours of the difference end; 1 is 100 %. labels: in the legend of the dose. levels: isodoses
    in percent, with their colours; lines: what they are called; of_what: percent of what. chart: title of the curves; curve:
    line style of the predicted ones, an attribute of vtkMRMLPlotSeriesNode. first_table: what the first of the tables is about.
    """

    exported: DoseKind
    folder: str
    banner: tuple[str, str]
    nodes: Mapping[str, str]
    shown: Mapping[str, str]
    wash: Callable[[], Any]
    difference: Callable[[], Any]
    difference_share: float
    labels: int
    levels: Mapping[int, dose_colors.Color]
    lines: str
    of_what: str
    chart: str
    curve: str
    first_table: str


PLAN = Kind(
    exported=PLANNED_DOSE,
    folder=_("Prediction"),
    banner=("#1a237e", "#e3f2fd"),
    nodes={PREDICTED: _("Predicted dose"), DIFFERENCE: _("Predicted - planned dose"), UNCERTAINTY: _("Uncertainty of the dose")},
    shown={PREDICTED: _("predicted dose"), PLANNED: _("planned dose"), DIFFERENCE: _("predicted - planned"),
           UNCERTAINTY: _("uncertainty")},
    wash=dose_colors.wash,
    difference=dose_colors.difference,
    difference_share=0.2,
    labels=12,  # every tenth from 0 to 110 %
    levels=dose_colors.ISODOSE_PERCENT,
    lines=_("Predicted isodoses"),
    of_what=_("30 to 107 % of the highest prescription"),
    chart=_("planned solid, predicted dashed"),
    curve="LineStyleDash",
    first_table=_("Goals"),
)  # fmt: skip

MEASURED = Kind(
    exported=MEASURED_DOSE,
    folder=_("Predicted measurement"),
    banner=("#ffffff", "#00695c"),
    nodes={PREDICTED: _("Predicted measured dose"), DIFFERENCE: _("Predicted measured - planned dose"),
           GAMMA: _("Gamma of the planned dose"), UNCERTAINTY: _("Uncertainty of the measured dose")},
    shown={PREDICTED: _("predicted measured dose"), PLANNED: _("planned dose"), DIFFERENCE: _("predicted measured - planned"),
           GAMMA: _("gamma above 1"), UNCERTAINTY: _("uncertainty")},
    wash=dose_colors.measured_wash,
    difference=dose_colors.measured_difference,
    difference_share=0.05,
    labels=6,
    levels=dose_colors.MEASURED_PERCENT,
    lines=_("Predicted measured isodoses"),
    of_what=_("20 to 100 % of the maximum of the planned dose"),
    chart=_("planned solid, predicted measured dotted"),
    curve="LineStyleDot",
    first_table=_("Agreement"),
)  # fmt: skip


def kind_of(node: Any) -> Kind | None:
    """Of a volume that is a predicted dose, also of a copy of it; None for other volumes."""
    return _announced_by(node.GetAttribute(NOTICE))


def kind_behind(node: Any) -> Kind | None:
    """The same, also where an RTDOSE of ours was loaded again. Raises DicomError for a damaged file."""
    said = (read_header(file).get("SeriesDescription") for file in files_behind(node)[:1])
    return kind_of(node) or next(map(_announced_by, said), None)


def _announced_by(notice: str | None) -> Kind | None:
    return next((kind for kind in (PLAN, MEASURED) if kind.exported.notice == notice), None)
