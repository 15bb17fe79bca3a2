"""Curves, metrics and goals of a prediction as tables and a chart of the scene; the numbers are those of its report."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from . import slicer_rt_dvh
from .result import CHART, CURVES, GOALS, METRICS, STRUCTURES, Result
from .scene_structures import colors_of

METRIC_COLUMNS = {
    "volume_cc": "Volume (cc)", "dmean_gy": "Mean (Gy)", "d98_gy": "D98% (Gy)", "d95_gy": "D95% (Gy)", "d50_gy": "D50% (Gy)",
    "d2_gy": "D2% (Gy)", "d0_03cc_gy": "D0.03cc (Gy)",
}  # fmt: skip
PREDICTED, PLANNED = " predicted (%)", " planned (%)"  # ends of the columns of dvh.csv


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
    _fill(_table(result, GOALS, _("Clinical goals")), list(_goal_columns(result.report)))


def add_chart(result: Result) -> Any:
    """Planned solid, predicted dashed, each structure in its own colour."""
    table, colors = result.node(CURVES), colors_of(result.source(STRUCTURES))
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", slicer.mrmlScene.GenerateUniqueName(_("DVH")))
    chart.SetTitle(_("planned solid, predicted dashed"))
    chart.SetLegendVisibility(False)  # two curves a structure: it would hide them; the table of structures shows the colours
    chart.SetXAxisTitle(_("Dose (Gy)"))
    chart.SetYAxisTitle(_("Volume (%)"))
    dose = table.GetColumnName(0)
    for number in range(1, table.GetNumberOfColumns()):
        column = table.GetColumnName(number)
        roi, is_predicted = column.removesuffix(PREDICTED).removesuffix(PLANNED), column.endswith(PREDICTED)
        series = result.adopt(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", column[:-4]), "series")
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetPlotType(series.PlotTypeScatter)
        series.SetXColumnName(dose)
        series.SetYColumnName(column)
        series.SetMarkerStyle(series.MarkerStyleNone)
        series.SetLineStyle(series.LineStyleDash if is_predicted else series.LineStyleSolid)
        series.SetLineWidth(2)
        series.SetColor(*colors.get(roi, (0.5, 0.5, 0.5)))
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return result.adopt(chart, CHART)


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
