"""Curves, metrics and goals of a prediction as tables and a chart of the scene; the numbers are those of its report."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from . import slicer_rt_dvh
from .kinds import MEASURED
from .result import CHART, CURVES, GOALS, METRICS, STRUCTURES, Result
from .scene_structures import colors_of

METRIC_COLUMNS = {
    "volume_cc": "Volume (cc)", "dmean_gy": "Mean (Gy)", "d98_gy": "D98% (Gy)", "d95_gy": "D95% (Gy)", "d50_gy": "D50% (Gy)",
    "d2_gy": "D2% (Gy)", "d0_03cc_gy": "D0.03cc (Gy)",
}  # fmt: skip
PLANNED = " planned (%)"  # end of columns of dvh.csv; the others are predicted
PREDICTED = re.compile(r" predicted( measured)? \(%\)$")


def add_tables(result: Result, curves_csv: str) -> None:
    """Three table nodes: the curves, a row a structure, a row a goal."""
    rows = list(csv.reader(io.StringIO(curves_csv)))
    curves = _table(result, CURVES, _("Dose-volume histograms"))
    for number, name in enumerate(rows[0]):
        column = vtk.vtkDoubleArray()
        column.SetName(name)
        for row in rows[1:]:
            column.InsertNextValue(float(row[number]))
        curves.AddColumn(column)
    _fill(_table(result, METRICS, _("Dose metrics")), list(_metric_columns(result.report)))
    is_measured = result.kind is MEASURED
    name, columns = (_("Agreement"), _agreement_columns) if is_measured else (_("Clinical goals"), _goal_columns)
    _fill(_table(result, GOALS, name), list(columns(result.report)))


def add_chart(result: Result) -> Any:
    """Planned solid, predicted in the line of its kind, each structure in its own colour."""
    table, colors, kind = result.node(CURVES), colors_of(result.source(STRUCTURES)), result.kind
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", slicer.mrmlScene.GenerateUniqueName(_("DVH")))
    chart.SetTitle(kind.chart)
    chart.SetLegendVisibility(False)  # two curves a structure: it would hide them; the table of structures shows the colours
    chart.SetXAxisTitle(_("Dose (Gy)"))
    chart.SetYAxisTitle(_("Volume (%)"))
    dose = table.GetColumnName(0)
    for number in range(1, table.GetNumberOfColumns()):
        column = table.GetColumnName(number)
        roi, is_predicted = PREDICTED.sub("", column.removesuffix(PLANNED)), not column.endswith(PLANNED)
        series = result.adopt(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", column[:-4]), "series")
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetPlotType(series.PlotTypeScatter)
        series.SetXColumnName(dose)
        series.SetYColumnName(column)
        series.SetMarkerStyle(series.MarkerStyleNone)
        series.SetLineStyle(getattr(series, kind.curve) if is_predicted else series.LineStyleSolid)
        series.SetLineWidth(2)
        series.SetColor(*colors.get(roi, (0.5, 0.5, 0.5)))
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return result.adopt(chart, CHART)


def has_curves(result: Result) -> bool:
    """A prediction without structures has none."""
    return result.node(CHART).GetNumberOfPlotSeriesNodes() > 0


def show_chart(result: Result) -> None:
    """Bring the chart to view, in a layout that has a plot: only ever at the user's wish."""
    manager = slicer.app.layoutManager()
    if manager is not None and not any(manager.plotWidget(number) for number in range(manager.plotViewCount)):
        plots = slicer.modules.plots.logic().GetLayoutWithPlot(manager.layout)
        manager.setLayout(plots)
    chart = slicer_rt_dvh.chart_of(result) if slicer_rt_dvh.is_installed() else None
    slicer.modules.plots.logic().ShowChartInLayout(chart or result.node(CHART))


def _metric_columns(report: dict[str, Any]) -> Iterator[tuple[str, Sequence[str]]]:
    rows = report["structures"]
    yield _("Structure"), [row["roi"] for row in rows]
    for key, title in METRIC_COLUMNS.items():
        yield title, [_number(row["predicted"][key]) for row in rows]
        if key != "volume_cc" and any("reference" in row for row in rows):
            yield f"{title} {_('planned')}", [_number(row.get("reference", {}).get(key)) for row in rows]


def _goal_columns(report: dict[str, Any]) -> Iterator[tuple[str, Sequence[str]]]:
    goals = report["goals"]
    yield _("Structure"), [goal["roi"] for goal in goals]
    yield _("Goal"), [f"{goal['metric'].split('[')[0]} {goal['limit']}" for goal in goals]
    yield _("Predicted"), [_number(goal["predicted"]) for goal in goals]
    yield _("Met"), [{True: _("yes"), False: _("no")}.get(goal["met"], "") for goal in goals]
    if any(goal["reference"] is not None for goal in goals):
        yield _("Planned"), [_number(goal["reference"]) for goal in goals]


def _agreement_columns(report: dict[str, Any]) -> Iterator[tuple[str, Sequence[str]]]:
    """Of the predicted measured dose with the planned one; limits of AAPM TG-218 (Miften et al. 2018)."""
    gamma, agreement, highest = report["gamma"], report["agreement"], report["maximum_gy"]
    rows = (
        (_("{criteria} (TG-218)").format(criteria=criteria(gamma)), _percent(gamma["percent_within_1"]),
         f"{gamma['tolerance_percent']:g} %", f"{gamma['action_percent']:g} %"),
        (_("Mean gamma"), f"{gamma['mean']:.2f}", "", ""),
        (_("Mean absolute difference"), _percent(agreement["mae_percent"]), "", ""),
        (_("RMS difference"), _percent(agreement["rmse_percent"]), "", ""),
        (_("Structural similarity"), f"{agreement['ssim']:.4f}", "", ""),
        (_("Predicted maximum"), f"{highest['predicted']:.1f} Gy", "", ""),
        (_("Planned maximum"), f"{highest['planned']:.1f} Gy", "", ""),
    )  # fmt: skip
    titles = (_("Against the planned dose"), _("Value"), _("Tolerance"), _("Action"))
    yield from zip(titles, zip(*rows, strict=True), strict=True)


def criteria(gamma: dict[str, Any]) -> str:
    """In two numbers, not to be broken into two lines."""
    text = _("Gamma {dose:g} %/{distance:g} mm").format(dose=gamma["dose_percent"], distance=gamma["distance_mm"])
    return text.replace(" ", "\xa0")


def verdict(gamma: dict[str, Any]) -> str:
    """How the passing rate stands to the limits of TG-218."""
    words = {
        "within tolerance": _("within tolerance"), "between tolerance and action": _("between tolerance and action"),
        "below action": _("below the action limit"),
    }  # fmt: skip
    return words.get(gamma["verdict"], str(gamma["verdict"]))


def _percent(value: float) -> str:
    return f"{value:.2f} %"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _table(result: Result, role: str, name: str) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", slicer.mrmlScene.GenerateUniqueName(name))
    node.SetUseColumnTitleAsColumnHeader(True)
    return result.adopt(node, role)


def _fill(node: Any, columns: list[tuple[str, Sequence[str]]]) -> None:
    for title, values in columns:
        column = vtk.vtkStringArray()
        column.SetName(title)
        for value in values:
            column.InsertNextValue(value)
        node.AddColumn(column)
