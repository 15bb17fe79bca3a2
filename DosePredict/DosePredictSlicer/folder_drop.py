"""A place to drop a patient's folder on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _


class FolderDrop(qt.QLabel):
    """Takes dropped folders and files and hands their paths to on_drop."""

    def __init__(self, on_drop: Callable[[list[Path]], None]) -> None:
        qt.QLabel.__init__(self)
        self._on_drop = on_drop
        self.setText(_("or drop a folder with CT, structure set and dose here"))
        self.setAlignment(qt.Qt.AlignCenter)
        self.setAcceptDrops(True)

    def dragEnterEvent(self, event: Any) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls()]
        event.acceptProposedAction()
        self._on_drop([path for path in paths if path.exists()])
