"""Targets' doses drawn towards the usual ones, against numpy's quantiles."""

from __future__ import annotations

import numpy as np
import torch

from DosePredictLib.training.usual_targets import LEVELS, at_shares, drawn_to_usual, usual_dvh

SHARES = np.linspace(0, 1, LEVELS)


def test_values_at_shares_are_numpys_quantiles():
    ordered = np.sort(np.random.default_rng(0).normal(size=37))
    found = at_shares(torch.from_numpy(ordered), torch.from_numpy(SHARES))
    np.testing.assert_allclose(found, np.quantile(ordered, SHARES), atol=1e-12)
    assert at_shares(torch.tensor([3.0]), torch.tensor([0.0, 1.0])).tolist() == [3.0, 3.0]


def test_the_usual_dvh_is_the_median_of_the_patients():
    doses = [np.random.default_rng(seed).normal(70 + seed, 1, 50 + seed) for seed in range(5)]
    expected = np.median([np.quantile(one, SHARES) for one in doses], axis=0)
    np.testing.assert_allclose(usual_dvh([torch.from_numpy(one) for one in doses]), expected, atol=1e-5)
    assert len(usual_dvh([])) == 0


def test_a_target_gets_the_usual_dvh_and_keeps_its_order():
    dose = torch.from_numpy(np.random.default_rng(0).normal(68, 3, (4, 6, 5)))
    target, absent = dose > 66, torch.zeros(dose.shape, dtype=torch.bool)
    usual = torch.linspace(66, 74, LEVELS, dtype=torch.float64)
    whole = drawn_to_usual(dose, [target, absent], [usual, usual], 1.0)
    np.testing.assert_allclose(np.quantile(whole[target], SHARES), usual, atol=1e-9)
    assert torch.equal(whole[target].argsort(), dose[target].argsort())
    assert torch.equal(whole[~target], dose[~target])
    half = drawn_to_usual(dose, [target, absent], [usual, torch.zeros(0)], 0.5)
    torch.testing.assert_close(half, (dose + whole) / 2)
