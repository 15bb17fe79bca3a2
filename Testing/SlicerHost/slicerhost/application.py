"""slicer.app, slicer.mrmlScene, slicer.modules: the application object and what hangs on it."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import types
from typing import Any

import qt
import slicer
import slicer.util
import vtk

from . import mrml_widgets, packaging, parameter_nodes, scripted_module, segment_widgets, table_view, ui_loader  # noqa: F401
from .declare import Property, Signal, stored
from .input_output import IOManager
from .layout import LayoutManager
from .modules import Module, ModuleManager, ModuleSelector

LOGICS = {
    "Volumes": "vtkSlicerVolumesLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Models": "vtkSlicerModelsLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Units": "vtkSlicerUnitsLogic",
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Texts": "vtkSlicerTextsLogic",
}
SHOWN_IN_HIERARCHY = (
    "vtkMRMLDisplayableNode",
    "vtkMRMLTableNode",
    "vtkMRMLPlotChartNode",
    "vtkMRMLPlotSeriesNode",
    "vtkMRMLTextNode",
)


class MainWindow(qt.QMainWindow):
    """Module panel left, views right."""

    def __init__(self, layout_manager: LayoutManager) -> None:
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.setWindowTitle("Stand-in for 3D Slicer")
        self.resize(1400, 900)
        place = qt.QScrollArea()
        place.setWidgetResizable(True)
        place.setMinimumWidth(500)
        dock = qt.QDockWidget("Module panel")
        dock.setObjectName("PanelDockWidget")
        dock.setFeatures(qt.QDockWidget.NoDockWidgetFeatures)
        dock.setWidget(place)
        self.addDockWidget(qt.Qt.LeftDockWidgetArea, dock)
        self._selector = ModuleSelector(place)
        tools = self.addToolBar("Modules")
        tools.addWidget(qt.QLabel(" Modules: "))
        tools.addWidget(self._selector)
        self.setCentralWidget(layout_manager)
        self.statusBar()

    def moduleSelector(self) -> ModuleSelector:
        return self._selector


class Application(qt.QApplication):
    """slicer.app."""

    startupCompleted = Signal()
    majorVersion, minorVersion, revision = stored(int, 5), stored(int, 12), stored(str, "34627")
    applicationVersion = stored(str, "5.12.3")
    temporaryPath = Property(str, lambda self: self._temporary.name)
    slicerHome = stored(str, "")
    documentationBaseUrl = stored(str, "")

    def __init__(self) -> None:
        super().__init__(["SlicerHost"])
        self._temporary = tempfile.TemporaryDirectory(prefix="SlicerHost-")
        qt.QSettings.setDefaultFormat(qt.QSettings.IniFormat)
        qt.QSettings.setPath(qt.QSettings.IniFormat, qt.QSettings.UserScope, os.path.join(self._temporary.name, "settings"))
        os.mkdir(os.path.join(self._temporary.name, "cache"))
        self.setOrganizationName("SlicerHost")
        self.setApplicationName("SlicerHost")
        self._testing = True

    def build(self, application_logic: Any) -> None:
        """The parts that need slicer.app to exist."""
        self._application_logic = application_logic
        self._module_manager = ModuleManager()
        self._io_manager = IOManager()
        self._layout_manager: Any = None

    def show_window(self) -> None:
        self._layout_manager = LayoutManager(self._application_logic)
        self._window = MainWindow(self._layout_manager)
        self._window.show()

    def mrmlScene(self) -> Any:
        return slicer.mrmlScene

    def applicationLogic(self) -> Any:
        return self._application_logic

    def layoutManager(self) -> Any:
        return self._layout_manager

    def moduleManager(self) -> ModuleManager:
        return self._module_manager

    def coreIOManager(self) -> IOManager:
        return self._io_manager

    ioManager = coreIOManager

    def testingEnabled(self) -> bool:
        return self._testing

    def setTestingEnabled(self, testing: bool) -> None:
        """Only here: without it, dialogs wait for a person."""
        self._testing = testing

    def userSettings(self) -> Any:
        return qt.QSettings()

    settings = revisionUserSettings = userSettings

    def setRenderPaused(self, paused: bool) -> None: ...

    def pauseRender(self) -> None: ...

    def resumeRender(self) -> None: ...

    def startupEnvironment(self) -> Any:
        return qt.QProcessEnvironment.systemEnvironment()

    def translate(self, context: str, text: str) -> str:
        return text

    def moduleDocumentationUrl(self, name: str) -> str:
        return ""


def _make_scene() -> Any:
    scene = slicer.vtkMRMLScene()
    cache = slicer.vtkCacheManager()
    cache.SetRemoteCacheDirectory(os.path.join(slicer.app.temporaryPath, "cache"))  # it reads the whole folder
    cache.SetMRMLScene(scene)
    transfers = slicer.vtkDataIOManager()
    transfers.SetCacheManager(cache)
    scene.SetCacheManager(cache)  # a .mrb cannot be read without
    scene.SetDataIOManager(transfers)
    crosshair = slicer.vtkMRMLCrosshairNode()
    crosshair.SetCrosshairName("default")
    scene.AddNode(crosshair)
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    return scene


def _make_logic(scene: Any) -> Any:
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetMRMLScene(scene)
    logic.SetHomeDirectory(slicer.app.temporaryPath)  # where Slicer has colour files; slicer-core has none
    logic.SetShareDirectory("share")
    os.makedirs(os.path.join(slicer.app.temporaryPath, "share", "ColorFiles"), exist_ok=True)
    colors = slicer.vtkSlicerColorLogic()  # as the module Colors; it knows color legends
    logic.SetColorLogic(colors)
    colors.SetMRMLApplicationLogic(logic)
    colors.SetMRMLScene(scene)
    colors.AddDefaultColorNodes()
    logic.SetSliceLogics(vtk.vtkCollection())
    logic.SetViewLogics(vtk.vtkCollection())
    return logic


def _load_core_modules(application_logic: Any, scene: Any) -> None:
    slicer.app.moduleManager().add(Module("Colors", application_logic.GetColorLogic()))
    for name, cls in LOGICS.items():
        logic = getattr(slicer, cls)()
        logic.SetMRMLApplicationLogic(application_logic)
        logic.SetMRMLScene(scene)
        application_logic.SetModuleLogic(name, logic)
        slicer.app.moduleManager().add(Module(name, logic))


def _keep_subject_hierarchy(scene: Any) -> None:
    """In Slicer the plugins of the subject hierarchy make an item for every node."""

    def hierarchy() -> Any:
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def added(caller: Any, event: Any, node: Any) -> None:
        shown = not node.GetHideFromEditors() and any(node.IsA(kind) for kind in SHOWN_IN_HIERARCHY)
        if shown and not scene.IsImporting() and not hierarchy().GetItemByDataNode(node):
            hierarchy().CreateItem(hierarchy().GetSceneItemID(), node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def leaving(caller: Any, event: Any, node: Any) -> None:
        item = 0 if node.IsA("vtkMRMLSubjectHierarchyNode") else hierarchy().GetItemByDataNode(node)
        if item:
            hierarchy().RemoveItem(item, False, False)

    hierarchy()
    scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, added)
    scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, leaving)


def start() -> Application:
    """Makes slicer.app, slicer.mrmlScene and slicer.modules and shows the window; once in a process."""
    if hasattr(slicer, "app"):
        return slicer.app
    for name in ("modules", "moduleNames"):
        module = types.ModuleType(f"slicer.{name}")
        sys.modules[module.__name__] = module
        setattr(slicer, name, module)
    slicer.app = Application()
    slicer.mrmlScene = _make_scene()
    logic = _make_logic(slicer.mrmlScene)
    slicer.app.build(logic)
    _load_core_modules(logic, slicer.mrmlScene)
    _keep_subject_hierarchy(slicer.mrmlScene)
    slicer.app.show_window()
    return slicer.app


def load_module(path: str | os.PathLike) -> Module:
    """Loads a scripted module from its .py file, as Slicer does when its folder is an additional module path."""
    path = os.path.abspath(path)
    name = os.path.splitext(os.path.basename(path))[0]
    present = slicer.app.moduleManager().module(name)
    if present:
        return present
    sys.path.insert(0, os.path.dirname(path))
    spec = importlib.util.spec_from_file_location(name, path)
    python = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(python)
    module = Module(name, path=path)
    instance = getattr(python, name)(module)
    setattr(slicer.modules, f"{name}Instance", instance)
    slicer.app.moduleManager().add(module)
    slicer.util.mainWindow().moduleSelector().addItem(module.title, name)
    return module
