"""``python -m DosePredictLib.worker.probe``: what this Python can compute on, as one line of JSON on stdout.

Asked in a process of its own, because a broken installation of torch may take the process down with it.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("torch", "safetensors", "matplotlib", "pydicom", "SimpleITK", "numpy")


def probe() -> dict[str, Any]:
    """packages: name -> version, None where missing. devices: id, name, free_gb (None where unknown), problem ("" for none)."""
    found: dict[str, Any] = {"packages": {name: _version(name) for name in PACKAGES}, "devices": [], "error": ""}
    try:
        import torch
    except Exception as error:  # a half-installed torch raises many kinds
        return found | {"error": f"torch cannot be imported ({type(error).__name__})"}
    found["devices"] = [{"id": "cpu", "name": "CPU", "free_gb": None, "problem": _problem_with("cpu")}]
    for index in range(torch.cuda.device_count()):
        free = torch.cuda.mem_get_info(index)[0] / 2**30
        name = torch.cuda.get_device_name(index)
        found["devices"].append(
            {"id": "cuda", "name": name, "free_gb": round(free, 1), "problem": _problem_with(f"cuda:{index}")}
        )
    if torch.backends.mps.is_available():
        found["devices"].append({"id": "mps", "name": "Apple", "free_gb": None, "problem": _problem_with("mps")})
    return found


def _problem_with(device: str) -> str:
    import torch

    from ..models.hardware import problem_with

    problem = problem_with(torch.device(device))
    return f"it {problem}" if problem else ""


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe()) + "\n")
