"""Goal files that are right and wrong, and goals that are met and missed."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from DosePredictLib.core import Case, Grid, InputError, Prescription, Structure, StructureSet, Target, Volume
from DosePredictLib.evaluation.dvh import Dvh
from DosePredictLib.evaluation.goals import EACH_TARGET, evaluate_goals, goals_csv, read_goals, read_template, templates
from DosePredictLib.io.names import load_names


def uniform(low: float, high: float) -> Dvh:
    return Dvh(np.array([low, high]), np.array([0.0, 1.0]), volume_cc=10.0, covered_mean_gy=(low + high) / 2)


@pytest.fixture
def case() -> Case:
    grid = Grid((2, 2, 2), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    rois = StructureSet(tuple(Structure(name, number=n) for n, name in enumerate(("p70", "p56", "Parotis links"))))
    prescription = Prescription((Target("p70", 70.0), Target("p56", 56.0)))
    return Case(Volume(np.zeros((2, 2, 2)), grid), rois, prescription, {"Parotid_L": "Parotis links"})


HEADER = "structure,metric,limit,priority,source"


def written(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "goals.csv"
    path.write_text("\n".join(["# title: Ours", header, *lines, ""]), encoding="utf-8")
    return path


def test_every_shipped_template_says_its_site_and_the_source_of_every_row() -> None:
    assert {"head_and_neck", "breast", "prostate", "addiff_dose_example"} <= set(templates())
    for path in templates().values():
        template = read_template(path)
        assert template.site and template.note, path.name
        assert all(goal.source and goal.checked for goal in template.goals), path.name
        assert {goal.structure for goal in template.goals} <= {*load_names().official.values(), EACH_TARGET}, path.name
    assert "EXAMPLE" in read_template(templates()["addiff_dose_example"]).title


def test_goals_are_matched_by_name_and_targets_measured_against_their_own_prescription(case: Case, tmp_path: Path) -> None:
    path = written(
        tmp_path, "Parotid_L,Mean[Gy],<= 26,2,s", "Target,D95%[%],>= 95,1,", "# a remark", "", "Larynx,Mean[Gy],≤ 44,3,"
    )
    predicted = {"p70": uniform(68, 72), "p56": uniform(50, 60), "Parotis links": uniform(0, 60)}
    results = evaluate_goals(read_goals(path), case, predicted, {"Parotis links": uniform(0, 50)})
    assert [(r.roi, r.is_met) for r in results] == [("p70", True), ("p56", False), ("Parotis links", False)]
    assert results[1].predicted == pytest.approx(100 * 50.5 / 56)
    assert results[2].margin == pytest.approx(-4)
    assert (results[2].planned, results[2].is_met_by_plan) == (pytest.approx(25), True)
    assert results[0].planned is None


def test_conformity_is_a_goal_where_the_body_is_known(case: Case, tmp_path: Path) -> None:
    goals = read_goals(written(tmp_path, "p70,CI(RTOG),<= 1.2,1,"))
    predicted = {"p70": uniform(68, 72)}
    assert evaluate_goals(goals, case, predicted)[0].is_met is None
    body = Dvh(np.array([0.0, 80.0]), np.array([0.0, 1.0]), volume_cc=88.0, covered_mean_gy=40.0)
    assert evaluate_goals(goals, case, {**predicted, "External": body})[0].predicted == pytest.approx(1.1)


def test_a_refused_value_neither_meets_nor_misses_a_goal(case: Case, tmp_path: Path) -> None:
    path = written(tmp_path, "Parotid_L,Mean[Gy],<= 26,1,")
    partly = Dvh(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 10.0, 0.5, coverage=0.5)
    assert evaluate_goals(read_goals(path), case, {"Parotis links": partly})[0].is_met is None


def test_the_table_leaves_as_csv_with_empty_cells_for_what_is_not_known(case: Case, tmp_path: Path) -> None:
    path = written(tmp_path, 'Parotid_L,Mean[Gy],<= 26,2,"a, b"', "p70,D95%[%],>= 95,1,")
    predicted = {"p70": uniform(60, 80), "Parotis links": uniform(0, 60)}
    rows = list(csv.DictReader(io.StringIO(goals_csv(evaluate_goals(read_goals(path), case, predicted)))))
    assert [row["ROI"] for row in rows] == ["p70", "Parotis links"]
    parotid = rows[1]
    assert (parotid["Limit"], parotid["Predicted"], parotid["Margin"], parotid["Met"]) == ("≤ 26 Gy", "30.000", "-4.000", "no")
    assert (parotid["Planned"], parotid["Met by plan"], parotid["Source"]) == ("", "", "a, b")


def test_a_table_saved_by_a_german_spreadsheet_is_read(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "goals.csv"
    path.write_bytes("\ufeff# title: Ours;;\r\nstructure;metric;limit\r\nParotid_L;Mean[Gy];<= 26\r\n;;\r\n".encode())
    template = read_template(path)
    assert template.title == "Ours" and template.goals[0].at_most == 26


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Parotid_L,Man[Gy],<= 26,2,", r"Line 4 of goals\.csv \(Parotid_L\): .*'Man\[Gy\]' is not known"),
        ("Parotid_L,Mean[Gy],26,2,", "Line 4 .*limit '26' is not known; write it like"),
        ("Parotid_L,Mean[Gy],,2,", "Line 4 .*limit ''"),
        ("Parotid_L,Mean[Gy],<= 26 Gy,2,", "Line 4 .*limit"),
        ("Parotid_L,Mean[Gy],<= 26,first,", "Line 4 .*priority 'first'"),
        ("Parotid_L,Mean[Gy],<= 26", "Line 4 .*3 cells instead of 5"),
        (",Mean[Gy],<= 26,2,", "Line 4 .*no structure"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = written(tmp_path, "Larynx,Mean[Gy],<= 44,2,", line)
    with pytest.raises(InputError, match=message):
        read_goals(path)


@pytest.mark.parametrize("text", ["", "structure,metric,limit", "structure,metrik,limit\na,b,c", "\x00\x01", '{"goals": []}'])
def test_a_file_that_is_no_list_of_goals_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "goals.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"goals\.csv (must begin with the columns|have no row)"):
        read_goals(path)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "goals.xls"
    path.write_bytes(b"\xd0\xcf\x11\xe0")
    with pytest.raises(InputError, match=r"goals\.xls cannot be read"):
        read_goals(path)
