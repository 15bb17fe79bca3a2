"""The plot view: a `vtkChartXY` that follows the plot nodes, as qMRMLPlotView does in Slicer."""

from __future__ import annotations

from typing import Any

import vtk

from .vtk_widget import VTKWidget

MARKERS = {"none": 0, "cross": 1, "plus": 2, "square": 3, "circle": 4, "diamond": 5}  # vtkPlotPoints
LINES = {"none": 0, "solid": 1, "dash": 2, "dot": 3, "dash-dot": 4, "dash-dot-dot": 5}  # vtkPen


class PlotView:
    """Shows the chart of `node` (vtkMRMLPlotViewNode) and follows chart, series and tables."""

    def __init__(self, node: Any) -> None:
        self.node, self.widget = node, VTKWidget()
        self._view = vtk.vtkContextView()
        self._view.SetRenderWindow(self.widget.window)
        self._view.SetInteractor(self.widget.interactor)
        self._view.GetRenderer().SetBackground(1, 1, 1)
        self.chart = vtk.vtkChartXY()
        self._view.GetScene().AddItem(self.chart)
        self._observed: list[tuple[Any, int]] = []
        node.AddObserver(vtk.vtkCommand.ModifiedEvent, self.update)
        self.update()

    def fit(self) -> None:
        """Shows all of the axes."""
        self.chart.RecalculateBounds()
        self.widget.schedule()

    def update(self, *_: Any) -> None:
        for subject, tag in self._observed:
            subject.RemoveObserver(tag)
        self._observed = []
        self.chart.ClearPlots()
        scene = self.node.GetScene()
        chart = scene.GetNodeByID(self.node.GetPlotChartNodeID() or "") if scene else None
        if chart:
            self._watch(chart)
            for index in range(chart.GetNumberOfPlotSeriesNodes()):
                self._add(chart.GetNthPlotSeriesNode(index))
            self._label(chart)
        self.fit()

    def _watch(self, subject: Any) -> None:
        self._observed.append((subject, subject.AddObserver(vtk.vtkCommand.ModifiedEvent, self.update)))

    def _add(self, series: Any) -> None:
        table = series.GetTableNode() if series else None
        if table is None:
            return
        self._watch(series)
        self._watch(table)
        lined = series.GetPlotType() in (series.PlotTypeLine, series.PlotTypeScatter)
        plot = self.chart.AddPlot(vtk.vtkChart.LINE if lined else vtk.vtkChart.BAR)
        x = series.GetXColumnName() if series.IsXColumnRequired() else series.GetYColumnName()
        plot.SetInputData(table.GetTable(), x, series.GetYColumnName())
        plot.SetUseIndexForXSeries(not series.IsXColumnRequired())
        plot.SetLabel(series.GetName())
        plot.SetColorF(*series.GetColor(), series.GetOpacity())
        plot.SetWidth(series.GetLineWidth())
        plot.GetPen().SetLineType(LINES[series.GetLineStyleAsString(series.GetLineStyle())])
        if lined:
            plot.SetMarkerStyle(MARKERS[series.GetMarkerStyleAsString(series.GetMarkerStyle())])
            plot.SetMarkerSize(series.GetMarkerSize())

    def _label(self, node: Any) -> None:
        self.chart.SetTitle(node.GetTitle() or "" if node.GetTitleVisibility() else "")
        self.chart.SetShowLegend(node.GetLegendVisibility())
        horizontal, vertical = self.chart.GetAxis(vtk.vtkAxis.BOTTOM), self.chart.GetAxis(vtk.vtkAxis.LEFT)
        horizontal.SetTitle(node.GetXAxisTitle() or "")
        vertical.SetTitle(node.GetYAxisTitle() or "")
        self._range(horizontal, node.GetXAxisRangeAuto(), node.GetXAxisRange())
        self._range(vertical, node.GetYAxisRangeAuto(), node.GetYAxisRange())
        for axis in (horizontal, vertical):
            axis.SetGridVisible(node.GetGridVisibility())

    @staticmethod
    def _range(axis: Any, automatic: bool, limits: tuple[float, float]) -> None:
        axis.SetBehavior(vtk.vtkAxis.AUTO if automatic else vtk.vtkAxis.FIXED)
        if not automatic:
            axis.SetRange(*limits)
