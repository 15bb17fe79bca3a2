"""The scores beside an independent implementation of the challenge's definitions, on real patients."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from DosePredictLib.evaluation.openkbp import Scores, dose_error, dvh_metrics


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_scores_of_perturbed_doses_equal_those_of_the_independent_evaluator(shared: Path) -> None:
    folder = shared / "data/openkbp"
    theirs, reader = module(folder / "okbp_eval.py").Scorer(), module(folder / "okbp_reader.py")
    ours = Scores()
    rng = np.random.default_rng(4)
    for path in sorted((folder / "valid").glob("*.npz"))[:4]:
        patient = reader.load(str(path), want=("dose", "masks", "pdm"))
        noise = rng.normal(0, 2, patient["dose"].shape)
        predicted = np.clip(1.02 * patient["dose"] + noise * (rng.random(noise.shape) < 0.9), 0, None)
        theirs.add(path.stem, patient["dose"], predicted, patient["pdm"], patient["masks"], patient["voxel"])
        ours.add(
            path.stem, reference=patient["dose"], predicted=predicted, mask=patient["pdm"],
            masks=patient["masks"], voxel_mm=patient["voxel"],
        )  # fmt: skip
    assert ours.dose_score == pytest.approx(theirs.dose_score, abs=1e-6)
    assert ours.dvh_score == pytest.approx(theirs.dvh_score, abs=1e-6)
    expected = {key: mean for key, (mean, _) in theirs.by_metric().items()}
    assert ours.by_metric() == pytest.approx(expected, abs=1e-6)
    assert ours.to_dict()["patients"] == 4


def test_dose_outside_the_mask_counts() -> None:
    mask = np.zeros((4, 4, 4), bool)
    mask[0] = True
    assert dose_error(np.zeros((4, 4, 4)), np.ones((4, 4, 4)), mask) == 4.0


def test_a_constant_error_is_both_scores() -> None:
    rng = np.random.default_rng(0)
    reference = rng.uniform(10, 70, (8, 8, 8))
    mask = np.ones((8, 8, 8), bool)
    scores = Scores()
    scores.add(
        "pt_1",
        reference=reference,
        predicted=reference + 1.5,
        mask=mask,
        masks={"PTV70": mask, "Larynx": mask},
        voxel_mm=(4, 4, 3),
    )
    assert (scores.dose_score, scores.dvh_score) == (pytest.approx(1.5), pytest.approx(1.5))


def test_missing_and_empty_structures_have_no_metric() -> None:
    dose, full = np.ones((3, 3, 3)), np.ones((3, 3, 3), bool)
    found = dvh_metrics(dose, {"Larynx": np.zeros((3, 3, 3), bool), "PTV70": full, "Body": full}, (3, 3, 3))
    assert set(found) == {("D_99", "PTV70"), ("D_95", "PTV70"), ("D_1", "PTV70")}
