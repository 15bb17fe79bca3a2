"""The result of inspect.inspect as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


def format_inspection(found: dict[str, Any]) -> str:
    """Sections with one line per series, plan, dose and structure; ``*`` marks what would be used."""
    sections = [
        ("Files", list(_files(found["files"]))),
        ("CT", _table([_series(s) for s in found["ct"]])),
        ("Structure sets", _table([[_mark(s), s["file"], s["label"]] for s in found["structure_sets"]])),
        ("Plans", _table([_plan(p) for p in found["plans"]])),
        ("Planned doses", _table([_dose(d) for d in found["doses"]])),
        ("Structures", _structures(found["structures"])),
        ("Prescription", _table([[p["roi"], f"{p['dose_gy']:g} Gy", p["source"]] for p in found["prescription"]])),
        ("Notes", found["notes"]),
        ("Warnings", found["warnings"]),
        ("Cannot be predicted yet" if found["refusals"] else "Ready to predict", found["refusals"]),
    ]
    blocks = [
        "\n".join([title, *(f"  {line}" for line in lines)]) for title, lines in sections if lines or title.startswith("Ready")
    ]
    return "\n\n".join(blocks)


def _files(files: dict[str, Any]) -> Iterator[str]:
    kinds = ", ".join(f"{count} {kind}" for kind, count in files["kinds"].items())
    yield f"{files['dicom']} DICOM" + (f": {kinds}" if kinds else "")
    if files["copies"]:
        yield f"{files['copies']} copies of them"
    if files["unreadable"]:
        yield f"{len(files['unreadable'])} damaged"
    if files["other"]:
        yield "not DICOM: " + ", ".join(f"{count} {suffix}" for suffix, count in files["other"].items())


def _series(series: dict[str, Any]) -> list[str]:
    grid = _grid(series) or f"{series['slices']} slices"
    return [_mark(series), series["description"] or f"...{series['uid_end']}", series["position"], grid, series["problem"] or ""]


def _plan(plan: dict[str, Any]) -> list[str]:
    doses = ", ".join(f"{p['description'] or 'ROI ' + str(p['roi_number'])} {p['dose_gy']:g} Gy" for p in plan["prescriptions"])
    fractions = "+".join(map(str, plan["fractions"])) or "?"
    kind = "ion beams" if plan["is_ion"] else "beams"
    return [
        _mark(plan),
        plan["file"],
        plan["label"],
        f"{fractions} fractions",
        f"{plan['beams']} {kind}",
        doses,
        plan["problem"] or "",
    ]


def _dose(dose: dict[str, Any]) -> list[str]:
    maximum = "" if dose["maximum_gy"] is None else f"max {dose['maximum_gy']:.2f} Gy"
    return [_mark(dose), dose["file"], dose["summation"], dose["type"], _grid(dose), maximum, dose["problem"] or ""]


def _structures(structures: Sequence[dict[str, Any]]) -> list[str]:
    rows = [["ROI", "type", "contours", "volume", "taken for"]] if structures else []
    for s in structures:
        volume = f"{s['volume_cc']:.1f} cc" if s["contours"] else "empty"
        contours = " + ".join([str(s["contours"]), *s["skipped"]])
        rows.append([s["roi"], s["type"], contours, volume, _taken_for(s)])
    return _table(rows)


def _taken_for(structure: dict[str, Any]) -> str:
    if structure["is_target"]:
        return "target"
    if structure["how"] == "suggestion":
        return f"perhaps {structure['model_name']} ({100 * structure['confidence']:.0f} % alike)"
    return f"{structure['model_name']} ({structure['how']})" if structure["model_name"] else "-"


def _grid(entry: dict[str, Any]) -> str:
    if not entry["size"]:
        return ""
    return " x ".join(map(str, entry["size"])) + " @ " + " x ".join(f"{v:g}" for v in entry["spacing_mm"]) + " mm"


def _mark(entry: dict[str, Any]) -> str:
    return "*" if entry["used"] else " "


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns aligned, the last one free."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width).rstrip() for row in rows]
