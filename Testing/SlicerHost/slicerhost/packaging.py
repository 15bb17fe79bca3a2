"""`slicer.packaging` (new in Slicer 5.12): asks and checks as Slicer's does, but never installs; a test sees what was wanted.

with packaging.of(installed={"numpy"}) as wanted:       # a Slicer with these packages
    ...
assert wanted == ["pydicom>=2.4"]
with packaging.of(release="5.10") as wanted: ...        # a Slicer without slicer.packaging
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from packaging.requirements import Requirement


class _Pip:
    """Remembers what was to be installed."""

    def __init__(self, installed: set[str] | None, fails: Exception | None) -> None:
        self._installed, self._fails, self.wanted = installed, fails, []

    def check(self, requirement: Any) -> bool:
        """Whether it is there; `installed` None means that everything is."""
        return self._installed is None or Requirement(str(requirement)).name in self._installed

    def install(self, requirements: Any, **options: Any) -> None:
        self.wanted += [requirements] if isinstance(requirements, str) else [str(one) for one in requirements]
        if self._fails:
            raise self._fails
        if self._installed is not None:
            self._installed.update(Requirement(one).name for one in self.wanted)


def load_requirements(path: str | Path) -> list[Requirement]:
    """The requirements in a requirements.txt."""
    lines = [line.split("#")[0].strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return [Requirement(line) for line in lines if line]


def _ensure(pip: _Pip) -> Any:
    def pip_ensure(
        requirements: Any,
        constraints: Any = None,
        skip_packages: list[str] | None = None,
        prompt_install: bool = True,
        prompt_restart: bool = True,
        requester: str | None = None,
        skip_in_testing: bool = True,
        show_progress: bool = True,
    ) -> None:
        """Installs what is missing. Raises RuntimeError where the user declines."""
        given = [requirements] if isinstance(requirements, str) else requirements
        missing = [str(one) for one in given if not pip.check(one)]
        if not missing or (skip_in_testing and slicer.app.testingEnabled()):
            return
        question = f"{len(missing)} Python package(s) need to be installed."
        if prompt_install and not slicer.util.confirmOkCancelDisplay(question, requester or "", detailedText="\n".join(missing)):
            raise RuntimeError("User declined package installation")
        pip.install(missing)

    return pip_ensure


@contextmanager
def of(*, release: str = "5.12", installed: set[str] | None = None, fails: Exception | None = None) -> Iterator[list[str]]:
    """A Slicer of this release with these packages (None: all); `fails` is raised by an installation. Yields what was wanted."""
    pip, before, pip_install = _Pip(installed, fails), getattr(slicer, "packaging", None), slicer.util.pip_install
    slicer.util.pip_install = pip.install
    _provide(None if release < "5.12" else _module(pip))
    try:
        yield pip.wanted
    finally:
        slicer.util.pip_install = pip_install
        _provide(before)


def _module(pip: _Pip) -> types.ModuleType:
    module = types.ModuleType("slicer.packaging")
    contents = {"load_requirements": load_requirements, "pip_check": pip.check, "pip_install": pip.install}
    vars(module).update(contents, pip_ensure=_ensure(pip))
    return module


def _provide(module: types.ModuleType | None) -> None:
    if module:
        sys.modules["slicer.packaging"] = slicer.packaging = module
    elif hasattr(slicer, "packaging"):
        del slicer.packaging, sys.modules["slicer.packaging"]


_provide(_module(_Pip(installed=None, fails=None)))
