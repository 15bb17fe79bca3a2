"""`slicer.qMRMLWidget` and `slicer.qMRMLNodeComboBox` on the real MRML scene; behaviour as in Slicer's Libs/MRML/Widgets."""

from __future__ import annotations

import weakref
from typing import Any

import qt
import slicer
import vtk

from .ctk_widgets import ctkCollapsibleButton, ctkDoubleSpinBox, ctkSliderWidget, row
from .declare import Property, Signal, setters, stored


def _weakly(method: Any) -> Any:
    """Calls a widget's method while the widget lives. VTK objects that hold widgets cannot be collected safely."""
    reference = weakref.WeakMethod(method)

    def call(*given: Any) -> None:
        alive = reference()
        if alive:
            alive(*given)

    vars(call).update(vars(method.__func__))  # VTK's mark of the data that comes with an event
    return call


class Observations:
    """VTK observers of a widget, its own methods; they end when it is destroyed."""

    def __init__(self, widget: Any) -> None:
        self._observers: list[tuple[Any, int]] = []
        widget.destroyed.connect(lambda *_: self.clear())

    def add(self, subject: Any, event: Any, callback: Any) -> None:
        self._observers.append((subject, subject.AddObserver(event, _weakly(callback))))

    def clear(self) -> None:
        for subject, tag in self._observers:
            subject.RemoveObserver(tag)
        self._observers = []


class SceneWidget:
    """What every qMRML widget has: the scene, and a signal when it changes."""

    SIGNALS = ("mrmlSceneChanged(vtkMRMLScene*)",)
    _scene: Any = None

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not self._scene:
            self._scene = scene
            self._scene_changed()
            self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        return self._scene

    def _scene_changed(self) -> None:
        """For the widgets that follow the scene."""


class qMRMLWidget(SceneWidget, qt.QWidget):
    """The base of module panels."""

    mrmlSceneChanged = Signal(object)


class qMRMLSliderWidget(SceneWidget, ctkSliderWidget):
    """A slider that may follow the scene's units; here it does not."""

    mrmlSceneChanged = Signal(object)
    quantity = stored(str, "")
    unitAwareProperties = stored(int, 0)


class qMRMLSpinBox(SceneWidget, ctkDoubleSpinBox):
    """As the slider."""

    mrmlSceneChanged = Signal(object)
    quantity = stored(str, "")


class qMRMLCollapsibleButton(SceneWidget, ctkCollapsibleButton):
    """A folding header that passes the scene on."""

    mrmlSceneChanged = Signal(object)


@setters
class qMRMLNodeComboBox(qMRMLWidget):
    """Chooses a node of the scene.

    As Slicer's: nothing is chosen until somebody chooses, not even the only node there is; a removed node gives way to
    "None" where that is offered and to the last node left where it is not.
    """

    SIGNALS = (
        "currentNodeChanged(vtkMRMLNode*)",
        "currentNodeChanged(bool)",
        "nodeActivated(vtkMRMLNode*)",
        "nodeAdded(vtkMRMLNode*)",
        "nodeAddedByUser(vtkMRMLNode*)",
        "nodeAboutToBeRemoved(vtkMRMLNode*)",
    )
    currentNodeChanged = Signal(object)
    _currentNodeValid = Signal(bool)
    currentNodeIDChanged = Signal(str)
    currentNodeRenamed = Signal(str)
    nodeActivated = Signal(object)
    nodeAdded = Signal(object)
    nodeAddedByUser = Signal(object)
    nodeAboutToBeRemoved = Signal(object)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._box = qt.QComboBox()
        self._box.setSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed)
        row(self).addWidget(self._box)
        self._current = ""
        self._requested = ""
        self._attributes: list[tuple[str, str, Any]] = []
        self._on_scene, self._on_nodes = Observations(self), Observations(self)
        self._box.connect("activated(int)", self._activated)

    noneEnabled = stored(bool, False, "_options_changed")
    addEnabled = stored(bool, True, "_options_changed")
    removeEnabled = stored(bool, True, "_options_changed")
    renameEnabled = stored(bool, False, "_options_changed")
    editEnabled = stored(bool, False, "_options_changed")
    showHidden = stored(bool, False, "_options_changed")
    showChildNodeTypes = stored(bool, True, "_options_changed")
    hideChildNodeTypes = stored("QStringList", (), "_options_changed")
    noneDisplay = stored(str, "None", "_options_changed")
    nodeTypes = stored("QStringList", (), "_options_changed")
    selectNodeUponCreation = stored(bool, True)
    baseName = stored(str, "")
    interactionNodeSingletonTag = stored(str, "")

    def currentNode(self) -> Any:
        return self._scene.GetNodeByID(self._current) if self._scene and self._current else None

    def setCurrentNode(self, node: Any) -> None:
        self.setCurrentNodeID(node if isinstance(node, str) else node.GetID() if node else "")

    def setCurrentNodeID(self, identifier: str | None) -> None:
        if self._scene is None:
            self._requested = identifier or ""  # remembered until there is a scene
        else:
            self._choose(identifier or "")

    currentNodeID = Property(str, lambda self: self._current, setCurrentNodeID)

    def nodeCount(self) -> int:
        return len(self._nodes())

    def nodeFromIndex(self, index: int) -> Any:
        return self._nodes()[index]

    def setCurrentNodeIndex(self, index: int) -> None:
        self.setCurrentNode(self._nodes()[index])

    def addAttribute(self, node_type: str, name: str, value: Any = None) -> None:
        """Only nodes of `node_type` with this attribute (and value) are offered."""
        self._attributes.append((node_type, name, value))
        self._options_changed()

    def addNode(self, node_type: str = "") -> Any:
        """Creates a node as the user's choice "Create new" does."""
        node_type = node_type or self.nodeTypes[0]
        name = self.baseName or node_type.replace("vtkMRML", "").replace("Node", "")
        node = self._scene.AddNewNodeByClass(node_type, self._scene.GenerateUniqueName(name))
        for kind, attribute, value in self._attributes:
            if node.IsA(kind):
                node.SetAttribute(attribute, "" if value is None else str(value))
        self._fill()
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def _scene_changed(self) -> None:
        self._on_scene.clear()
        if self._scene:
            self._on_scene.add(self._scene, slicer.vtkMRMLScene.NodeAddedEvent, self._node_added)
            self._on_scene.add(self._scene, slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, self._node_leaving)
            self._on_scene.add(self._scene, slicer.vtkMRMLScene.NodeRemovedEvent, self._options_changed)
            self._on_scene.add(self._scene, slicer.vtkMRMLScene.EndBatchProcessEvent, self._options_changed)
        self._fill()
        self._choose(self._requested or self._current)
        self._requested = ""

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_added(self, scene: Any, event: Any, node: Any) -> None:
        if self._offers(node):
            self._options_changed()
            self.nodeAdded.emit(node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_leaving(self, scene: Any, event: Any, node: Any) -> None:
        if self._offers(node):
            self.nodeAboutToBeRemoved.emit(node)

    def _options_changed(self, *_: Any) -> None:
        self._fill()
        if self._current and self._current not in self._identifiers():
            self._choose(self._fallback())

    def _fallback(self) -> str:
        identifiers = self._identifiers()
        return identifiers[-1] if identifiers and not self.noneEnabled else ""

    def _offers(self, node: Any) -> bool:
        if node is None or (node.GetHideFromEditors() and not self.showHidden):
            return False
        name = node.GetClassName()
        kinds = [kind for kind in self.nodeTypes if name == kind or (self.showChildNodeTypes and node.IsA(kind))]
        return bool(kinds) and name not in self.hideChildNodeTypes and all(self._has(node, *one) for one in self._attributes)

    @staticmethod
    def _has(node: Any, kind: str, attribute: str, value: Any) -> bool:
        present = node.GetAttribute(attribute)
        return not node.IsA(kind) or (present is not None and (value is None or present == str(value)))

    def _nodes(self) -> list:
        scene = self._scene
        nodes = (scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())) if scene else ()
        return [node for node in nodes if self._offers(node)]

    def _identifiers(self) -> list[str]:
        return [node.GetID() for node in self._nodes()]

    def _fill(self) -> None:
        box, nodes = self._box, self._nodes()
        box.blockSignals(True)
        box.clear()
        if self.noneEnabled:
            box.addItem(self.noneDisplay, "")
        self._on_nodes.clear()
        for node in nodes:
            box.addItem(node.GetName() or "", node.GetID())
            self._on_nodes.add(node, vtk.vtkCommand.ModifiedEvent, self._node_modified)
        for text, command, enabled in self._commands():
            if enabled:
                box.addItem(text, command)
        self._mark()
        box.blockSignals(False)

    def _commands(self) -> list[tuple[str, str, bool]]:
        kind = self.nodeTypes[0].replace("vtkMRML", "").replace("Node", "") if self.nodeTypes else ""
        return [
            (f"Create new {kind}", "@create", self.addEnabled and bool(kind)),
            ("Delete current node", "@delete", self.removeEnabled),
        ]

    def _mark(self) -> None:
        self._box.setCurrentIndex(self._box.findData(self._current) if self._current or self.noneEnabled else -1)

    def _node_modified(self, node: Any, event: Any) -> None:
        index = self._box.findData(node.GetID())
        if index >= 0 and self._box.itemText(index) != node.GetName():
            self._box.setItemText(index, node.GetName() or "")
            if node.GetID() == self._current:
                self.currentNodeRenamed.emit(node.GetName())

    def _activated(self, index: int) -> None:
        command = self._box.itemData(index) or ""
        self._mark()
        if command == "@create":
            self.addNode()
        elif command == "@delete":
            if self.currentNode():
                self._scene.RemoveNode(self.currentNode())
        else:
            self._choose(command)
            self.nodeActivated.emit(self.currentNode())

    def _choose(self, identifier: str) -> None:
        identifier = identifier if identifier in self._identifiers() else ""
        changed, self._current = identifier != self._current, identifier
        self._box.blockSignals(True)
        self._mark()
        self._box.blockSignals(False)
        if changed:
            self.currentNodeChanged.emit(self.currentNode())
            self._currentNodeValid.emit(bool(identifier))
            self.currentNodeIDChanged.emit(identifier)


for _widget in (qMRMLWidget, qMRMLSliderWidget, qMRMLSpinBox, qMRMLCollapsibleButton, qMRMLNodeComboBox):
    setattr(slicer, _widget.__name__, _widget)
