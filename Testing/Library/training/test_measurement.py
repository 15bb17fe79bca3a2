"""Simulated measurements: each effect alone against what it must do to a dose whose shape is known."""

from __future__ import annotations

from dataclasses import replace
from math import erf

import numpy as np
import pytest

from DosePredictLib.core import DoseGrid, Grid
from DosePredictLib.training.measurement import SimulatedMeasurement, generator_of, simulated_measurement

NOTHING = SimulatedMeasurement(
    output_percent=(0.0, 0.0),
    leaf_bank_mm=(0.0, 0.0),
    setup_mm=(0.0, 0.0),
    penumbra_mm=(0.0, 0.0),
    low_density_percent=(0.0, 0.0),
    detector_mm=0.0,
    noise_percent=0.0,
)
GRID = Grid((80, 40, 24), (2.0, 2.0, 3.0), (-79.0, -39.0, -34.5))
X = GRID.origin[0] + GRID.spacing[0] * np.arange(GRID.size[0])
WIDTH, PENUMBRA = 30.0, 4.0  # mm: half width of the field, and standard deviation of its penumbra


def profile(half_width: float, penumbra: float, centre: float = 0.0) -> np.ndarray:
    """Gy along x: a field of 60 Gy with edges blurred by a Gaussian, over 1 Gy of scatter."""
    edge = [erf((x - centre + half_width) / penumbra / 2**0.5) - erf((x - centre - half_width) / penumbra / 2**0.5) for x in X]
    return 1 + 30 * np.array(edge)


def field(half_width: float = WIDTH, penumbra: float = PENUMBRA, centre: float = 0.0) -> DoseGrid:
    return DoseGrid(np.broadcast_to(profile(half_width, penumbra, centre), GRID.shape).copy(), GRID)


def measured(hu: np.ndarray | None = None, seed: int = 0, planned: DoseGrid | None = None, **effects) -> np.ndarray:
    settings = replace(NOTHING, **effects)
    return simulated_measurement(planned or field(), hu, settings, np.random.default_rng(seed)).gray


def test_without_effects_the_measurement_is_the_plan():
    np.testing.assert_allclose(measured(), field().gray, atol=1e-4)


def test_the_output_factor_scales_all_dose():
    np.testing.assert_allclose(measured(output_percent=(-2.0, 0.0)), 0.98 * field().gray, atol=1e-4)


def test_a_shift_moves_the_dose():
    np.testing.assert_allclose(measured(setup_mm=(1.3, 0.0)), field(centre=1.3).gray, atol=0.05)


def test_blurs_of_penumbra_and_detector_add_in_quadrature():
    expected = field(penumbra=(PENUMBRA**2 + 3.0**2 + 2.0**2) ** 0.5)
    np.testing.assert_allclose(measured(penumbra_mm=(3.0, 0.0), detector_mm=2.0), expected.gray, atol=0.01)


def test_leaf_banks_that_stand_too_far_out_widen_the_field():
    np.testing.assert_allclose(measured(leaf_bank_mm=(0.5, 0.0)), field(half_width=WIDTH + 0.5).gray, atol=0.35)
    assert (
        np.abs(field(half_width=WIDTH + 0.5).gray - field().gray).max() > 2.5
    )  # the effect is seven times what it may be wrong by


def test_in_low_density_the_dose_is_lower_and_elsewhere_it_is_not():
    hu = np.zeros(GRID.shape)
    hu[:, :, :40] = -800.0
    ratio = measured(hu, low_density_percent=(-4.0, 0.0)) / field().gray
    np.testing.assert_allclose(ratio[..., :25], 0.96, atol=1e-4)
    np.testing.assert_allclose(ratio[..., 55:], 1.0, atol=1e-4)


def test_noise_has_the_size_that_is_said():
    difference = measured(noise_percent=0.5) - field().gray
    assert difference.std() == pytest.approx(0.005 * field().gray.max(), rel=1e-2)
    assert abs(difference.mean()) < 1e-2


def test_the_surface_keeps_its_dose_and_outside_the_patient_there_is_none():
    planned = DoseGrid(np.full(GRID.shape, 50.0), GRID)
    planned.gray[..., :20] = 0
    found = measured(planned=planned, penumbra_mm=(4.0, 0.0))
    assert not found[..., :20].any()
    np.testing.assert_allclose(found[..., 20:], 50.0, atol=1e-3)


def test_output_varies_from_plan_to_plan_as_is_said():
    tops = [measured(seed=seed, output_percent=(-1.0, 0.5))[12, 20, 40] / 61 for seed in range(200)]
    assert np.mean(tops) == pytest.approx(0.99, abs=3 * 0.005 / 200**0.5)
    assert np.std(tops) == pytest.approx(0.005, rel=0.2)


def test_a_patient_is_measured_alike_each_time_and_other_than_his_neighbour():
    settings = SimulatedMeasurement(seed=4)
    first, again, other = (simulated_measurement(field(), None, settings, generator_of(settings, n)) for n in ("a", "a", "b"))
    np.testing.assert_array_equal(first.gray, again.gray)
    assert np.abs(first.gray - other.gray).max() > 0.1


def test_the_skin_is_no_field_edge():
    """Within a wide field, leaf banks change nothing, though the dose ends at the patient's surface."""
    planned = DoseGrid(np.full(GRID.shape, 50.0), GRID)
    planned.gray[..., :20] = 0
    found = measured(planned=planned, penumbra_mm=(2.0, 0.0), leaf_bank_mm=(0.5, 0.0))
    np.testing.assert_allclose(found[..., 20:], 50.0, atol=0.5)
