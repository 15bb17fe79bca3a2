"""`QUiLoader` and `slicer.util.loadUI`: a .ui file becomes widgets, and whatever Slicer would not know is an error."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import ctk
import qt
import slicer
from PySide6.QtUiTools import QUiLoader as PySideLoader

from .pythonqt import connect


class QUiLoader(PySideLoader):
    """Loads .ui files with `ctk` and `qMRML` widgets. Raises RuntimeError for an unknown class, property, signal or slot."""

    def createWidget(self, class_name: str, parent: Any = None, name: str = "") -> Any:
        cls = _class_of_slicer(class_name)
        widget = cls(parent) if cls else super().createWidget(class_name, parent, name)
        widget.setObjectName(name)
        return widget

    def load(self, source: Any, parent: Any = None) -> Any:
        root = ElementTree.fromstring(_content(source))
        self._refuse_unknown_classes(root)
        connections = root.find("connections")
        if connections is not None:  # made here: signals that carry nodes have no C++ signature
            root.remove(connections)
        buffer = qt.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(qt.QIODevice.ReadOnly)
        top = super().load(buffer, parent)
        if top is None:
            raise RuntimeError(f"the .ui file cannot be read: {self.errorString()}")
        _refuse_unknown_properties(root, top)
        for connection in connections if connections is not None else ():
            _make(connection, top)
        return top

    def _refuse_unknown_classes(self, root: Any) -> None:
        for element in root.iter("widget"):
            name = element.get("class")
            if not _class_of_slicer(name) and name not in self.availableWidgets():
                raise RuntimeError(f"no widget class {name!r} in the stand-in (object {element.get('name')!r} of the .ui file)")


def _class_of_slicer(name: str) -> Any:
    return getattr(ctk, name, None) or getattr(slicer, name, None)


def _content(source: Any) -> bytes:
    if isinstance(source, str):
        with open(source, "rb") as file:
            return file.read()
    if not source.isOpen():
        source.open(qt.QIODevice.ReadOnly)
    return bytes(source.readAll())


def _named(top: Any, name: str) -> Any:
    found = top if top.objectName == name else top.findChild(qt.QObject, name)
    if found is None:
        raise RuntimeError(f"the .ui file connects {name!r}, which it does not contain")
    return found


def _make(connection: Any, top: Any) -> None:
    sender, receiver = _named(top, connection.findtext("sender")), _named(top, connection.findtext("receiver"))
    connect(sender, connection.findtext("signal"), getattr(receiver, connection.findtext("slot").split("(")[0]))


def _refuse_unknown_properties(root: Any, top: Any) -> None:
    """Qt makes a dynamic property of what it does not know, in silence; only stdset="0" asks for that."""
    for element in root.iter("widget"):
        widget = _named(top, element.get("name"))
        for item in element.findall("property"):
            if item.get("stdset") != "0" and widget.metaObject().indexOfProperty(item.get("name")) < 0:
                raise RuntimeError(f"{element.get('class')} {element.get('name')!r} has no property {item.get('name')!r}")


qt.QUiLoader = QUiLoader
