"""slicer.modules, slicer.app.moduleManager() and the list of modules in the tool bar."""

from __future__ import annotations

import sys
from typing import Any

import qt
import slicer

from .declare import Signal


class Module:
    """slicer.modules.<name>: a loaded module, its logic and, of a scripted one, its panel."""

    def __init__(self, name: str, logic: Any = None, path: str = "") -> None:
        self.name = self.title = name
        self.path, self._logic, self._panel = path, logic, None
        self.categories: list[str] = []
        self.dependencies: list[str] = []
        self.hidden, self.icon, self.helpText = False, None, ""

    def logic(self) -> Any:
        return self._logic

    def widgetRepresentation(self) -> Any:
        if self._panel is None and self.path:
            self._panel = ModulePanel(self)
        return self._panel


class ModulePanel(slicer.qMRMLWidget):
    """What a scripted module's widget gets as its parent. `enter` and `exit` as the module is selected and left."""

    def __init__(self, module: Module) -> None:
        super().__init__()
        self._module, self._python = module, None
        self.isEntered = False
        self.setLayout(qt.QVBoxLayout())
        self.setMRMLScene(slicer.mrmlScene)
        self.reload()

    def self(self) -> Any:
        return self._python

    def reload(self) -> None:
        name = f"{self._module.name}Widget"
        self._python = getattr(sys.modules[self._module.name], name)(self)
        setattr(slicer.modules, name, self._python)
        self._python.setup()

    def enter(self) -> None:
        if not self.isEntered:
            self.isEntered = True
            getattr(self._python, "enter", lambda: None)()

    def exit(self) -> None:
        if self.isEntered:
            self.isEntered = False
            getattr(self._python, "exit", lambda: None)()


slicer.qSlicerScriptedLoadableModuleWidget, slicer.qSlicerScriptedLoadableModule = ModulePanel, Module  # slicer.util asks


class ModuleManager(qt.QObject):
    """slicer.app.moduleManager()."""

    moduleLoaded = Signal(str)
    moduleAboutToBeUnloaded = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._modules: dict[str, Module] = {}

    def add(self, module: Module) -> None:
        self._modules[module.name] = module
        setattr(slicer.modules, module.name.lower(), module)
        setattr(slicer.moduleNames, module.name, module.name)
        self.moduleLoaded.emit(module.name)

    def remove(self, name: str) -> None:
        """Only here: a module that is not installed."""
        del self._modules[name]
        delattr(slicer.modules, name.lower())
        delattr(slicer.moduleNames, name)

    def module(self, name: str) -> Module | None:
        return self._modules.get(name)

    def modulesNames(self) -> list[str]:
        return list(self._modules)

    loadedModuleNames = instantiatedModuleNames = modulesNames

    def factoryManager(self) -> ModuleManager:
        return self


class ModuleSelector(qt.QComboBox):
    """The list of modules in the tool bar."""

    moduleSelected = Signal(str)

    def __init__(self, place: Any) -> None:
        super().__init__()
        self._place, self.selectedModule = place, ""
        self.connect("activated(int)", lambda index: self.selectModule(self.itemData(index)))

    def selectModule(self, name: str) -> None:
        module = slicer.app.moduleManager().module(name)
        if module is None:
            raise RuntimeError(f"there is no module {name!r}")
        if self.selectedModule:
            slicer.app.moduleManager().module(self.selectedModule).widgetRepresentation().exit()
        panel = module.widgetRepresentation()
        self._place.takeWidget()
        self._place.setWidget(panel)
        panel.show()
        self.selectedModule = name
        panel.enter()
        self.setCurrentIndex(self.findData(name))
        self.moduleSelected.emit(name)
