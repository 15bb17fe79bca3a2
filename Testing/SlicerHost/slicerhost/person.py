"""What a person does with mouse and keyboard, as events that Qt cannot tell from real ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import qt
from PySide6.QtTest import QTest

from .ctk_widgets import ctkCollapsibleButton


def click(widget: Any) -> None:
    """Press and release the left button on a widget that can be seen and is enabled, as only then a person can."""
    _bring_to_view(widget)
    assert widget.isEnabled(), f"{_name(widget)} is disabled: {widget.toolTip}"
    # The box of a check box is at its left; only there a click counts in every style.
    place = qt.QPoint(8, widget.height // 2) if isinstance(widget, qt.QCheckBox) else widget.rect.center()
    QTest.mouseClick(widget, qt.Qt.LeftButton, pos=place)


def choose(box: Any, text: str) -> None:
    """Choose an entry of a combo box, or of a node selector, by the arrow keys."""
    inner = box if isinstance(box, qt.QComboBox) else next(iter(box.findChildren(qt.QComboBox)))
    _bring_to_view(inner)
    index = inner.findText(text)
    assert index >= 0, f"{_name(box)} offers no {text!r}, but {[inner.itemText(n) for n in range(inner.count)]}"
    inner.setFocus()
    while inner.currentIndex != index:
        QTest.keyClick(inner, qt.Qt.Key_Down if inner.currentIndex < index else qt.Qt.Key_Up)


def write(line: Any, text: str) -> None:
    """Replace the text of an input by typing."""
    _bring_to_view(line)
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, text)
    QTest.keyClick(line, qt.Qt.Key_Return)


def write_into_cell(table: Any, row: int, column: int, text: str) -> None:
    """Double-click a cell of a table and type."""
    _bring_to_view(table)
    place = table.visualItemRect(table.item(row, column)).center()
    QTest.mouseClick(table.viewport(), qt.Qt.LeftButton, pos=place)
    QTest.mouseDClick(table.viewport(), qt.Qt.LeftButton, pos=place)
    editor = next(iter(table.viewport().findChildren(qt.QLineEdit)))
    editor.selectAll()
    QTest.keyClicks(editor, text)
    QTest.keyClick(editor, qt.Qt.Key_Return)


def drop(widget: Any, paths: Iterable[Path]) -> None:
    """Drag files or folders over a widget and let go."""
    _bring_to_view(widget)
    data = qt.QMimeData()
    data.setUrls([qt.QUrl.fromLocalFile(str(path)) for path in paths])
    place = widget.rect.center()
    held = place, qt.Qt.CopyAction, data, qt.Qt.LeftButton, qt.Qt.NoModifier
    entering = qt.QDragEnterEvent(*held)
    qt.QApplication.sendEvent(widget, entering)
    assert entering.isAccepted(), f"{_name(widget)} takes no files"
    qt.QApplication.sendEvent(widget, qt.QDropEvent(qt.QPointF(place), *held[1:]))


def _bring_to_view(widget: Any) -> None:
    """Open what is folded around a widget, and scroll to it."""
    parent = widget.parentWidget()
    while parent is not None:
        if isinstance(parent, ctkCollapsibleButton) and parent.collapsed:
            QTest.mouseClick(parent._header, qt.Qt.LeftButton)
        if isinstance(parent, qt.QScrollArea):
            parent.ensureWidgetVisible(widget)
        parent = parent.parentWidget()
    qt.QApplication.processEvents()
    assert widget.isVisible(), f"{_name(widget)} cannot be seen"


def _name(widget: Any) -> str:
    return widget.objectName or type(widget).__name__
