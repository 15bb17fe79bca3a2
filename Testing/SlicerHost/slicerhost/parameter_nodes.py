"""`slicer.parameterNodeWrapper`: typed parameters in a parameter node. A subset with Slicer's meaning; the rest is refused.

Types: int, float, str, bool, pathlib.Path, Enum, a node class (or None), a list of these. Defaults by `=` or `Default`,
limits by `WithinRange`, `Minimum`, `Maximum`, `Choice`, `Exclude`.
"""

from __future__ import annotations

import enum
import pathlib
import sys
import types
import typing
from collections.abc import Callable, MutableSequence
from dataclasses import dataclass
from typing import Any

import qt
import slicer
import slicer.util
import vtk

from . import validators
from .gui_connectors import PROPERTY, Decimals, SingleStep, create_connector
from .validators import Validator


class Default:
    """The default of a parameter, as a value or made anew by `generator`."""

    def __init__(self, value: Any = None, *, generator: Callable[[], Any] | None = None) -> None:
        self._value, self._generator = value, generator

    @property
    def value(self) -> Any:
        return self._generator() if self._generator else self._value


def split(annotated: Any) -> tuple[Any, list]:
    """The plain type and its annotations; a union of node classes (and None) is the tuple of the classes."""
    plain, *annotations = typing.get_args(annotated) if typing.get_origin(annotated) is typing.Annotated else (annotated,)
    members = tuple(one for one in typing.get_args(plain) if one is not types.NoneType)
    if typing.get_origin(plain) in (typing.Union, types.UnionType) and all(map(is_node, members)):
        plain = members
    return plain, annotations


def validators_in(annotations: list) -> list:
    """The validators among annotations, as instances or classes."""
    return [one for one in annotations if isinstance(one, Validator) or (isinstance(one, type) and issubclass(one, Validator))]


def is_node(kind: Any) -> bool:
    """Whether this is a class of MRML nodes."""
    return isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode)


class TextStorage:
    """A value kept as text."""

    def __init__(self, kind: type, default: Any, encode: Callable = str, decode: Callable | None = None) -> None:
        self.kind, self.default, self.encode, self.decode = kind, default, encode, decode or kind

    def check(self, value: Any) -> None:
        allowed = (int, float) if self.kind is float else self.kind
        if value is None:
            raise ValueError("Value must not be None")
        if not isinstance(value, allowed):
            raise TypeError(f"Value must be of type '{self.kind}', is type '{type(value)}' value '{value}'")

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, self.encode(value))

    def read(self, node: Any, name: str) -> Any:
        return self.decode(node.GetParameter(name))


class NodeStorage:
    """A node, kept as a node reference beside an empty parameter that says it was set."""

    default = None

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def check(self, value: Any) -> None:
        if value is not None and not isinstance(value, self.kind):
            raise TypeError(f"Value must be of type '{self.kind}', is type '{type(value)}'")

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node: Any, name: str) -> Any:
        return node.GetNodeReference(name)


class ListStorage:
    """A list, element by element under `name.0`, `name.1` ..., its length under `name.len`."""

    def __init__(self, kind: Any) -> None:
        self.element, self._length = storage(kind), TextStorage(int, 0)
        self.validators = validators_in(split(kind)[1])

    @property
    def default(self) -> list:
        return []

    def check(self, value: Any) -> None:
        for one in value:
            self.element.check(one)
            for validator in self.validators:
                validator.validate(one)

    def write(self, node: Any, name: str, value: Any) -> None:
        with slicer.util.NodeModify(node):
            node.SetParameter(name, "")
            self._length.write(node, f"{name}.len", len(value))
            for index, one in enumerate(value):
                self.element.write(node, f"{name}.{index}", one)

    def read(self, node: Any, name: str) -> Any:
        values = [self.element.read(node, f"{name}.{index}") for index in range(self._length.read(node, f"{name}.len"))]
        return ObservedList(values, lambda changed: self.write(node, name, changed), self.check)


class ObservedList(MutableSequence):
    """A list that writes every change of itself back to the parameter node."""

    def __init__(self, values: list, save: Callable[[list], None], check: Callable[[list], None]) -> None:
        self._list, self._save, self._check = values, save, check

    def _changed(self, values: list) -> None:
        self._check(values)
        self._list = values
        self._save(values)

    def __getitem__(self, index: Any) -> Any:
        return self._list[index]

    def __len__(self) -> int:
        return len(self._list)

    def __eq__(self, other: object) -> bool:
        return self._list == (other._list if isinstance(other, ObservedList) else other)

    __hash__ = None

    def __setitem__(self, index: Any, value: Any) -> None:
        values = list(self._list)
        values[index] = value
        self._changed(values)

    def __delitem__(self, index: Any) -> None:
        values = list(self._list)
        del values[index]
        self._changed(values)

    def insert(self, index: int, value: Any) -> None:
        self._changed([*self._list[:index], value, *self._list[index:]])

    def extend(self, values: Any) -> None:
        self._changed([*self._list, *values])  # one change, not one for each

    def __iadd__(self, values: Any) -> ObservedList:
        self.extend(values)
        return self

    def sort(self, **options: Any) -> None:
        self._changed(sorted(self._list, **options))

    def __repr__(self) -> str:
        return f"ObservedList({self._list})"


def storage(kind: Any) -> Any:
    """How values of this type are kept. Raises TypeError for a type the stand-in does not know."""
    plain, _ = split(kind)
    if plain in (int, float):
        return TextStorage(plain, 0)
    if plain is str:
        return TextStorage(str, "")
    if plain is bool:
        return TextStorage(bool, False, decode=lambda text: text == "True")
    if isinstance(plain, type) and issubclass(plain, pathlib.PurePath):
        return TextStorage(plain, plain())
    if isinstance(plain, type) and issubclass(plain, enum.Enum):
        return TextStorage(plain, next(iter(plain)), encode=lambda member: member.name, decode=lambda text: plain[text])
    if isinstance(plain, tuple) or is_node(plain):
        return NodeStorage(plain)
    element = typing.get_args(plain)[0] if typing.get_origin(plain) is list else None
    if element and typing.get_origin(element) is not list:
        return ListStorage(element)
    raise TypeError(f"the stand-in for Slicer keeps no parameters of type {kind}")


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
