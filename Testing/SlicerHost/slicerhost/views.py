"""Slice and 3-D views: the real logics and displayable managers of slicer-core, drawing into a `VTKWidget`."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

from .vtk_widget import VTKWidget

SLICE_MANAGERS = [
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
]
THREED_MANAGERS = [
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLThreeDReformatDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager3D",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
]


def _managed(renderer: Any, factory: Any, names: list[str], logic: Any, schedule: Any) -> Any:
    factory.SetMRMLApplicationLogic(logic)
    for name in names:
        if not factory.IsDisplayableManagerRegistered(name):
            factory.RegisterDisplayableManager(name)
    group = slicer.vtkMRMLDisplayableManagerGroup()
    group.SetRenderer(renderer)
    group.Initialize(factory, renderer)
    group.AddObserver(vtk.vtkCommand.UpdateEvent, schedule)
    return group


class SliceView:
    """One slice view: `node`, `logic` and the picture in `widget`."""

    def __init__(self, application_logic: Any, name: str, orientation: str) -> None:
        self.widget = VTKWidget()
        self._make_renderers()
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(application_logic)
        application_logic.GetSliceLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(application_logic.GetMRMLScene())
        self.node = self._node(application_logic.GetMRMLScene(), name)
        self.node.SetOrientation(orientation)
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        self.group = _managed(self.renderer, factory, SLICE_MANAGERS, application_logic, self.widget.schedule)
        self.group.SetMRMLDisplayableNode(self.node)
        self._connection = None
        self.logic.AddObserver(vtk.vtkCommand.ModifiedEvent, self._update)
        self._update()
        self._interact()

    def _make_renderers(self) -> None:
        """The blended slice lies behind what the displayable managers draw."""
        window = self.widget.window
        self.renderer, overlay = vtk.vtkRenderer(), vtk.vtkRenderer()
        overlay.SetLayer(1)
        for renderer in (self.renderer, overlay):
            renderer.GetActiveCamera().ParallelProjectionOn()
        window.SetNumberOfLayers(2)
        window.SetAlphaBitPlanes(True)
        window.AddRenderer(self.renderer)
        window.AddRenderer(overlay)
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._actor = vtk.vtkActor2D()
        self._actor.SetMapper(self._mapper)
        self._actor.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(self._actor)

    def _node(self, scene: Any, name: str) -> Any:
        node = scene.GetSingletonNode(name, "vtkMRMLSliceNode")  # the layout logic has made it already
        if node:
            self.logic.SetSliceNode(node)
        return node or self.logic.AddSliceNode(name)

    def _interact(self) -> None:
        self.widget.resized = lambda: self.logic.ResizeSliceNode(*self.widget.window.GetSize())
        self.widget.interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self._style = slicer.vtkMRMLSliceViewInteractorStyle()
        self._style.SetSliceLogic(self.logic)
        self._style.SetDisplayableManagers(self.group)
        self._style.SetInteractor(self.widget.interactor)

    def _update(self, *_: Any) -> None:
        connection = self.logic.GetImageDataConnection()
        if connection != self._connection:
            self._connection = connection
            self._mapper.SetInputConnection(connection)
            self._actor.SetVisibility(bool(connection))
        self.widget.schedule()

    def fit(self) -> None:
        """Shows the whole background volume."""
        self.widget.resized()
        self.logic.FitSliceToBackground()
        self.logic.SnapSliceOffsetToIJK()


class ThreeDView:
    """The 3-D view."""

    def __init__(self, application_logic: Any, name: str) -> None:
        self.widget = VTKWidget()
        self.renderer = vtk.vtkRenderer()
        self.widget.window.AddRenderer(self.renderer)
        self.logic = slicer.vtkMRMLViewLogic()
        self.logic.SetMRMLApplicationLogic(application_logic)
        application_logic.GetViewLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(application_logic.GetMRMLScene())
        self.node = application_logic.GetMRMLScene().GetSingletonNode(name, "vtkMRMLViewNode") or self.logic.AddViewNode(name)
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        self.group = _managed(self.renderer, factory, THREED_MANAGERS, application_logic, self.widget.schedule)
        self.group.SetMRMLDisplayableNode(self.node)
        self.renderer.SetBackground(*self.node.GetBackgroundColor())
        self.renderer.SetBackground2(*self.node.GetBackgroundColor2())
        self.renderer.GradientBackgroundOn()
        self.widget.interactor.SetInteractorStyle(vtk.vtkInteractorStyle3D())
        self._style = slicer.vtkMRMLThreeDViewInteractorStyle()
        self._style.SetDisplayableManagers(self.group)
        self._style.SetInteractor(self.widget.interactor)

    def fit(self) -> None:
        """Looks at everything from the front."""
        cameras = self.group.GetDisplayableManagerByClassName("vtkMRMLCameraDisplayableManager")
        if cameras and cameras.GetCameraNode():
            cameras.GetCameraNode().RotateTo(slicer.vtkMRMLCameraNode.Anterior)
        self.renderer.ResetCamera()
        self.widget.schedule()
