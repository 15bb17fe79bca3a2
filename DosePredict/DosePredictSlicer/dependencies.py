"""Python packages that predictions need: asked for and installed at first use, never before, never without asking."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import slicer
from packaging.requirements import Requirement
from slicer.i18n import tr as _

from DosePredictLib.core import DosePredictError
from DosePredictLib.resources import resource

from .child_python import OVERRIDE

REQUESTER = "DosePredict"
TORCH = Requirement("torch>=2.4")
NETWORK = Requirement("pynetdicom>=2.1")


class MissingDependencies(DosePredictError):
    """Packages that are not there, because the user did not want them or they could not be installed."""


def ensure_for_prediction() -> None:
    """Everything a prediction needs; asks the user where something is missing. Raises MissingDependencies."""
    if os.environ.get(OVERRIDE):  # another interpreter has its own
        return
    if not is_installed(TORCH):
        _install_torch()
    ensure([line for line in _requirements() if not is_installed(line)])


def ensure(requirements: list[Requirement]) -> None:
    """Install what is missing of these, after asking. Raises MissingDependencies."""
    missing = [str(requirement) for requirement in requirements if not is_installed(requirement)]
    if not missing:
        return
    try:
        _pip_ensure(missing)
    except Exception as error:  # RuntimeError where the user declines, CalledProcessError and others where pip fails
        text = _("The Python packages {names} are needed and were not installed ({error}); try again, or see the documentation"
                 " for a computer without internet.")  # fmt: skip
        raise MissingDependencies(text.format(names=", ".join(missing), error=type(error).__name__)) from error
    if left := [text for text in missing if not is_installed(Requirement(text))]:
        raise MissingDependencies(
            _("{names} could not be installed; restart Slicer and try again.").format(names=", ".join(left))
        )


def is_installed(requirement: Requirement) -> bool:
    """Whether the package is there in a version that will do; nothing is imported."""
    try:
        return requirement.specifier.contains(version(requirement.name), prereleases=True)
    except PackageNotFoundError:
        return False


def _requirements() -> list[Requirement]:
    lines = resource("requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def _pip_ensure(missing: list[str]) -> None:
    """Slicer 5.12 asks by itself; for 5.10 it is asked here."""
    if hasattr(slicer, "packaging"):
        slicer.packaging.pip_ensure([Requirement(text) for text in missing], requester=REQUESTER)
        return
    question = _("To predict a dose, these Python packages are needed: {names}. Install them now?")
    if not slicer.util.confirmOkCancelDisplay(question.format(names=", ".join(missing)), REQUESTER):
        raise RuntimeError("declined")
    slicer.util.pip_install(missing)


def _install_torch() -> None:
    """Through the PyTorch extension, which finds the build for this computer."""
    try:
        import PyTorchUtils
    except ImportError:
        text = _("PyTorch is not installed; install the extension PyTorch in the Extensions Manager and restart Slicer.")
        raise MissingDependencies(text) from None
    logic: Any = PyTorchUtils.PyTorchUtilsLogic()
    try:
        installed = logic.installTorch(askConfirmation=True, torchVersionRequirement=str(TORCH.specifier))
    except Exception as error:  # the extension raises what pip and the driver probes raise
        text = _("PyTorch could not be installed ({error}); open the module PyTorch Util and install it there.")
        raise MissingDependencies(text.format(error=type(error).__name__)) from error
    if installed is None:
        raise MissingDependencies(_("PyTorch is needed to predict a dose and was not installed."))
