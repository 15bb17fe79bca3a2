"""What a command has written, in words."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

CONTENT = {  # by name, else by the first letters
    "report.html": "report",
    "report.pdf": "report, to print",
    "report.json": "its numbers",
    "dvh.csv": "dose-volume histograms",
    "goals.csv": "clinical goals",
    "objectives.csv": "objectives for a plan optimiser",
    "difference.nrrd": "predicted - planned, Gy",
    "gamma.nrrd": "gamma index",
    "uncertainty.nrrd": "uncertainty: one standard deviation, Gy",
    "RP": "stub plan of the dose",
}


def announce(files: Iterable[Path], out: Path, what: str = "prediction", *, dose: str = "predicted dose") -> None:
    """Say where the result is, on stdout. dose: what the RTDOSE is."""
    contents = {path.name: dose if path.name.startswith("RD") else content_of(path.name) for path in files}
    width = max(map(len, contents.values()), default=0)
    print(f"The {what} is in {out}:")
    for name, content in contents.items():
        print(f"  {content:<{width}}  {name}")


def content_of(name: str) -> str:
    return CONTENT.get(name, CONTENT.get(name[:2], ""))
