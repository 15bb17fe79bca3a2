"""Which widget shows which type of parameter; pairs that Slicer refuses are refused."""

from __future__ import annotations

import enum
import math
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ctk
import qt
import slicer

from .validators import Choice, Maximum, Minimum, WithinRange

PROPERTY = "SlicerParameterName"
SLIDERS = (ctk.ctkSliderWidget, slicer.qMRMLSliderWidget)
FLOAT_BOXES = (qt.QDoubleSpinBox, ctk.ctkDoubleSpinBox, slicer.qMRMLSpinBox, *SLIDERS)
INT_LIMIT = 2**31


@dataclass
class Decimals:
    """Digits after the point of a spin box or slider."""

    value: int


@dataclass
class SingleStep:
    """The step of a spin box or slider."""

    value: float


class Connector:
    """Reads and writes a widget; tells of its changes."""

    def __init__(self, widget: Any, signal: str, read: Callable[[], Any], write: Callable[[Any], None]) -> None:
        self._widget, self._signal, self.read, self.write = widget, signal, read, write
        self._callback: Callable[[], None] | None = None

    def on_changed(self, callback: Callable[[], None] | None) -> None:
        """`callback()` at every change of the widget; None ends it."""
        if self._callback is None and callback and self._signal:
            self._widget.connect(self._signal, self._changed)
        elif self._callback and callback is None and self._signal:
            self._widget.disconnect(self._signal, self._changed)
        self._callback = callback

    def _changed(self, *_: Any) -> None:
        if self._callback:
            self._callback()


def _of_property(widget: Any, signal: str, name: str, convert: Callable = lambda value: value) -> Connector:
    def write(value: Any) -> None:
        value = str(value) if isinstance(value, pathlib.PurePath) else value
        if getattr(widget, name) != value:  # writing a text moves the cursor
            setattr(widget, name, value)

    return Connector(widget, signal, lambda: convert(getattr(widget, name)), write)


def _annotation(annotations: list, kind: type) -> Any:
    return next((one for one in annotations if isinstance(one, kind)), None)


def _limits(annotations: list) -> tuple[Any, Any]:
    within = _annotation(annotations, WithinRange)
    if within:
        return within.minimum, within.maximum
    low, high = _annotation(annotations, Minimum), _annotation(annotations, Maximum)
    return (low.minimum if low else None), (high.maximum if high else None)


def _number(widget: Any, kind: type, annotations: list, endless: float) -> Connector:
    """Sets limits, step and digits; without limits those of the .ui file are lifted, as in Slicer."""
    low, high = _limits(annotations)
    if type(widget) in (qt.QSlider, *SLIDERS) and (low is None or high is None):
        raise RuntimeError("Cannot have a connection to a slider where the type is unbounded.")
    digits, step = _annotation(annotations, Decimals), _annotation(annotations, SingleStep)
    if type(widget) in FLOAT_BOXES and (digits or kind is int):
        widget.decimals = 0 if kind is int else digits.value
    if step:
        widget.singleStep = step.value
    widget.minimum = -endless if low is None else low
    widget.maximum = (endless - 1 if kind is int else endless) if high is None else high
    signal = "valueChanged(int)" if type(widget) in (qt.QSlider, qt.QSpinBox) else "valueChanged(double)"
    return _of_property(widget, signal, "value", kind)


def _choices(widget: Any, values: list, labels: list[str]) -> Connector:
    widget.clear()
    for label in labels:
        widget.addItem(label)

    def write(value: Any) -> None:
        widget.currentIndex = values.index(value)

    return Connector(widget, "currentIndexChanged(int)", lambda: values[widget.currentIndex], write)


def _combo_box(widget: Any, kind: type, annotations: list) -> Connector | None:
    if issubclass(kind, enum.Enum):
        label = getattr(kind, "label", lambda member: member.name)
        return _choices(widget, list(kind), [label(member) for member in kind])
    if kind not in (int, float, str, bool):
        return None
    choice = _annotation(annotations, Choice)
    if choice is None:
        raise RuntimeError("ComboBoxToStringableConnector requires the Choice annotation to be used.")
    return _choices(widget, list(choice.choices), [str(one) for one in choice.choices])


def _button(widget: Any) -> Connector:
    widget.checkable = True
    return _of_property(widget, "toggled(bool)", "checked")


def _node_selector(widget: Any, kind: Any) -> Connector:
    widget.nodeTypes = [one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,))]
    return Connector(widget, "currentNodeChanged(vtkMRMLNode*)", widget.currentNode, widget.setCurrentNode)


def _text(widget: Any) -> Connector | None:
    if type(widget) is qt.QLineEdit:
        return _of_property(widget, "textChanged(QString)", "text")
    if type(widget) is qt.QLabel:
        return _of_property(widget, "", "text")
    if type(widget) is qt.QTextEdit:
        return Connector(widget, "textChanged()", widget.toPlainText, widget.setPlainText)
    return None


def _path(widget: Any, kind: type) -> Connector | None:
    if type(widget) is ctk.ctkPathLineEdit:
        return _of_property(widget, "currentPathChanged(QString)", "currentPath", kind)
    if type(widget) is ctk.ctkDirectoryButton:
        return _of_property(widget, "directoryChanged(QString)", "directory", kind)
    return None


def _check(widget: Any) -> Connector | None:
    if type(widget) is qt.QCheckBox:
        return _of_property(widget, "stateChanged(int)", "checked")
    return _button(widget) if type(widget) in (qt.QPushButton, ctk.ctkCheckablePushButton) else None


def _connector(widget: Any, kind: Any, annotations: list) -> Connector | None:
    cls = type(widget)
    if cls is slicer.qMRMLNodeComboBox:
        nodes = isinstance(kind, tuple) or (isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode))
        return _node_selector(widget, kind) if nodes else None
    if not isinstance(kind, type):
        return None
    if cls in (qt.QComboBox, ctk.ctkComboBox):
        return _combo_box(widget, kind, annotations)
    if kind is int and cls in (qt.QSlider, qt.QSpinBox):
        return _number(widget, kind, annotations, INT_LIMIT)
    if kind in (int, float):
        return _number(widget, kind, annotations, math.inf) if cls in FLOAT_BOXES else None
    if issubclass(kind, pathlib.PurePath):
        return _path(widget, kind)
    return {bool: _check, str: _text}.get(kind, lambda _: None)(widget)


def create_connector(widget: Any, kind: Any, annotations: list) -> Connector:
    """The connector between this widget and this type. Raises RuntimeError where Slicer has none."""
    connector = _connector(widget, kind, annotations)
    if connector is None:
        raise RuntimeError(f"Unable to create GUI connector from datatype '{kind}' to widget type '{type(widget)}'")
    return connector
