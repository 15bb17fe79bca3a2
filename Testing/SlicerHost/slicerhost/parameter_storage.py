"""How the values of parameters are kept in a parameter node, by type."""

from __future__ import annotations

import enum
import pathlib
import types
import typing
from collections.abc import Callable, MutableSequence
from typing import Any

import slicer
import slicer.util

from .validators import Validator


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
