"""The document of results: which lines are measured, when again, and that the tables say what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from DosePredictLib.core import InputError, Recipe
from DosePredictLib.evaluation.openkbp_statistics import PatientErrors, statistics
from DosePredictLib.registry import CARD, WEIGHTS, ModelInfo, sha256

NETWORKS = {
    "diffdp": {"channels": 12, "widths": (8, 8, 8), "noise_width": 8},
    "dosediff": {"distance_maps": 11, "widths": (8, 8, 8), "time_width": 8},
}


@pytest.fixture
def results(repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "Testing" / "Benchmarks"))
    import results

    return results


@pytest.fixture
def tables(results):
    import results_tables

    return results_tables


def flat(k: np.ndarray, j: np.ndarray, i: np.ndarray) -> np.ndarray:
    """The challenge's voxel number of [k, j, i]: its axes grow to posterior, left and inferior."""
    return (j * 128 + i) * 128 + 127 - k


def write_csv(path: Path, mask: np.ndarray, value: float | None = None) -> None:
    shown = "" if value is None else f"{value:g}"
    path.write_text(",data\n" + "".join(f"{n},{shown}\n" for n in flat(*np.nonzero(mask))))


def write_patient(folder: Path, dose_gy: float) -> None:
    """A cube of water around a cube of target, all of it at one dose; the cord is a corner of it."""
    folder.mkdir(parents=True)
    body, target, cord = (np.zeros((128, 128, 128), bool) for _ in range(3))
    body[60:68, 56:72, 56:72] = target[62:66, 60:68, 60:68] = cord[60:68, 56:60, 56:60] = True
    (folder / "voxel_dimensions.csv").write_text("4\n4\n3\n")
    write_csv(folder / "ct.csv", body, 1000)
    write_csv(folder / "dose.csv", body, dose_gy)
    write_csv(folder / "possible_dose_mask.csv", body)
    write_csv(folder / "PTV70.csv", target)
    write_csv(folder / "SpinalCord.csv", cord)


def write_model(folder: Path, model: str, **card) -> Path:
    """A network that answers 0 of [-1, 1] everywhere, which is half of 1.15 x 70 Gy: 40.25 Gy."""
    import torch

    from DosePredictLib.inference import weights
    from DosePredictLib.models import build

    folder.mkdir()
    recipe = Recipe(
        model,
        NETWORKS[model],
        diffusion={"timesteps": 10, "beta": [1e-3, 0.9], "output": "v", "clock": "t"},
        margin_mm=30.0,
        steps=1,
    )
    network = build(model, recipe.network)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    weights.save(network, recipe, folder / WEIGHTS)
    facts = {"parameters": 1_234_567, "training": {"steps": 1500, "minutes": 12, "device": "CPU, 1 threads"}}
    content = {
        "id": model,
        "version": "0",
        "weights_sha256": sha256(folder / WEIGHTS),
        "recipe": recipe.to_dict(),
        **facts,
        **card,
    }
    (folder / CARD).write_text(json.dumps(content))
    return folder


def run(repository: Path, *arguments: object) -> str:
    command = [sys.executable, repository / "Testing" / "Benchmarks" / "results.py", *arguments]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_patients_are_measured_once_and_their_known_errors_are_in_the_document(repository, tmp_path):
    for number, gray in ((201, 40.25), (202, 50.25)):
        write_patient(tmp_path / "data" / f"pt_{number}", gray)
    model = write_model(tmp_path / "model", "diffdp", id="diffdp-none")
    document = tmp_path / "results.md"
    document.write_text("Words before.\n\n<!-- results -->\nold\n<!-- end -->\n\nWords after.\n")
    command = (
        "--data", tmp_path / "data", "--models", "--also", model, "--json", tmp_path / "rows.json", "--markdown", document
    )  # fmt: skip
    assert "diffdp-none, 1 steps" in run(repository, *command)
    first = document.read_text()
    assert first.startswith("Words before.\n\n<!-- results -->") and first.endswith("<!-- end -->\n\nWords after.\n")
    assert "old" not in first and "| 1.2 M |" in first and "| 1,500 | 12 | CPU, 1 threads |" in first
    [row] = json.loads((tmp_path / "rows.json").read_text())
    errors = list(row["estimate"]["dose_error_gy"].values())
    assert errors == pytest.approx([0, 10], abs=0.2)  # bfloat16
    assert row["estimate"]["body_mae_gy"] == pytest.approx(5, abs=0.2)
    assert row["seconds"] > 0 and 50 < row["peak_mb"] < 5000
    assert run(repository, *command) == "" and document.read_text() == first


def made_up(model: str, dose: float, *, steps: int = 1, samples: int = 1, ablation: bool = False) -> dict:
    """A line with the same error, in Gy, for each of twelve patients."""
    scores = {
        "dose_error_gy": {f"pt_{n}": dose for n in range(12)},
        "patient_dvh_error_gy": {f"pt_{n}": {"PTV70 D_99": dose / 2} for n in range(12)},
    }
    dose_score, dvh_score = PatientErrors.of(scores).scores
    return {
        "model": {"id": model, "version": "1", "weights_sha256": model * 9}, "request": {"steps": steps, "samples": samples},
        "patients": 12, "dose_score_gy": dose_score, "dvh_score_gy": dvh_score, "dvh_error_gy": {"PTV70 D_99": dose / 2},
        **scores, **statistics(scores, ()), "body_mae_gy": dose, "body_ssim": 0.9, "seconds": 1.5, "peak_mb": 700.0,
        "parameters": 5e6, "megabytes": 10.0, "training": {"steps": 10, "minutes": 1, "device": "CPU"},
        "network": "unet", "usual_steps": 1, "ablation": ablation, "threads": 1,
    }  # fmt: skip


def test_the_tables_put_the_best_first_compare_with_the_baseline_and_keep_ablations_apart(tables):
    worse, better = made_up("worse", 4.0), made_up("better", 2.0)
    trials = [made_up("whole", 5.0, ablation=True), made_up("part", 4.0, ablation=True)]
    rows = [worse, made_up("worse", 4.5, steps=8, samples=4), better, *trials]
    text = tables.tables(rows, baseline="worse")
    parts = dict(part.split("\n\n", 1) for part in text.split("### ")[1:])
    accuracy = parts["Accuracy and cost"].splitlines()
    assert accuracy[2].startswith(
        "| `better` | 1 (usual) | 2.00 (2.00 ... 2.00) | 1.00 (1.00 ... 1.00) | 2.00 | 0.900 | 1.5 | 700 |"
    )
    assert accuracy[3].startswith("| `worse` | 1 (usual) |") and accuracy[4].startswith("| `worse` | 8, mean of 4 | 4.50")
    assert "| `better` | 1 (usual) | -2.00 (-2.00 ... -2.00) | 0.0005 | -1.00" in parts["Less `worse`"]  # 2 / 2 ** 12
    assert "`worse` | 1 (usual)" not in parts["Less `worse`"]
    assert "| PTV70 | D99% | 1.00 | 2.00 |" in parts["Errors by structure"]
    assert "whole" in parts["Ablations of `unet`"] and "whole" not in parts["Accuracy and cost"]
    assert parts["Less `whole`"].strip().splitlines()[2:] == [
        "| `part` | 1 (usual) | -1.00 (-1.00 ... -1.00) | 0.0005 | -0.50 (-0.50 ... -0.50) | 0.0005 |"
    ]


def test_an_estimate_stands_below_the_dose_it_comes_with(tables):
    row = made_up("diffdp", 3.0) | {"estimate": made_up("diffdp", 2.5)}
    lines = tables.accuracy([row]).splitlines()
    assert lines[3].startswith("| `diffdp`, structure encoder alone | – | 2.50")


def test_a_document_without_a_place_for_tables_is_refused(tables, tmp_path):
    (tmp_path / "words.md").write_text("<!-- end --> <!-- results -->")
    with pytest.raises(InputError, match=r"words\.md has no place"):
        tables.written(tmp_path / "words.md", "")


def test_a_model_that_samples_has_a_line_for_each_number_of_steps_and_one_for_the_mean(results):
    sampling = ModelInfo("a", Path(), {"recipe": {"volumetric": False, "steps": 8}, "default_steps": 3}, shipped=True)
    certain = ModelInfo("b", Path(), {"recipe": {"volumetric": True, "steps": 1}}, shipped=True)
    assert results.settings(sampling, [1, 2, 8], 4) == [(1, 1), (2, 1), (3, 1), (8, 1), (8, 4)]
    assert results.settings(sampling, [8], 1) == [(3, 1), (8, 1)]
    assert results.settings(certain, [1, 2, 8], 4) == [(1, 1)]


def test_the_shipped_models_of_planned_dose_are_measured(results):
    found = {run.model.id for run in results.wanted(None, [], [1], 4)}
    assert {"dosediff", "resdose"} <= found and not any(name.startswith("dmtp") for name in found)
    assert {run.model.id for run in results.wanted(["dosediff"], [], [1], 4)} == {"dosediff"}


def test_a_line_is_measured_again_for_other_weights_other_patients_or_other_threads(results):
    line = results.Run(ModelInfo("m", Path(), {"weights_sha256": "m" * 9, "version": "1"}, shipped=True), 1, 1, False)
    row, patients = made_up("m", 1.0), [Path(f"pt_{n}") for n in range(12)]
    assert line.is_done(row, patients, 1)
    assert not line.is_done(None, patients, 1)
    for change in ({"weights_sha256": "other"}, {"version": "2"}):
        assert not line.is_done(row | {"model": row["model"] | change}, patients, 1)
    assert not line.is_done(row, patients[:11], 1)
    assert not line.is_done(row, patients, 2)


def test_two_ablations_of_one_name_are_refused(results, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / CARD).write_text('{"id": "dosediff"}')
    with pytest.raises(InputError, match="same id"):
        results.wanted([], [tmp_path / "one", tmp_path / "two"], [1], 4)
    with pytest.raises(InputError, match="three holds no model"):
        results.wanted([], [tmp_path / "three"], [1], 4)
