"""How a plan would fare in quality assurance, where the predicted measured dose is made up and the truth known."""

from __future__ import annotations

import csv
import json
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from DosePredictLib.core import DoseGrid, Grid, QaCase, StructureSet, Volume
from DosePredictLib.evaluation.measured_figures import MEASURED_ISODOSES
from DosePredictLib.evaluation.measured_report import BELOW, BETWEEN, WITHIN, MeasuredReport, make_measured_report, verdict
from DosePredictLib.evaluation.report_figures import ISODOSES
from DosePredictLib.evaluation.report_files import write_measured_report

GRID = Grid((24, 24, 16), (2.5, 2.5, 2.5), (-28.75, -28.75, -18.75))
CARD = {"id": "dmtp", "version": "0.1", "title": "DMTP", "weights_sha256": "0" * 64}
SIMULATED = {**CARD, "pairs": {"measured": 0, "simulated": 200}}


def planned() -> DoseGrid:
    """A Gaussian of 60 Gy."""
    k, j, i = np.mgrid[:16, :24, :24]
    x, y, z = np.moveaxis(GRID.to_world(np.stack([i, j, k], -1)), -1, 0)
    return DoseGrid((60 * np.exp(-(x**2 + y**2 + z**2) / (2 * 11.0**2))).astype(np.float32), GRID)


def report(factor: float, *, card: dict = SIMULATED, occupancies: dict | None = None, **more) -> MeasuredReport:
    plan = planned()
    measured = DoseGrid(np.float32(factor) * plan.gray, GRID)
    case = QaCase(plan, None, StructureSet(), {"External": "BODY"})
    return make_measured_report(
        case=case, predicted=measured, occupancies=occupancies or {}, model=card, request={"steps": 5}, **more
    )


def core() -> dict[str, Volume]:
    return {"Core": Volume((planned().gray > 40).astype(np.float32), GRID), "BODY": Volume(np.ones(GRID.shape, np.float32), GRID)}


def test_limits_are_those_of_tg_218():
    assert [verdict(percent) for percent in (100, 95, 94.9, 90, 89.9)] == [WITHIN, WITHIN, BETWEEN, BETWEEN, BELOW]


@pytest.mark.parametrize(("factor", "passes"), [(0.98, True), (1.25, False)])
def test_the_planned_dose_is_judged_against_the_predicted_measurement(factor, passes):
    found = report(factor).to_dict()
    assert found["gamma"]["normalisation_gy"] == pytest.approx(factor * planned().gray.max(), rel=1e-5)
    assert (found["gamma"]["percent_within_1"] == 100) is passes
    assert found["gamma"]["verdict"] == (WITHIN if passes else BELOW)
    share = planned().gray[planned().gray > 0.01 * planned().gray.max()] / planned().gray.max()
    assert found["agreement"]["mae_percent"] == pytest.approx(100 * abs(1 / factor - 1) * share.mean(), rel=1e-3)
    assert found["errors"][0]["mean_gy"] == pytest.approx((factor - 1) * planned().gray[planned().gray >= 6].mean(), rel=1e-2)
    assert found["maximum_gy"]["predicted"] == pytest.approx(factor * found["maximum_gy"]["planned"], rel=1e-4)


def test_structures_are_listed_hottest_first_and_change_by_what_the_dose_does():
    found = report(0.95, occupancies=core())
    assert [row.roi for row in found.rows] == ["Core", "BODY"] and found.rows[1].name == "External"
    row = found.rows[0]
    assert row.differences["dmean_gy"] == pytest.approx(-0.05 * row.planned.mean_gy, rel=1e-4)


def test_what_makes_a_comparison_doubtful_is_checked():
    fine = {check.text: check.passed for check in report(1.0).checks}
    assert all(fine.values()) and any("voxels of 2.5 mm" in text for text in fine)
    assert not report(1.08).checks[0].passed
    cut = planned().grid.cropped((12, 0, 0), (12, 24, 16))
    half = DoseGrid(planned().gray[:, :, 12:], cut)
    doubts = make_measured_report(case=QaCase(half), predicted=half, occupancies={}, model=CARD, request={}).checks
    assert [check.passed for check in doubts] == [True, True, False] and "cut off" in doubts[2].text


@pytest.mark.parametrize(("card", "simulated"), [(SIMULATED, True), (CARD, False)])
def test_every_page_says_what_it_is_and_whether_measurements_were_simulated(card, simulated, tmp_path):
    write_measured_report(report(0.99, card=card, occupancies=core()), tmp_path, pdf=True)
    page = unescape((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "<h1>Predicted measured dose" in page and "This is no measurement" in page
    assert ("learned from simulated measurements (200 of 200 pairs)" in page) is simulated
    assert ("(simulated measurements)</h1>" in page) is simulated
    assert "Predicted dose" not in page and "Clinical goals" not in page and "rescription" not in page
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["dose_kind"] == "measured" and content["simulated_measurements"] is simulated
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"report.html", "report.pdf", "report.json", "dvh.csv", "difference.nrrd", "gamma.nrrd"}
    _, *curves = next(csv.reader((tmp_path / "dvh.csv").open()))
    assert curves == [f"{roi} {dose} (%)" for dose in ("predicted measured", "planned") for roi in ("Core", "BODY")]


def test_an_anonymous_report_hides_names_in_structures_too(tmp_path: Path):
    occupancies = {"Core of Doeringer": core()["Core"]}
    identity = {"Patient": "Jane Doeringer"}
    found = report(
        0.99, occupancies=occupancies, identity=identity, secrets={"Doeringer"}, notes=["The planned dose is Doeringer.dcm."]
    )
    write_measured_report(found, tmp_path)
    assert all("Doeringer" not in path.read_text() for path in tmp_path.glob("*.[hjc]*"))


def test_its_colours_are_not_those_of_a_predicted_plan_dose():
    assert not set(ISODOSES.values()) & set(MEASURED_ISODOSES.values())
