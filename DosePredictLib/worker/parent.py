"""A worker must not outlive its caller: it would hold the GPU, and a folder with a patient's data."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from _thread import start_new_thread
from collections.abc import Callable
from dataclasses import dataclass

PR_SET_PDEATHSIG = 1  # linux/prctl.h
SYNCHRONIZE, WAIT_TIMEOUT = 0x00100000, 0x00000102  # winnt.h, winerror.h
POLL_S = 0.5


@dataclass(frozen=True)
class Family:
    """The process that started this one, and the caller behind it: 3D Slicer puts a launcher between."""

    parent: int
    caller: int | None

    @property
    def is_gone(self) -> bool:
        return os.getppid() != self.parent or not (self.caller is None or is_alive(self.caller))


def watch(caller: int | None, on_gone: Callable[[], None]) -> Family:
    """Call ``on_gone`` from a thread of its own soon after the parent process or the caller has ended."""
    family = Family(os.getppid(), caller)
    _ask_kernel_for_signal()
    start_new_thread(_poll, (family, on_gone))  # see core.parallel for why not threading.Thread
    return family


def _poll(family: Family, on_gone: Callable[[], None]) -> None:
    while not family.is_gone:
        time.sleep(POLL_S)
    on_gone()


def _ask_kernel_for_signal() -> None:
    """On Linux the kernel sends SIGTERM at once when the parent dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def is_alive(pid: int) -> bool:
    """Whether a process of this number exists."""
    if sys.platform == "win32":
        return _is_alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _is_alive_on_windows(pid: int) -> bool:
    """os.kill(pid, 0) would send Ctrl-C there."""
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
    handle = kernel.OpenProcess(SYNCHRONIZE, False, pid)
    if not handle:
        return False
    try:
        return kernel.WaitForSingleObject(handle, 0) == WAIT_TIMEOUT
    finally:
        kernel.CloseHandle(handle)
