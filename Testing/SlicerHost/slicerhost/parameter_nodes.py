"""`slicer.parameterNodeWrapper`: typed parameters in a parameter node. A subset with Slicer's meaning; the rest is refused.

Types: int, float, str, bool, pathlib.Path, Enum, a node class (or None), a list of these. Defaults by `=` or `Default`,
limits by `WithinRange`, `Minimum`, `Maximum`, `Choice`, `Exclude`.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import qt
import slicer
import slicer.util
import vtk

from . import validators
from .gui_connectors import PROPERTY, Decimals, SingleStep, create_connector
from .parameter_storage import split, storage, validators_in
from .validators import Validator


class Default:
    """The default of a parameter, as a value or made anew by `generator`."""

    def __init__(self, value: Any = None, *, generator: Callable[[], Any] | None = None) -> None:
        self._value, self._generator = value, generator

    @property
    def value(self) -> Any:
        return self._generator() if self._generator else self._value


@dataclass
class Parameter:
    """One parameter of the class: also the attribute by which it is read and written."""

    name: str
    kind: Any
    storage: Any
    validators: list[Validator]
    default: Default

    def __get__(self, wrapper: Any, owner: type | None = None) -> Any:
        if wrapper is None:
            return self
        name = wrapper.prefix + self.name
        if not wrapper.parameterNode.HasParameter(name):
            self.__set__(wrapper, self.default.value)
        return self.storage.read(wrapper.parameterNode, name)

    def __set__(self, wrapper: Any, value: Any) -> None:
        self.storage.check(value)
        for validator in self.validators:
            validator.validate(value)
        with slicer.util.NodeModify(wrapper.parameterNode):
            self.storage.write(wrapper.parameterNode, wrapper.prefix + self.name, value)


def _parameter(cls: type, name: str, kind: Any) -> Parameter:
    if hasattr(Wrapper, name):
        raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
    _, annotations = split(kind)
    kept = storage(kind)
    written = next((one for one in annotations if isinstance(one, Default)), Default(kept.default))
    default = Default(vars(cls)[name]) if name in vars(cls) else written
    return Parameter(name, kind, kept, validators_in(annotations), default)


_connected_wrappers: set[Wrapper] = set()  # kept: a collected observer of a node that lives on in the scene ends the process


class Wrapper:
    """What `@parameterNodeWrapper` adds to a class."""

    allParameters: dict[str, Parameter]
    _is_parameter_node_wrapper = True

    def __init__(self, parameterNode: Any, prefix: str | None = None) -> None:
        self.parameterNode, self.prefix = parameterNode, prefix or ""
        self._connected: dict[int, tuple[dict, int]] = {}
        self._next_tag = 0
        self._showing = False
        for name in self.allParameters:
            getattr(self, name)  # writes the default where there is no value

    def getValue(self, name: str) -> Any:
        return getattr(self, self._known(name))

    def setValue(self, name: str, value: Any) -> None:
        setattr(self, self._known(name), value)

    def isCached(self, name: str) -> bool:
        return bool(self._known(name))

    def default(self, name: str) -> Default:
        return self.allParameters[self._known(name)].default

    @classmethod
    def dataType(cls, name: str) -> Any:
        return cls.allParameters[cls._known(name)].kind

    @classmethod
    def _known(cls, name: str) -> str:
        if name not in cls.allParameters:
            raise ValueError(f"Cannot find a param with the given name: {name}")
        return name

    def connectGui(self, gui: Any) -> int:
        """Connects every widget with the property SlicerParameterName to the parameter it names. Returns a tag."""
        widgets = gui.findChildren(qt.QWidget) if hasattr(gui, "findChildren") else vars(gui).values()
        return self.connectParametersToGui({one.property(PROPERTY): one for one in widgets if one.property(PROPERTY)})

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        connectors = {name: create_connector(widget, *split(self.dataType(name))) for name, widget in mapping.items()}
        tag, self._next_tag = self._next_tag, self._next_tag + 1
        self._connected[tag] = connectors, self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._show())
        _connected_wrappers.add(self)
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.on_changed(lambda name=name, connector=connector: self._take(name, connector))
        return tag

    def disconnectGui(self, tag: int) -> None:
        connectors, observer = self._connected.pop(tag, ({}, None))
        for connector in connectors.values():
            connector.on_changed(None)
        if observer is not None:
            self.RemoveObserver(observer)
        if not self._connected:
            _connected_wrappers.discard(self)

    def _take(self, name: str, connector: Any) -> None:
        if not self._showing:
            with slicer.util.NodeModify(self):
                self.setValue(name, connector.read())

    def _show(self) -> None:
        if self._showing:
            return
        self._showing = True
        try:
            with slicer.util.NodeModify(self):
                for connectors, _ in list(self._connected.values()):
                    for name, connector in connectors.items():
                        connector.write(self.getValue(name))
        finally:
            self._showing = False

    def StartModify(self) -> int:
        return self.parameterNode.StartModify()

    def EndModify(self, was_modified: int) -> None:
        self.parameterNode.EndModify(was_modified)

    def AddObserver(self, event: Any, callback: Any, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        self.parameterNode.Modified()


def parameterNodeWrapper(cls: type | None = None) -> Any:
    """Class decorator, with or without parentheses."""
    if cls is None:
        return parameterNodeWrapper
    hints = typing.get_type_hints(cls, include_extras=True)
    parameters = {name: _parameter(cls, name, kind) for name, kind in hints.items()}
    members = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
    return type(cls.__name__, (Wrapper,), {**members, **parameters, "allParameters": parameters})


def isParameterNodeWrapper(one: Any) -> bool:
    return getattr(one, "_is_parameter_node_wrapper", False)


def _install() -> None:
    module = types.ModuleType("slicer.parameterNodeWrapper")
    public = (parameterNodeWrapper, isParameterNodeWrapper, Default, Decimals, SingleStep, *vars(validators).values())
    vars(module).update({one.__name__: one for one in public if hasattr(one, "__name__") and one is not typing.Any})
    module.SlicerParameterNamePropertyName = PROPERTY
    sys.modules[module.__name__] = slicer.parameterNodeWrapper = module


_install()
