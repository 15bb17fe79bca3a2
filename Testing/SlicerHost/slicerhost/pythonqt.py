"""The module `qt`: PySide6 with the conventions of PythonQt, the Python binding inside Slicer.

* A Qt property is an attribute, read and written (`label.text`); its getter cannot be called, its setter can.
* `object.connect("signal(types)", callable)`: the signature must be one the class has.
* `.name`, `.className()`, `.delete()`, `findChildren` with a class name, file dialogs that answer with plain text.
"""

from __future__ import annotations

import re
import sys
import types
from typing import Any

import shiboken6
from PySide6 import QtCore, QtGui, QtNetwork, QtWidgets

OWN_TO_PYSIDE = {"Signal", "Slot", "Property", "SignalInstance", "ClassInfo", "QEnum", "QFlag", "Shiboken"}  # PythonQt has none
UNTOUCHED = {"sizeHint", "minimumSizeHint"}  # virtual getters: as attributes they would call themselves

_read = QtCore.QObject.property
_write = QtCore.QObject.setProperty


class QtProperty:
    """A Qt property as an attribute. Asked for on the class, it is what PySide had there (`QTimer.singleShot`)."""

    def __init__(self, name: str, on_class: Any, setter: Any) -> None:
        self.name, self.on_class, self.setter = name, on_class, setter

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self.on_class if self.on_class is not None else self
        value = _read(instance, self.name)
        return tuple(value) if isinstance(value, list) else value

    def __set__(self, instance: Any, value: Any) -> None:
        try:
            if self.setter is not None:
                return self.setter(instance, value)
        except TypeError:
            pass  # another overload than the property's: let Qt convert
        if not _write(instance, self.name, value):
            raise AttributeError(f"cannot set {type(instance).__name__}.{self.name} to {value!r}")


def _make_properties_attributes(cls: type) -> None:
    meta = cls.staticMetaObject
    for index in range(meta.propertyOffset(), meta.propertyCount()):
        property_ = meta.property(index)
        name = property_.name()
        present = getattr(cls, name, None)
        if name in UNTOUCHED or not name.isidentifier() or isinstance(present, QtCore.Signal):
            continue
        setter = getattr(cls, f"set{name[0].upper()}{name[1:]}", None) if property_.isWritable() else None
        setattr(cls, name, QtProperty(name, present, setter))


def normalized(signature: str) -> str:
    """The signature as Qt compares it."""
    return bytes(QtCore.QMetaObject.normalizedSignature(signature)).decode()


def has_signal(instance: Any, signature: str) -> bool:
    """Whether Slicer's class has this signal; the host's classes list those with VTK types in `SIGNALS`."""
    declared = {normalized(signal) for cls in type(instance).__mro__ for signal in getattr(cls, "SIGNALS", ())}
    return signature in declared or ("PyObject" not in signature and instance.metaObject().indexOfSignal(signature) >= 0)


def _bound_signal(instance: Any, signature: str) -> Any:
    signature = normalized(signature)
    name, types_ = re.fullmatch(r"(\w+)\((.*)\)", signature).groups() if "(" in signature else (signature, None)
    if types_ is None or not has_signal(instance, signature):
        raise RuntimeError(f"{type(instance).__name__} has no signal {signature!r}")
    signal = getattr(instance, OVERLOADS.get((name, types_), name))
    try:
        return signal[types_] if types_ else signal
    except (KeyError, IndexError, TypeError):
        return signal


OVERLOADS = {("currentNodeChanged", "bool"): "_currentNodeValid"}  # signals with one name and two meanings


def _slot(arguments: tuple) -> Any:
    """`connect(signal, callable)` or `connect(signal, receiver, "slot(types)")`."""
    return arguments[0] if len(arguments) == 1 else getattr(arguments[0], arguments[1].split("(")[0])


_without_arguments: dict[tuple, Any] = {}


def _key(instance: Any, signature: str, slot: Any) -> tuple:
    return id(instance), normalized(signature), getattr(slot, "__func__", slot), id(getattr(slot, "__self__", None))


def connect(instance: Any, signature: str, *receiver: Any) -> bool:
    """PythonQt's `connect`: a slot of `signal()` is called without arguments."""
    signal, slot = _bound_signal(instance, signature), _slot(receiver)
    if normalized(signature).endswith("()"):
        slot = _without_arguments.setdefault(_key(instance, signature, slot), lambda *_, call=slot: call())
    signal.connect(slot)
    return True


def disconnect(instance: Any, signature: str, *receiver: Any) -> bool:
    """The reverse of `connect`; a connection that is not there is an error."""
    signal = _bound_signal(instance, signature)
    if not receiver:
        return signal.disconnect()
    slot = _slot(receiver)
    return signal.disconnect(_without_arguments.pop(_key(instance, signature, slot), slot))


def _take_over_connect(cls: type) -> None:
    """Shiboken finds connect and disconnect before it looks into the class: the lookup itself is taken over.

    PySide calls `instance.connect(instance, signal, slot)` from its own signals; such calls pass through.
    """
    lookup = cls.__getattribute__
    ours = {"connect": connect, "disconnect": disconnect}

    def getattribute(self: Any, name: str) -> Any:
        found = lookup(self, name)
        if name not in ours:
            return found
        return lambda *given: ours[name](self, *given) if given and isinstance(given[0], str) else found(*given)

    cls.__getattribute__ = getattribute


def _add_object_conveniences() -> None:
    Object = QtCore.QObject
    children, child = Object.findChildren, Object.findChild

    def find_children(self: Any, kind: Any = Object, name: str = "") -> list:
        if not isinstance(kind, str):
            return children(self, kind, name) if name else children(self, kind)
        return [found for found in children(self, Object) if found.inherits(kind) and name in ("", found.objectName)]

    def find_child(self: Any, kind: Any = Object, name: str = "") -> Any:
        if not isinstance(kind, str):
            return child(self, kind, name) if name else child(self, kind)
        return next(iter(find_children(self, kind, name)), None)

    Object.name = property(lambda self: self.objectName, lambda self, name: self.setObjectName(name))
    Object.className = lambda self: self.metaObject().className()
    Object.delete = lambda self: shiboken6.delete(self)
    Object.findChildren, Object.findChild = find_children, find_child


def _answer_with_plain_text(dialog: type) -> None:
    for name in ("getOpenFileName", "getSaveFileName", "getOpenFileNames"):
        original = getattr(dialog, name)
        setattr(dialog, name, staticmethod(lambda *given, ask=original, **options: ask(*given, **options)[0]))


def _let_single_shots_be_heard(timer: type) -> None:
    """PySide swallows what a callable given to `QTimer.singleShot` raises."""
    once = timer.singleShot

    def heard(slot: Any) -> None:
        try:
            slot()
        except Exception:
            sys.excepthook(*sys.exc_info())

    vars(timer)["singleShot"].on_class = lambda milliseconds, slot: once(milliseconds, lambda: heard(slot))


def _install() -> types.ModuleType:
    qt = types.ModuleType("qt", "Qt with the conventions of PythonQt")
    for part in (QtNetwork, QtGui, QtWidgets, QtCore):
        names = [name for name in dir(part) if not name.startswith("_") and name not in OWN_TO_PYSIDE]
        vars(qt).update({name: getattr(part, name) for name in names})
    classes = {value for value in vars(qt).values() if isinstance(value, type) and issubclass(value, QtCore.QObject)}
    for cls in sorted(classes, key=lambda cls: len(cls.__mro__)):
        _make_properties_attributes(cls)
        if cls is QtCore.QObject or "__getattribute__" in cls.__dict__:  # QProcess, QMenu ... look up for themselves
            _take_over_connect(cls)
    _add_object_conveniences()
    _answer_with_plain_text(QtWidgets.QFileDialog)
    _let_single_shots_be_heard(QtCore.QTimer)
    sys.modules["qt"] = qt
    return qt


qt = _install()
