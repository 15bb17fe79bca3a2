"""``dosepredict info``: what a bug report needs, and no more."""

from __future__ import annotations

import argparse
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .. import __version__, registry

PACKAGES = ("numpy", "SimpleITK", "pydicom", "torch", "safetensors", "matplotlib", "pynetdicom")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(options: argparse.Namespace) -> int:
    found = info()
    print(json.dumps(found, indent=2) if options.json else format_info(found))
    return 0


def info() -> dict[str, Any]:
    """Versions, devices and models; no paths, no names of people or machines."""
    return {
        "dosepredict": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu_cores": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
        "devices": devices(),
        "models": [
            {"id": m.id, "version": m.version, "shipped": m.shipped, "weights_sha256": m.card["weights_sha256"]}
            for m in registry.available()
        ],
    }


def devices() -> list[str]:
    """What torch can compute on."""
    try:
        import torch
    except ImportError:
        return []
    found = ["cpu"]
    found += [f"cuda:{index} {torch.cuda.get_device_name(index)}" for index in range(torch.cuda.device_count())]
    return found + (["mps"] if torch.backends.mps.is_available() else [])


def format_info(found: dict[str, Any]) -> str:
    rows = [(key, found[key]) for key in ("dosepredict", "python", "system", "cpu_cores")]
    rows += [(name, number or "not installed") for name, number in found["packages"].items()]
    rows += [("devices", ", ".join(found["devices"]) or "none: torch is not installed")]
    rows += [("model", f"{m['id']} {m['version']}, weights {str(m['weights_sha256'])[:12]}") for m in found["models"]]
    return "\n".join(f"{key:<12} {value}" for key, value in rows)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
