"""`slicer.qMRMLTableView`: shows a vtkMRMLTableNode."""

from __future__ import annotations

from typing import Any

import qt
import slicer
import vtk

from .declare import Signal
from .mrml_widgets import Observations, SceneWidget


class qMRMLTableView(SceneWidget, qt.QTableView):
    """Cells are the table's, four significant digits."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._table_node: Any = None
        self._observations = Observations(self)
        self._cells = qt.QStandardItemModel(self)
        self.setModel(self._cells)

    @classmethod
    def of_view(cls, view_node: Any) -> Any:
        """The view of a vtkMRMLTableViewNode, whose table it follows."""
        table = cls()
        table.widget, table.node, table.fit = table, view_node, lambda: None

        def follow(*_: Any) -> None:
            scene = view_node.GetScene()
            table.setMRMLTableNode(scene.GetNodeByID(view_node.GetTableNodeID() or "") if scene else None)

        view_node.AddObserver(vtk.vtkCommand.ModifiedEvent, follow)
        follow()
        return table

    def mrmlTableNode(self) -> Any:
        return self._table_node

    def setMRMLTableNode(self, node: Any) -> None:
        self._observations.clear()
        self._table_node = node
        if node:
            self._observations.add(node, vtk.vtkCommand.ModifiedEvent, self._fill)
        self._fill()

    def _fill(self, *_: Any) -> None:
        self._cells.clear()
        table = self._table_node.GetTable() if self._table_node else vtk.vtkTable()
        columns = range(table.GetNumberOfColumns())
        self._cells.setHorizontalHeaderLabels([table.GetColumnName(column) or "" for column in columns])
        for row in range(table.GetNumberOfRows()):
            self._cells.appendRow([qt.QStandardItem(self._text(table.GetValue(row, column))) for column in columns])

    @staticmethod
    def _text(value: Any) -> str:
        return f"{value.ToDouble():.4g}" if value.IsDouble() or value.IsFloat() else value.ToString()


slicer.qMRMLTableView = qMRMLTableView
