"""The report of a small case: what it says, and what it must not contain."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from DosePredictLib.core import (
    Case,
    DoseGrid,
    Grid,
    InputError,
    OutputError,
    Prescription,
    Structure,
    StructureSet,
    Target,
    Volume,
)
from DosePredictLib.evaluation.calibration import Calibration, MetricError
from DosePredictLib.evaluation.markup import card
from DosePredictLib.evaluation.report import Report, make_report
from DosePredictLib.evaluation.report_files import write_json, write_report
from DosePredictLib.evaluation.report_html import page as html_page
from DosePredictLib.evaluation.report_nouns import Card

CT_GRID = Grid((50, 48, 24), (3.0, 3.0, 4.0), (-75.0, -72.0, -46.0))
DOSE_GRID = CT_GRID.resampled((4.0, 4.0, 4.0))
CENTRES = {"PTV <b>70</b>": (0, 0, 0), "Parotis li": (35, 0, 0), "BODY": (0, 0, 0)}
RADII = {"PTV <b>70</b>": 18, "Parotis li": 12, "BODY": 64}
MODEL = {"id": "dosediff", "version": "1.2", "weights_sha256": "ab" * 32, "title": "DoseDiff", "limits": ["one", "two"]}
REQUEST = {"steps": 8, "samples": 1, "seed": 5, "device": "cpu"}
METRICS = {"volume_cc", "dmean_gy", "d98_gy", "d95_gy", "d50_gy", "d2_gy", "d0_03cc_gy"}


class OutsideDomain:
    """What inference says of a case of another kind."""

    verdict, colour = "outside", "red"
    reasons = notable = ("the target lies in the breast",)

    def to_dict(self) -> dict:
        return {"verdict": self.verdict, "colour": self.colour}


def distance(grid: Grid, centre: tuple[float, float, float]) -> np.ndarray:
    k, j, i = np.mgrid[: grid.size[2], : grid.size[1], : grid.size[0]]
    return np.linalg.norm(grid.to_world(np.stack([i, j, k], -1)) - centre, axis=-1)


def ball(name: str) -> Volume:
    return Volume(np.clip(0.5 + (RADII[name] - distance(CT_GRID, CENTRES[name])) / 3, 0, 1).astype(np.float32), CT_GRID)


@pytest.fixture(scope="module")
def occupancies() -> dict[str, Volume]:
    return {name: ball(name) for name in CENTRES} | {"Nothing": Volume(np.zeros(CT_GRID.shape, np.float32), CT_GRID)}


@pytest.fixture(scope="module")
def case(occupancies: dict[str, Volume]) -> Case:
    ct = Volume(np.where(occupancies["BODY"].array > 0.5, 20.0, -1000.0), CT_GRID)
    structures = StructureSet(tuple(Structure(name, number=n, occupancy=o) for n, (name, o) in enumerate(occupancies.items())))
    names = {"Parotid_L": "Parotis li", "External": "BODY"}
    gray = 70 * np.exp(-np.clip(distance(DOSE_GRID, (0, 0, 0)) - 20, 0, None) / 15)
    planned = DoseGrid(gray, DOSE_GRID)
    return Case(ct, structures, Prescription((Target("PTV <b>70</b>", 70.0, "RTPLAN"),)), names, planned, "Doe^Jane")


@pytest.fixture(scope="module")
def report(case: Case, occupancies: dict[str, Volume]) -> Report:
    assert case.reference is not None
    predicted = DoseGrid(0.95 * case.reference.gray, DOSE_GRID)
    return make_report(
        case=case, predicted=predicted, occupancies=occupancies, model=MODEL, request=REQUEST, warnings=["Look <here>."],
        timing_s={"read": 1.0}, peak_rss_mb=900.0, uncertainty=Volume(np.full(DOSE_GRID.shape, 0.7), DOSE_GRID),
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report")
    write_report(report, path)
    return path


@pytest.fixture(scope="module")
def alone(case: Case, occupancies: dict[str, Volume], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without a planned dose, outside the model's domain."""
    assert case.reference is not None
    made = make_report(
        case=dataclasses.replace(case, reference=None), predicted=case.reference, occupancies=occupancies, model=MODEL,
        request=REQUEST, domain=OutsideDomain(),
    )  # fmt: skip
    path = tmp_path_factory.mktemp("alone")
    write_report(made, path)
    return path


def content(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def test_the_folder_has_exactly_the_promised_files(folder: Path, alone: Path) -> None:
    always = {"report.html", "report.json", "dvh.csv", "goals.csv", "objectives.csv"}
    assert {p.name for p in folder.iterdir()} == always | {"difference.nrrd", "gamma.nrrd", "uncertainty.nrrd"}
    assert {p.name for p in alone.iterdir()} == always


def test_the_json_has_its_stable_keys(folder: Path) -> None:
    found = content(folder)
    keys = {"schema", "model", "request", "prescription", "structures", "goals", "gamma", "warnings", "timing_s", "peak_rss_mb"}
    assert keys <= set(found)
    assert found["model"] == {key: MODEL[key] for key in ("id", "version", "weights_sha256")}
    assert found["request"] == REQUEST
    assert [(s["name"], s["roi"]) for s in found["structures"]] == [
        ("PTV <b>70</b>", "PTV <b>70</b>"), ("Parotid_L", "Parotis li"), ("External", "BODY"),
    ]  # fmt: skip
    for structure in found["structures"]:
        for part in ("predicted", "reference", "difference"):
            assert set(structure[part]) >= METRICS


def test_a_dose_five_percent_lower_is_reported_as_five_percent_lower(folder: Path) -> None:
    found = content(folder)
    target = found["structures"][0]
    for key in METRICS - {"volume_cc"}:
        assert target["predicted"][key] == pytest.approx(0.95 * target["reference"][key], abs=2e-3)
        assert target["difference"][key] == pytest.approx(-0.05 * target["reference"][key], abs=2e-3)
    assert target["spread_gy"] == pytest.approx(0.7)
    assert target["worth_a_look"] == ["d2_gy", "d95_gy", "d98_gy", "dmean_gy"]
    body = next(e for e in found["errors"] if "body" in e["mask"])
    assert 0 < body["mean_absolute_gy"] < 3.5
    assert body["largest_gy"] == pytest.approx(-3.5, abs=0.01)
    missed = [g for g in found["goals"] if g["structure"] == "Target" and g["metric"] == "D95%[%]"]
    assert missed[0]["met"] is False
    assert missed[0]["predicted"] == pytest.approx(100 * target["predicted"]["d95_gy"] / 70, abs=1e-2)


def test_an_estimate_made_without_sampling_is_measured_in_every_structure(case, occupancies, folder) -> None:
    assert case.reference is not None
    half = DoseGrid(0.5 * case.reference.gray, DOSE_GRID)
    made = make_report(case=case, predicted=case.reference, occupancies=occupancies, model=MODEL, request=REQUEST, estimate=half)
    for structure in made.to_dict()["structures"]:
        assert structure["estimate"]["dmean_gy"] == pytest.approx(0.5 * structure["predicted"]["dmean_gy"], rel=1e-3)
    assert "estimate" not in content(folder)["structures"][0]


def test_the_maps_lie_where_the_planned_dose_lies(folder: Path, case: Case) -> None:
    assert case.reference is not None
    for name in ("difference.nrrd", "gamma.nrrd"):
        image = sitk.ReadImage(str(folder / name))
        assert image.GetSize() == DOSE_GRID.size
        assert image.GetOrigin() == pytest.approx(DOSE_GRID.origin)
        assert image.GetSpacing() == pytest.approx(DOSE_GRID.spacing)
    change = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "difference.nrrd")))
    np.testing.assert_allclose(change, -0.05 * case.reference.gray, atol=1e-4)


def test_the_curves_start_at_100_percent_and_cross_the_median_of_the_table(folder: Path) -> None:
    header, *rows = csv.reader((folder / "dvh.csv").open(encoding="utf-8"))
    table = np.array(rows, dtype=float)
    assert header[:2] == ["Dose (Gy)", "PTV <b>70</b> predicted (%)"]
    assert (table[0, 1:] == 100).all()
    parotid = table[:, header.index("Parotis li planned (%)")]
    median = content(folder)["structures"][1]["reference"]["d50_gy"]
    assert np.interp(-50, -parotid, table[:, 0]) == pytest.approx(median, abs=0.1)


def test_the_page_needs_nothing_else_and_is_small(folder: Path, alone: Path) -> None:
    for page in (folder / "report.html", alone / "report.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)|url\(|@import|<script|<link""", text)
        assert "$" not in re.sub(r"base64,[^\"]*", "", text)
        assert page.stat().st_size < 3e6


def test_the_page_says_what_it_is_for_and_escapes_what_it_is_given(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "Not a medical device" in text and "not calculated for any beam" in text
    assert "Look &lt;here&gt;." in text
    assert "PTV &lt;b&gt;70&lt;/b&gt;" in text and "<b>70</b>" not in text
    assert MODEL["weights_sha256"] in text
    assert "Nothing has no volume" in text


def test_the_label_of_a_case_is_in_no_file(folder: Path) -> None:
    assert not any(b"Jane" in path.read_bytes() for path in folder.iterdir())


def test_without_a_planned_dose_nothing_is_compared(alone: Path) -> None:
    found = content(alone)
    assert found["gamma"] is None and found["errors"] == []
    assert all("reference" not in s for s in found["structures"])
    text = (alone / "report.html").read_text(encoding="utf-8")
    assert "No planned dose to compare with" in text
    assert "outside what the model was trained for" in text and "the target lies in the breast" in text


def test_the_last_times_can_be_added_before_the_json_is_written_again(report: Report, folder: Path) -> None:
    report.timing_s["total"] = 12.5
    write_json(report, folder)
    assert content(folder)["timing_s"] == {"read": 1.0, "total": 12.5}


def test_a_reference_in_centigray_is_refused(case: Case, occupancies: dict[str, Volume]) -> None:
    assert case.reference is not None
    wrong = dataclasses.replace(case, reference=DoseGrid(100 * case.reference.gray, DOSE_GRID))
    with pytest.raises(InputError, match="cGy"):
        make_report(case=wrong, predicted=case.reference, occupancies=occupancies, model=MODEL, request=REQUEST)


def test_a_folder_that_cannot_be_written_is_named(report: Report, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written to the folder 'missing'"):
        write_report(report, tmp_path / "missing")


def test_what_the_site_has_measured_is_shown_in_place_of_the_samples(case, occupancies) -> None:
    errors = tuple(
        MetricError("Parotid_L", key, 24, -2.0, 1.5, 2.6) for key in ("dmean_gy", "d98_gy", "d95_gy", "d50_gy", "d2_gy")
    )
    measured = make_report(
        case=case, predicted=case.reference, occupancies=occupancies, model=MODEL, request=REQUEST,
        uncertainty=Volume(np.full(DOSE_GRID.shape, 0.7), DOSE_GRID),
        samples=[DoseGrid(share * case.reference.gray, DOSE_GRID) for share in (0.99, 1.01)],
        calibration=Calibration("dosediff", "ab" * 32, 8, 1, 24, errors),
    )  # fmt: skip
    parotid = next(row for row in measured.to_dict()["structures"] if row["name"] == "Parotid_L")
    mean = parotid["predicted"]["dmean_gy"]
    assert parotid["interval_90"]["dmean_gy"] == pytest.approx([mean + 2 - 2.6, mean + 2 + 2.6], abs=1e-3)
    assert measured.to_dict()["site"]["cases"] == 24 and set(measured.bands) == {"Parotis li", "PTV <b>70</b>"}
    target = next(row for row in measured.to_dict()["structures"] if row["name"] == "PTV <b>70</b>")
    half = 6.314 * np.sqrt(2) * 0.01 * target["predicted"]["dmean_gy"] * np.sqrt(1.5)  # of two samples
    assert target["interval_90"]["dmean_gy"][1] - target["predicted"]["dmean_gy"] == pytest.approx(half, rel=1e-3)
    text = html_page(measured).replace("&nbsp;", " ")
    assert "At your site" in text and "Parotid_L Mean is predicted 2.0 Gy too low on average" in text
    assert "Measured on 24 plans of your site." in text and "not calibrated" in text


def test_a_number_keeps_its_unit_and_sign_on_its_line() -> None:
    shown = card(Card("Goals", "9 %", ("D95% 96.7 %, goal ≥ 100 % of 70 Gy, at 3 mm", "5 goals")))
    assert "D95% 96.7&nbsp;%, goal ≥&nbsp;100&nbsp;% of 70&nbsp;Gy, at 3&nbsp;mm" in shown and "5 goals" in shown
