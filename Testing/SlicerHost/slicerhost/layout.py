"""The layout manager: builds the views that the real layout XML of vtkMRMLLayoutNode names."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import qt
import slicer
import vtk

from .declare import Property, Signal
from .plot_view import PlotView
from .table_view import qMRMLTableView
from .views import SliceView, ThreeDView

COLORS = {"vtkMRMLViewNode": "#7483E3", "vtkMRMLPlotViewNode": "#E17012", "vtkMRMLTableViewNode": "#E17012"}


class ViewWidget(qt.QWidget):
    """A view under its coloured bar; answers as qMRMLSliceWidget, qMRMLThreeDWidget, qMRMLPlotWidget and qMRMLTableWidget do."""

    def __init__(self, application_logic: Any, kind: str, tag: str, properties: dict[str, str]) -> None:
        super().__init__()
        self.setObjectName(f"qMRML{kind.removeprefix('vtkMRML').removesuffix('Node')}Widget{tag}")
        layout = qt.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        color = properties.get("viewcolor", COLORS.get(kind, "#E17012"))
        self._bar = self._make_bar(properties.get("viewlabel", tag), color)
        layout.addWidget(self._bar)
        self._view = self._make_view(application_logic, kind, tag, properties)
        layout.addWidget(self._view.widget, 1)
        if kind == "vtkMRMLSliceNode":
            shade = qt.QColor(color)
            self._view.node.SetLayoutColor(shade.redF(), shade.greenF(), shade.blueF())
            self._view.node.SetLayoutLabel(properties.get("viewlabel", tag[0]))
            self._add_offset_slider()

    def _make_bar(self, label: str, color: str) -> Any:
        bar = qt.QWidget()
        bar.setFixedHeight(22)
        bar.setStyleSheet(f"background: {color}")
        row = qt.QHBoxLayout(bar)
        row.setContentsMargins(4, 0, 4, 0)
        row.addWidget(qt.QLabel(label))
        row.addStretch(1)
        return bar

    @staticmethod
    def _make_view(application_logic: Any, kind: str, tag: str, properties: dict[str, str]) -> Any:
        if kind == "vtkMRMLSliceNode":
            return SliceView(application_logic, tag, properties.get("orientation", "Axial"))
        if kind == "vtkMRMLViewNode":
            return ThreeDView(application_logic, tag)
        scene = application_logic.GetMRMLScene()
        node = scene.GetSingletonNode(tag, kind)
        if node is None:
            node = scene.CreateNodeByClass(kind)
            node.UnRegister(None)
            node.SetSingletonTag(tag)
            node = scene.AddNode(node)
        return PlotView(node) if kind == "vtkMRMLPlotViewNode" else qMRMLTableView.of_view(node)

    def _add_offset_slider(self) -> None:
        self._slider = slicer.qMRMLSliderWidget()
        self._slider.decimals = 2
        self._bar.layout().insertWidget(1, self._slider, 1)
        self._slider.connect("valueChanged(double)", self._slid)
        self._showing_offset = False
        self.sliceLogic().AddObserver(vtk.vtkCommand.ModifiedEvent, self._show_offset)
        self._view.node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._show_offset)

    def _slid(self, offset: float) -> None:
        if not self._showing_offset:
            self.sliceLogic().SetSliceOffset(offset)

    def _show_offset(self, *_: Any) -> None:
        if self._showing_offset:
            return
        self._showing_offset = True
        limits, resolution = [0.0, 0.0], vtk.reference(1.0)
        if self.sliceLogic().GetSliceOffsetRangeResolution(limits, resolution):
            self._slider.setRange(*limits)
            self._slider.singleStep = resolution.get()
        self._slider.value = self.sliceLogic().GetSliceOffset()
        self._showing_offset = False

    def fit(self) -> None:
        self._view.fit()

    fitSliceToBackground = resetFocalPoint = resetCamera = fitToContent = fit

    def sliceLogic(self) -> Any:
        return self._view.logic

    def node(self) -> Any:
        return self._view.node

    mrmlSliceNode = mrmlViewNode = mrmlPlotViewNode = mrmlTableViewNode = node

    def mrmlSliceCompositeNode(self) -> Any:
        return self._view.logic.GetSliceCompositeNode()

    def view(self) -> Any:
        return self

    sliceView = threeDView = plotView = view

    def tableView(self) -> Any:
        return self._view.widget

    def controller(self) -> Any:
        return self._bar

    sliceController = threeDController = plotController = tableController = controller

    def drawing(self) -> Any:
        """The widget that takes the mouse (only here; not in Slicer)."""
        return self._view.widget

    def renderWindow(self) -> Any:
        return self._view.widget.window

    def interactor(self) -> Any:
        return self._view.widget.interactor

    def forceRender(self) -> None:
        self._view.widget.draw()

    def scheduleRender(self) -> None:
        self._view.widget.schedule()

    def displayableManagerByClassName(self, name: str) -> Any:
        return self._view.group.GetDisplayableManagerByClassName(name)


class LayoutManager(qt.QWidget):
    """slicer.app.layoutManager()."""

    layoutChanged = Signal(int)

    def __init__(self, application_logic: Any) -> None:
        super().__init__()
        self._application_logic = application_logic
        self._views: dict[tuple[str, str], ViewWidget] = {}
        self._shown: Any = None
        self._description = ""
        qt.QVBoxLayout(self).setContentsMargins(0, 0, 0, 0)
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLApplicationLogic(application_logic)
        self._logic.SetMRMLScene(application_logic.GetMRMLScene())
        self._logic.GetLayoutNode().AddObserver(vtk.vtkCommand.ModifiedEvent, self._update)
        self.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)

    def setLayout(self, arrangement: int) -> None:
        self._logic.GetLayoutNode().SetViewArrangement(arrangement)

    layout = Property(int, lambda self: self._logic.GetLayoutNode().GetViewArrangement(), setLayout)

    def layoutLogic(self) -> Any:
        return self._logic

    def _update(self, *_: Any) -> None:
        description = self._logic.GetLayoutNode().GetCurrentLayoutDescription()
        if not description or description == self._description:
            return
        self._description = description
        for view in self._views.values():
            view.setParent(None)
            view.node().SetMappedInLayout(False)
        shown = self._build(ElementTree.fromstring(description))
        if self._shown:
            self._shown.deleteLater()
        self._shown = shown
        qt.QWidget.layout(self).addWidget(shown)
        self.layoutChanged.emit(self.layout)

    def _build(self, element: Any) -> Any:
        if element.tag == "view":
            return self._view(element)
        if element.get("type") == "tab":
            tabs = qt.QTabWidget()
            for item in element:
                tabs.addTab(self._build(item[0]), item.get("name", ""))
            return tabs
        splitter = qt.QSplitter(qt.Qt.Vertical if element.get("type") == "vertical" else qt.Qt.Horizontal)
        splitter.setHandleWidth(3)
        for item in element:
            splitter.addWidget(self._build(item[0]))
        splitter.setSizes([1000] * splitter.count())
        return splitter

    def _view(self, element: Any) -> ViewWidget:
        key = element.get("class"), element.get("singletontag")
        if key not in self._views:
            properties = {one.get("name"): one.text for one in element.findall("property")}
            self._views[key] = ViewWidget(self._application_logic, *key, properties)
        view = self._views[key]
        view.node().SetMappedInLayout(True)
        view.show()
        return view

    def _mapped(self, kind: str) -> list[ViewWidget]:
        return [view for (one, _), view in self._views.items() if one == kind and view.node().IsMappedInLayout()]

    def sliceViewNames(self) -> list[str]:
        return [tag for kind, tag in self._views if kind == "vtkMRMLSliceNode"]

    def sliceWidget(self, name: str) -> ViewWidget | None:
        return self._views.get(("vtkMRMLSliceNode", name))

    def threeDWidget(self, index: int) -> ViewWidget:
        return self._mapped("vtkMRMLViewNode")[index]

    def plotWidget(self, index: int) -> ViewWidget:
        return self._mapped("vtkMRMLPlotViewNode")[index]

    def tableWidget(self, index: int) -> ViewWidget:
        return self._mapped("vtkMRMLTableViewNode")[index]

    threeDViewCount = Property(int, lambda self: len(self._mapped("vtkMRMLViewNode")))
    plotViewCount = Property(int, lambda self: len(self._mapped("vtkMRMLPlotViewNode")))
    tableViewCount = Property(int, lambda self: len(self._mapped("vtkMRMLTableViewNode")))

    def mrmlSliceLogics(self) -> Any:
        return self._application_logic.GetSliceLogics()

    def resetSliceViews(self) -> None:
        for view in self._mapped("vtkMRMLSliceNode"):
            view.fit()

    def resetThreeDViews(self) -> None:
        for view in self._mapped("vtkMRMLViewNode"):
            view.fit()

    def viewport(self) -> LayoutManager:
        return self

    def mrmlScene(self) -> Any:
        return slicer.mrmlScene
