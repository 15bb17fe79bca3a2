"""Where the files that are not code lie: icons, synonyms, clinical goals, shipped models."""

from __future__ import annotations

from pathlib import Path

LIBRARY = Path(__file__).resolve().parent
HOMES = (LIBRARY / "_resources", LIBRARY.parent / "Resources")  # an installed wheel; a source tree or Slicer


def resource(*parts: str) -> Path:
    """The path of a shipped file or folder, e.g. ``resource("StructureNames", "general.json")``; it need not exist."""
    home = next((folder for folder in HOMES if folder.is_dir()), HOMES[-1])
    return home.joinpath(*parts)
