"""The module `ctk`: the Common Toolkit widgets a radiotherapy module uses, with CTK's properties and signals."""

from __future__ import annotations

import sys
import types
from typing import Any

import qt

from .declare import Property, Signal, delegated, setters, stored


def row(parent: Any) -> Any:
    """A horizontal layout of `parent` without margins."""
    layout = qt.QHBoxLayout(parent)
    layout.setContentsMargins(0, 0, 0, 0)
    return layout


@setters
class ctkCollapsibleButton(qt.QWidget):
    """A header that folds away what lies below it."""

    contentsCollapsed = Signal(bool)
    clicked = Signal(bool)
    toggled = Signal(bool)

    def __init__(self, *given: Any) -> None:
        super().__init__(next((one for one in given if isinstance(one, qt.QWidget)), None))
        self._collapsed = False
        self._header = qt.QToolButton(self)
        self._header.setToolButtonStyle(qt.Qt.ToolButtonTextBesideIcon)
        self._header.setText(next((one for one in given if isinstance(one, str)), ""))
        self._header.setArrowType(qt.Qt.DownArrow)
        self._header.connect("clicked()", lambda: self._collapse(not self._collapsed))
        self.setContentsMargins(4, self._height() + 2, 4, 2)

    def _height(self) -> int:
        return self._header.sizeHint().height()

    def resizeEvent(self, event: Any) -> None:
        self._header.setGeometry(0, 0, self.width, self._height())

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self._show_contents()

    def _show_contents(self) -> None:
        for widget in self.children():
            if isinstance(widget, qt.QWidget) and widget is not self._header and not widget.isWindow():
                widget.setVisible(not self._collapsed)

    def _collapse(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        self._header.setArrowType(qt.Qt.RightArrow if collapsed else qt.Qt.DownArrow)
        self._show_contents()
        self.setMaximumHeight(self._height() + 2 if collapsed else 16777215)  # QWIDGETSIZE_MAX
        self.contentsCollapsed.emit(collapsed)
        self.toggled.emit(not collapsed)
        self.clicked.emit(not collapsed)

    collapsed = Property(bool, lambda self: self._collapsed, _collapse)
    checked = Property(bool, lambda self: not self._collapsed, lambda self, value: self._collapse(not value))
    text = delegated(str, "_header", "text")
    flat = stored(bool, False)
    collapsedHeight = stored(int, 10)
    contentsFrameShape = stored(int, 0)
    contentsLineWidth = stored(int, 1)
    contentsMidLineWidth = stored(int, 0)


@setters
class ctkCollapsibleGroupBox(qt.QGroupBox):
    """A group box that folds."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.setCheckable(True)
        self.connect("toggled(bool)", self._show_contents)

    def _show_contents(self, shown: bool) -> None:
        for widget in self.children():
            if isinstance(widget, qt.QWidget):
                widget.setVisible(shown)

    collapsed = Property(bool, lambda self: not self.checked, lambda self, value: self.setChecked(not value))
    collapsedHeight = stored(int, 14)


@setters
class ctkPathLineEdit(qt.QWidget):
    """A path, typed or browsed for."""

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)
    Files, Dirs, Readable, Writable, Executable = 0x002, 0x001, 0x010, 0x020, 0x040  # as QDir::Filter

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._text = qt.QComboBox()
        self._text.setEditable(True)
        self._text.setSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed)
        self._button = qt.QToolButton()
        self._button.setText("…")
        layout = row(self)
        layout.addWidget(self._text)
        layout.addWidget(self._button)
        self._button.connect("clicked()", self.browse)
        self._text.connect("editTextChanged(QString)", self.currentPathChanged.emit)

    def browse(self) -> None:
        """Asks for a file or folder, as `filters` says."""
        patterns = ";;".join(self.nameFilters)
        if self.filters & self.Dirs:
            path = qt.QFileDialog.getExistingDirectory(self, self.caption, self.currentPath)
        elif self.filters & self.Writable:
            path = qt.QFileDialog.getSaveFileName(self, self.caption, self.currentPath, patterns)
        else:
            path = qt.QFileDialog.getOpenFileName(self, self.caption, self.currentPath, patterns)
        if path:
            self.currentPath = path

    def addCurrentPathToHistory(self) -> None:
        if self.currentPath and self._text.findText(self.currentPath) < 0:
            self._text.addItem(self.currentPath)

    currentPath = Property(str, lambda self: self._text.currentText, lambda self, path: self._text.setEditText(path))
    filters = stored(int, Files)
    nameFilters = stored("QStringList", ())
    caption = stored(str, "")
    settingKey = stored(str, "")
    showBrowseButton = Property(
        bool, lambda self: not self._button.isHidden(), lambda self, shown: self._button.setVisible(shown)
    )
    showHistoryButton = stored(bool, True)


@setters
class ctkDirectoryButton(qt.QPushButton):
    """A button that shows and asks for a folder."""

    directoryChanged = Signal(str)
    directorySelected = Signal(str)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._directory = ""
        self.connect("clicked()", self.browse)

    def browse(self) -> None:
        directory = qt.QFileDialog.getExistingDirectory(self, self.caption, self._directory)
        if directory:
            self._change(directory)
            self.directorySelected.emit(directory)

    def _change(self, directory: str) -> None:
        if directory != self._directory:
            self._directory = directory
            self.setText(directory)
            self.directoryChanged.emit(directory)

    directory = Property(str, lambda self: self._directory, _change)
    caption = stored(str, "")
    acceptMode = stored(int, 0)


@setters
class ctkComboBox(qt.QComboBox):
    """A combo box with a text for "nothing chosen"."""

    defaultText = Property(str, lambda self: self.placeholderText, lambda self, text: self.setPlaceholderText(text))
    forceDefault = stored(bool, False)


@setters
class ctkSliderWidget(qt.QWidget):
    """A slider with a spin box beside it."""

    valueChanged = Signal(float)
    valueChanging = Signal(float)
    TICKS = 10000

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._slider = qt.QSlider(qt.Qt.Horizontal)
        self._slider.setRange(0, self.TICKS)
        self._box = qt.QDoubleSpinBox()
        layout = row(self)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._box)
        self._following = False
        self._box.connect("valueChanged(double)", self._typed)
        self._slider.connect("valueChanged(int)", self._slid)

    def _typed(self, value: float) -> None:
        self._follow()
        self.valueChanged.emit(value)

    def _slid(self, tick: int) -> None:
        if not self._following:
            box = self._box
            box.setValue(box.minimum + (box.maximum - box.minimum) * tick / self.TICKS)

    def _follow(self) -> None:
        self._following = True
        box, span = self._box, self._box.maximum - self._box.minimum
        self._slider.setValue(round((box.value - box.minimum) / span * self.TICKS) if span else 0)
        self._following = False

    def _bounded(self, bound: str, value: float) -> None:
        setattr(self._box, bound, value)
        self._follow()

    def setRange(self, minimum: float, maximum: float) -> None:
        self._box.setRange(minimum, maximum)
        self._follow()

    value = delegated(float, "_box", "value")
    minimum = Property(float, lambda self: self._box.minimum, lambda self, value: self._bounded("minimum", value))
    maximum = Property(float, lambda self: self._box.maximum, lambda self, value: self._bounded("maximum", value))
    singleStep = delegated(float, "_box", "singleStep")
    decimals = delegated(int, "_box", "decimals")
    prefix = delegated(str, "_box", "prefix")
    suffix = delegated(str, "_box", "suffix")
    tracking = delegated(bool, "_slider", "tracking")
    pageStep = stored(float, 10.0)
    tickInterval = stored(float, 0.0)
    spinBoxVisible = Property(bool, lambda self: not self._box.isHidden(), lambda self, shown: self._box.setVisible(shown))


class ctkDoubleSpinBox(qt.QDoubleSpinBox):
    """Here no more than Qt's."""


@setters
class ctkCheckablePushButton(qt.QPushButton):
    """A push button with a check box in it."""

    checkBoxToggled = Signal(bool)
    checkBoxControlsButton = stored(bool, True)
    checkBoxControlsButtonToggleState = stored(bool, True)


class ctkMenuButton(qt.QPushButton):
    """A push button with an arrow for its menu."""


@setters
class ctkFittedTextBrowser(qt.QTextBrowser):
    """A text browser as high as its text."""

    collapsed = stored(bool, False)


@setters
class ctkSearchBox(qt.QLineEdit):
    """A line to search with."""

    searchIcon = stored(qt.QIcon, qt.QIcon())
    showSearchIcon = stored(bool, False)
    alwaysShowClearIcon = stored(bool, False)


@setters
class ctkMessageBox(qt.QMessageBox):
    """A message box that can stay away."""

    dontShowAgainVisible = stored(bool, False)
    dontShowAgain = stored(bool, False)
    dontShowAgainSettingsKey = stored(str, "")


class ctkWidgetsUtils:
    """Static helpers."""

    @staticmethod
    def grabWidget(widget: Any, rectangle: Any = None) -> Any:
        return widget.grab().toImage()


ctk = types.ModuleType("ctk", "The Common Toolkit widgets")
vars(ctk).update({name: value for name, value in globals().items() if name.startswith("ctk")})
sys.modules["ctk"] = ctk
