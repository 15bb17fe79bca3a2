"""`slicer.qMRMLSegmentsTableView` and `slicer.qMRMLSegmentSelectorWidget`."""

from __future__ import annotations

from typing import Any

import qt
import slicer

from .declare import Property, Signal, setters, stored
from .mrml_widgets import Observations, qMRMLNodeComboBox, qMRMLWidget

EVENTS = [slicer.vtkSegmentation.SegmentAdded, slicer.vtkSegmentation.SegmentRemoved, slicer.vtkSegmentation.SegmentModified]
COLUMNS = ("visibility", "color", "opacity", "name")


def segments(node: Any) -> list[tuple[str, Any]]:
    """Identifier and segment of every segment."""
    segmentation = node.GetSegmentation() if node else None
    return [(name, segmentation.GetSegment(name)) for name in segmentation.GetSegmentIDs()] if segmentation else []


@setters
class qMRMLSegmentsTableView(qMRMLWidget):
    """The segments with visibility, colour, opacity and name."""

    SIGNALS = ("selectionChanged(QItemSelection,QItemSelection)",)
    selectionChanged = Signal(object, object)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._filling = False
        self._observations = Observations(self)
        self._table = qt.QTableWidget(0, len(COLUMNS))
        self._table.setHorizontalHeaderLabels(["", "", "Opacity", "Name"])
        self._table.verticalHeader().hide()
        self._table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        self._table.horizontalHeader().setStretchLastSection(True)
        for column, width in enumerate((30, 30, 60)):
            self._table.setColumnWidth(column, width)
        layout = qt.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._table)
        self._table.connect("itemSelectionChanged()", lambda: self.selectionChanged.emit(None, None))
        self._table.itemChanged.connect(self._edited)

    def segmentationNode(self) -> Any:
        return self._node

    def setSegmentationNode(self, node: Any) -> None:
        self._node = node
        self._observations.clear()
        for event in EVENTS if node else ():
            self._observations.add(node.GetSegmentation(), event, self._fill)
        self._fill()

    def _fill(self, *_: Any) -> None:
        if self._filling:
            return
        self._filling = True
        self._table.setRowCount(0)
        if self._node and not self._node.GetDisplayNode():
            self._node.CreateDefaultDisplayNodes()
        for row, (identifier, segment) in enumerate(segments(self._node)):
            self._table.insertRow(row)
            for column, item in enumerate(self._items(identifier, segment)):
                self._table.setItem(row, column, item)
        self._filling = False

    def _items(self, identifier: str, segment: Any) -> tuple:
        display = self._node.GetDisplayNode()
        shown, color = qt.QTableWidgetItem(), qt.QTableWidgetItem()
        shown.setData(qt.Qt.UserRole, identifier)
        shown.setFlags(qt.Qt.ItemIsUserCheckable | qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
        shown.setCheckState(qt.Qt.Checked if display.GetSegmentVisibility(identifier) else qt.Qt.Unchecked)
        color.setBackground(qt.QBrush(qt.QColor.fromRgbF(*segment.GetColor())))
        opacity = qt.QTableWidgetItem(f"{display.GetSegmentOpacity3D(identifier):.2f}")
        return shown, color, opacity, qt.QTableWidgetItem(segment.GetName())

    def _edited(self, item: Any) -> None:
        if self._filling:
            return
        identifier = self._table.item(item.row(), 0).data(qt.Qt.UserRole)
        if item.column() == 0:
            self._node.GetDisplayNode().SetSegmentVisibility(identifier, item.checkState() == qt.Qt.Checked)
        elif item.column() == len(COLUMNS) - 1:
            self._node.GetSegmentation().GetSegment(identifier).SetName(item.text())

    def selectedSegmentIDs(self) -> list[str]:
        rows = self._table.selectionModel().selectedRows()
        return [self._table.item(index.row(), 0).data(qt.Qt.UserRole) for index in rows]

    def setSelectedSegmentIDs(self, identifiers: list[str]) -> None:
        self._table.clearSelection()
        for row in range(self._table.rowCount):
            if self._table.item(row, 0).data(qt.Qt.UserRole) in identifiers:
                self._table.selectRow(row)

    def segmentCount(self) -> int:
        return self._table.rowCount

    def _column(name: str) -> Any:
        column = COLUMNS.index(name)
        return Property(
            bool,
            lambda self: not self._table.isColumnHidden(column),
            lambda self, shown: self._table.setColumnHidden(column, not shown),
        )

    visibilityColumnVisible, colorColumnVisible = _column("visibility"), _column("color")
    opacityColumnVisible, nameColumnVisible = _column("opacity"), _column("name")
    del _column
    headerVisible = Property(
        bool,
        lambda self: not self._table.horizontalHeader().isHidden(),
        lambda self, shown: self._table.horizontalHeader().setVisible(shown),
    )
    statusColumnVisible = stored(bool, False)
    layerColumnVisible = stored(bool, False)
    readOnly = stored(bool, False)
    selectionMode = stored(int, 3)
    jumpToSelectedSegmentEnabled = stored(bool, False)


@setters
class qMRMLSegmentSelectorWidget(qMRMLWidget):
    """Chooses a segmentation and one of its segments."""

    SIGNALS = ("currentNodeChanged(vtkMRMLNode*)",)
    currentNodeChanged = Signal(object)
    currentSegmentChanged = Signal(str)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._observations = Observations(self)
        self._nodes, self._segments = qMRMLNodeComboBox(self), qt.QComboBox()
        self._nodes.nodeTypes = ["vtkMRMLSegmentationNode"]
        self._nodes.addEnabled = self._nodes.removeEnabled = False
        layout = qt.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._nodes)
        layout.addWidget(self._segments)
        self._nodes.connect("currentNodeChanged(vtkMRMLNode*)", self._node_chosen)
        self._segments.connect("currentIndexChanged(int)", lambda _: self.currentSegmentChanged.emit(self.currentSegmentID()))

    def _scene_changed(self) -> None:
        self._nodes.setMRMLScene(self._scene)

    def _node_chosen(self, node: Any) -> None:
        self._observations.clear()
        for event in EVENTS if node else ():
            self._observations.add(node.GetSegmentation(), event, self._fill)
        self._fill()
        self.currentNodeChanged.emit(node)

    def _fill(self, *_: Any) -> None:
        current = self.currentSegmentID()
        self._segments.clear()
        for identifier, segment in segments(self.currentNode()):
            self._segments.addItem(segment.GetName(), identifier)
        self._segments.setCurrentIndex(max(0, self._segments.findData(current)))

    def currentNode(self) -> Any:
        return self._nodes.currentNode()

    def setCurrentNode(self, node: Any) -> None:
        self._nodes.setCurrentNode(node)

    def currentSegmentID(self) -> str:
        return self._segments.itemData(self._segments.currentIndex) or ""

    def setCurrentSegmentID(self, identifier: str) -> None:
        self._segments.setCurrentIndex(self._segments.findData(identifier))

    noneEnabled = stored(bool, False)
    segmentationNodeSelectorVisible = Property(
        bool, lambda self: not self._nodes.isHidden(), lambda self, shown: self._nodes.setVisible(shown)
    )


slicer.qMRMLSegmentsTableView, slicer.qMRMLSegmentSelectorWidget = qMRMLSegmentsTableView, qMRMLSegmentSelectorWidget
