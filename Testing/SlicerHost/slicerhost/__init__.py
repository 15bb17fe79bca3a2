"""A stand-in for 3D Slicer: runs an unmodified scripted module on slicer-core and PySide6.

Real code: the MRML scene, its nodes, the logics, the displayable managers, `slicer.util`. Written here: what in Slicer
needs its own Qt classes (`qt`, `ctk`, `qMRML*`, the application, the layout, `ScriptedLoadableModule`,
`parameterNodeWrapper`, `slicer.packaging`), only as far as the module uses it, and refusing what Slicer would refuse.

    import slicerhost
    slicerhost.start()                                   # once in a process
    slicerhost.load_module("DosePredict/DosePredict.py")
    slicer.util.selectModule("DosePredict")

The Python that runs it needs slicer-core and PySide6-Essentials 6.8; a display is not needed.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

MISSING = [name for name, package in (("slicer-core", "vtkmodules"), ("PySide6-Essentials", "PySide6")) if not find_spec(package)]
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
if sys.platform == "linux":
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")  # draws without an X server

if not MISSING:
    from . import pythonqt  # noqa: F401 - makes `import qt` possible; everything below needs it  # isort: skip
    from . import ctk_widgets  # noqa: F401 - makes `import ctk` possible  # isort: skip
    from .application import load_module, start
    from .events import Faults, wait_until

    __all__ = ["MISSING", "Faults", "load_module", "start", "wait_until"]
