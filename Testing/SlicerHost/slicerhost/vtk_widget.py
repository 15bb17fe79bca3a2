"""A widget that shows a VTK render window: VTK draws off screen, the widget paints the picture, so that it can be grabbed."""

from __future__ import annotations

from typing import Any

import qt
import vtk
from vtkmodules.util.numpy_support import vtk_to_numpy

KEYS = {qt.Qt.Key_Left: "Left", qt.Qt.Key_Right: "Right", qt.Qt.Key_Up: "Up", qt.Qt.Key_Down: "Down"}


class VTKWidget(qt.QWidget):
    """Mouse, wheel and keys reach the interactor; `resized` is called with every new size."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.window = vtk.vtkRenderWindow()
        self.window.SetShowWindow(False)
        self.window.SetOffScreenRendering(True)
        self.window.SetMultiSamples(0)  # with depth peeling, Mesa's software renderer draws nothing otherwise
        self.window.SetSize(300, 300)
        self.interactor = vtk.vtkGenericRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        self.interactor.Initialize()
        self.interactor.Enable()
        self.resized: Any = lambda: None
        self._picture = None
        self._scheduled = False
        self.setMouseTracking(True)
        self.setFocusPolicy(qt.Qt.WheelFocus)
        self.setMinimumSize(60, 60)
        self._timer = qt.QTimer(self)
        self._timer.connect("timeout()", self.interactor.TimerEvent)
        self.interactor.AddObserver("CreateTimerEvent", lambda *_: self._timer.start(10))
        self.interactor.AddObserver("DestroyTimerEvent", lambda *_: self._timer.stop())

    def schedule(self, *_: Any) -> None:
        """Draws once when the event loop is free."""
        if not self._scheduled:
            self._scheduled = True
            qt.QTimer.singleShot(0, self._draw_if_seen)

    def _draw_if_seen(self) -> None:
        self._scheduled = False
        if self.isVisible():
            self.draw()

    def draw(self) -> None:
        """Draws now."""
        self.window.Render()
        width, height = self.window.GetSize()
        pixels = vtk.vtkUnsignedCharArray()
        self.window.GetRGBACharPixelData(0, 0, width - 1, height - 1, 0, pixels)
        self._pixels = vtk_to_numpy(pixels).reshape(height, width, 4)[::-1].copy()
        self._pixels[..., 3] = 255
        self._picture = qt.QImage(self._pixels.data, width, height, 4 * width, qt.QImage.Format_RGBA8888)
        self.update()

    def paintEvent(self, event: Any) -> None:
        painter = qt.QPainter(self)
        if self._picture is not None:
            painter.drawImage(self.rect, self._picture)
        painter.end()

    def resizeEvent(self, event: Any) -> None:
        width, height = max(1, self.width), max(1, self.height)
        self.window.SetSize(width, height)
        self.interactor.SetSize(width, height)
        self.interactor.ConfigureEvent()
        self.resized()
        self.schedule()

    def showEvent(self, event: Any) -> None:
        self.schedule()

    def _tell(self, event: Any) -> None:
        held, position = event.modifiers(), event.position()
        control, shift = bool(held & qt.Qt.ControlModifier), bool(held & qt.Qt.ShiftModifier)
        self.interactor.SetEventInformationFlipY(int(position.x()), int(position.y()), control, shift, "\0", 0, None)
        self.interactor.SetAltKey(bool(held & qt.Qt.AltModifier))

    def mousePressEvent(self, event: Any) -> None:
        self._tell(event)
        getattr(self.interactor, f"{event.button().name}PressEvent")()

    def mouseReleaseEvent(self, event: Any) -> None:
        self._tell(event)
        getattr(self.interactor, f"{event.button().name}ReleaseEvent")()

    def mouseMoveEvent(self, event: Any) -> None:
        self._tell(event)
        self.interactor.MouseMoveEvent()

    def wheelEvent(self, event: Any) -> None:
        self._tell(event)
        forward = event.angleDelta().y() > 0
        (self.interactor.MouseWheelForwardEvent if forward else self.interactor.MouseWheelBackwardEvent)()

    def enterEvent(self, event: Any) -> None:
        self.interactor.EnterEvent()

    def leaveEvent(self, event: Any) -> None:
        self.interactor.LeaveEvent()

    def keyPressEvent(self, event: Any) -> None:
        text = event.text() or "\0"
        self.interactor.SetKeyEventInformation(0, 0, text[0], 0, KEYS.get(event.key(), text))
        self.interactor.KeyPressEvent()
        self.interactor.CharEvent()
