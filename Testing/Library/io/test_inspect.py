"""Inspection: complete sets and broken ones alike are listed, and nothing raises."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from DosePredictLib.core.structures import Structure
from DosePredictLib.io.inspect import contour_volume_cc, inspect
from DosePredictLib.io.inspection_text import format_inspection

SETS = (
    "breast-boost-complete", "eclipse-prostate-rando", "raystation14-proton-beamdoses", "pymedphys-edge", "matrad-phantom-nodose",
    "tinypatient-nrrd",
)  # fmt: skip


def circle(radius, z, points=200):
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), np.full(points, z)])


def eclipse_volumes(path):
    """Volumes in cc from the heading of the DVH table Eclipse exported: ``BODY_DvhArray Value (% of 10593.0 cc)``."""
    heading = path.read_text().splitlines()[0]
    return {name.replace(" ", ""): float(cc) for name, cc in re.findall(r"([\w ]+)_DvhArray Value \(% of ([\d.]+) cc\)", heading)}


def test_a_complete_case_is_ready(whole_patient):
    found = inspect(whole_patient.folder)
    assert found["refusals"] == []
    assert [(p["roi"], p["dose_gy"]) for p in found["prescription"]] == [("PTV_70", 70.0), ("PTV_56", 56.0)]
    text = format_inspection(found)
    assert "Ready to predict" in text and "20 x 31 x 10 @ 5 x 2.5 x 5 mm" in text and "Spinal Cord" in text


@pytest.mark.parametrize("missing", ["x*", "structures", "plan", "dose", "*"])
def test_incomplete_cases_are_listed_and_what_is_missing_is_said(whole_patient, missing):
    for path in whole_patient.folder.glob(missing):
        path.unlink()
    found = inspect(whole_patient.folder)
    assert bool(found["refusals"]) == (missing in ("x*", "structures", "*"))
    assert format_inspection(found)


@pytest.mark.parametrize("file", ["structures", "plan", "dose", "x00_0"])
def test_damaged_files_are_listed(whole_patient, file):
    path = whole_patient.folder / file
    path.write_bytes(path.read_bytes()[:700])
    found = inspect(whole_patient.folder)
    assert file in json.dumps(found) or found["refusals"]
    assert format_inspection(found)


@pytest.mark.parametrize("name", SETS)
def test_every_real_set_is_listed(sets, name):
    found = inspect(sets / name)
    assert json.loads(json.dumps(found)) == found
    assert bool(found["refusals"]) == (name != "eclipse-prostate-rando")
    text = format_inspection(found)
    assert all(entry["file"] in text for kind in ("structure_sets", "plans", "doses") for entry in found[kind])


def test_the_volumes_are_those_eclipse_states(sets):
    folder = sets / "eclipse-prostate-rando"
    stated = eclipse_volumes(folder / "original_slicerrt" / "EclipseProstate_DvhTable_Eclipse.csv")
    found = {s["roi"].replace(" ", ""): s["volume_cc"] for s in inspect(folder)["structures"]}
    assert len(stated) == 6
    for roi, volume in stated.items():
        assert found[roi] == pytest.approx(volume, rel=0.02), roi


def test_holes_and_islands_count_by_even_and_odd():
    rings = [circle(r, z) for z in (0.0, 3.0, 6.0) for r in (30, 20, 10)]
    expected = np.pi * (30**2 - 20**2 + 10**2) * 3 * 3 / 1000
    assert contour_volume_cc(Structure("ring", tuple(rings))) == pytest.approx(expected, rel=1e-3)
    assert contour_volume_cc(Structure("empty")) == 0
