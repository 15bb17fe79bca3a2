"""Python packages that predictions need: asked for and installed at first use, never before, never without asking."""

from __future__ import annotations

import os
import re
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import slicer
from slicer.i18n import tr as _

from DosePredictLib.core import DosePredictError
from DosePredictLib.resources import resource

from .child_python import OVERRIDE

REQUESTER = "DosePredict"
TORCH, NETWORK = "torch>=2.4", "pynetdicom>=2.1"


class MissingDependencies(DosePredictError):
    """Packages that are not there, because the user did not want them or they could not be installed."""


def ensure_for_prediction() -> None:
    """Everything a prediction needs; asks the user where something is missing. Raises MissingDependencies."""
    if os.environ.get(OVERRIDE):  # another interpreter has its own
        return
    if not is_installed(TORCH):
        _install_torch()
    ensure(_requirements())


def ensure(requirements: list[str]) -> None:
    """Install what is missing of these, after asking. Raises MissingDependencies."""
    missing = [requirement for requirement in requirements if not is_installed(requirement)]
    if not missing:
        return
    try:
        _pip_ensure(missing)
    except Exception as error:  # RuntimeError where the user declines, CalledProcessError and others where pip fails
        text = _("The Python packages {names} are needed and were not installed ({error}); try again, or see the documentation"
                 " for a computer without internet.")  # fmt: skip
        raise MissingDependencies(text.format(names=", ".join(missing), error=type(error).__name__)) from error
    if left := [text for text in missing if not is_installed(text)]:
        raise MissingDependencies(
            _("{names} could not be installed; restart Slicer and try again.").format(names=", ".join(left))
        )


def is_installed(requirement: str) -> bool:
    """Whether the package of "name>=version" is there, and new enough; nothing is imported."""
    name, _at_least, least = requirement.partition(">=")
    try:
        return _numbers(version(name)) >= _numbers(least)
    except PackageNotFoundError:
        return False


def _numbers(release: str) -> list[int]:
    """[2, 13, 0] of "2.13.0+cpu"."""
    return [int(number) for number in re.findall(r"\d+", release.partition("+")[0])]


def _requirements() -> list[str]:
    lines = resource("requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _pip_ensure(missing: list[str]) -> None:
    """Slicer 5.12 asks by itself; for 5.10 it is asked here."""
    try:
        from slicer.packaging import pip_ensure
    except ImportError:
        _ask_and_install(missing)
        return
    from packaging.requirements import Requirement

    pip_ensure([Requirement(text) for text in missing], requester=REQUESTER)


def _ask_and_install(missing: list[str]) -> None:
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
        installed = logic.installTorch(askConfirmation=True, torchVersionRequirement=TORCH.removeprefix("torch"))
    except Exception as error:  # the extension raises what pip and the driver probes raise
        text = _("PyTorch could not be installed ({error}); open the module PyTorch Util and install it there.")
        raise MissingDependencies(text.format(error=type(error).__name__)) from error
    if installed is None:
        raise MissingDependencies(_("PyTorch is needed to predict a dose and was not installed."))
