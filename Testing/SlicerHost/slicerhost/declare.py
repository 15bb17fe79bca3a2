"""Short words for declaring Qt properties and signals of the host's widgets."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Property, Signal

__all__ = ["Property", "Signal", "delegated", "setters", "stored"]


def stored(kind: Any, default: Any, changed: str = "") -> Any:
    """A property that only keeps its value (a list as a tuple); `changed` names a method to call after it was set."""
    key = object()

    def read(self: Any) -> Any:
        return self.__dict__.get(key, default)

    def write(self: Any, value: Any) -> None:
        self.__dict__[key] = tuple(value) if isinstance(value, list) else value
        if changed:
            getattr(self, changed)()

    return Property(kind, read, write)


def delegated(kind: Any, part: str, name: str) -> Any:
    """A property that is the property `name` of the inner widget `part`."""
    return Property(
        kind, lambda self: getattr(getattr(self, part), name), lambda self, value: setattr(getattr(self, part), name, value)
    )


def setters(cls: type) -> type:
    """Class decorator: gives every writable property its `setName`, as PythonQt does."""
    for name, value in list(vars(cls).items()):
        setter = f"set{name[0].upper()}{name[1:]}"
        if isinstance(value, Property) and value.fset and not hasattr(cls, setter):
            setattr(cls, setter, lambda self, given, write=value.fset: write(self, given))
    return cls
