"""ADDiff-Dose from a case to doses: samples, technique and site, and pieces that leave no seam."""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import pytest
import torch

from DosePredictLib.cli import predict
from DosePredictLib.core import ModelError, Recipe
from DosePredictLib.diffusion.gaussian import GaussianDiffusion
from DosePredictLib.inference.latentwise import context_of, cut, denoiser, merged, pieces_of, sample_volume
from DosePredictLib.inference.predictor import Predictor
from DosePredictLib.inference.weights import diffusion_of
from DosePredictLib.models import build

RECIPE = Recipe(
    model="addiff_dose",
    network={
        "channels": 12, "techniques": ("IMRT", "VMAT"), "sites": ("Head and neck",), "latent": 4, "vae_widths": (8, 8),
        "condition_widths": (16, 16), "widths": (16, 16, 16), "context_width": 16, "heads": 2,
    },
    volumetric=True,
    spacing_mm=(8.0, 8.0, 6.0),
    dose_range=(0.0, 2.0),
    diffusion={"timesteps": 10, "beta": [1e-3, 0.9], "output": "v"},
    steps=2,
)  # fmt: skip
IMRT = {"technique": "IMRT"}


def network_of(recipe: Recipe) -> torch.nn.Module:
    torch.manual_seed(0)
    network = build(recipe.model, recipe.network).eval()
    network.scale.fill_(1.0)
    torch.nn.init.normal_(network.unet.answer.weight, std=0.2)  # it starts as zero, which would hide every difference
    return network


@pytest.fixture
def predictor() -> Predictor:
    return Predictor(network_of(RECIPE), RECIPE, {"id": "addiff_dose"}, torch.device("cpu"))


def test_samples_differ_by_their_seed_and_have_a_spread(predictor, phantom_case) -> None:
    found = predictor.predict(phantom_case, samples=3, seed=1, treatment=IMRT)
    assert found.spread is not None and len(found.samples) == 3 and not found.warnings
    gray = np.stack([one.gray for one in found.samples])
    np.testing.assert_allclose(found.spread.array, gray.std(axis=0, ddof=1), atol=1e-5)
    assert found.spread.array.max() > 0
    again = predictor.predict(phantom_case, samples=3, seed=1, treatment=IMRT)
    assert np.array_equal(found.dose.gray, again.dose.gray)


def test_steps_are_counted_for_the_progress(predictor, phantom_case) -> None:
    seen = []
    predictor.predict(phantom_case, steps=3, samples=2, treatment=IMRT, on_step=lambda done, count: seen.append((done, count)))
    assert seen[0] == (0, 6) and seen[-1] == (6, 6)


def test_another_technique_gives_another_dose(predictor, phantom_case) -> None:
    for attend in predictor.network.unet.attend:
        torch.nn.init.normal_(attend.found.out_proj.weight, std=0.5)
    first, second = (predictor.predict(phantom_case, treatment={"technique": name}).dose.gray for name in ("IMRT", "VMAT"))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("treatment", "words"),
    [
        ({"technique": "Protons"}, r"The technique Protons is none that this model was trained for \(IMRT, VMAT\)"),
        ({**IMRT, "site": "Lung"}, r"The site Lung is none that this model was trained for \(Head and neck\)"),
        ({}, r"The technique is not known, and this model was trained for \(IMRT, VMAT\); name one"),
    ],
)
def test_a_treatment_the_model_was_not_trained_for_is_refused(predictor, phantom_case, treatment, words) -> None:
    with pytest.raises(ModelError, match=words):
        predictor.predict(phantom_case, treatment=treatment)


def test_as_many_steps_as_the_process_has_are_ancestral(predictor) -> None:
    """DDIM of so many steps would give another dose: it adds no noise on its way."""
    from DosePredictLib.samplers.ddim import ddim

    condition = torch.randn(12, 16, 16, 32, generator=torch.Generator().manual_seed(0))
    context, diffusion = context_of(condition, 70.0), diffusion_of(RECIPE)
    whole = sample_volume(predictor.network, diffusion, condition, context, steps=10, seed=3, half=False)
    noise = torch.randn(1, 4, 4, 4, 8, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        denoise = denoiser(predictor.network, diffusion, condition[None], context)
        few = predictor.network.to_dose(ddim(denoise, noise, diffusion, steps=9, clip=None))[0, 0]
        all_steps = predictor.network.to_dose(ddim(denoise, noise, diffusion, steps=10, clip=None))[0, 0]
    assert not torch.allclose(whole, all_steps, atol=1e-3)
    torch.testing.assert_close(
        sample_volume(predictor.network, diffusion, condition, context, steps=9, seed=3, half=False), few, atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("shape", [(16, 16, 16), (48, 64, 80), (40, 33, 57), (8, 100, 32)])
@pytest.mark.parametrize("overlap", [0, 8, 16])
def test_pieces_cover_a_volume_and_merge_to_what_they_were_cut_from(shape, overlap) -> None:
    volume = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    pieces = pieces_of(shape, (32, 32, 32), overlap)
    assert all(part.stop - part.start <= 32 for piece in pieces for part in piece)
    torch.testing.assert_close(merged([cut(volume, piece) for piece in pieces], pieces, shape, overlap), volume)


def test_two_pieces_that_disagree_meet_in_a_straight_line() -> None:
    pieces = pieces_of((1, 1, 24), (1, 1, 16), 8)
    found = merged([torch.zeros(1, 1, 16), torch.ones(1, 1, 16)], pieces, (1, 1, 24), 8)[0, 0]
    torch.testing.assert_close(found[8:16], (torch.arange(8) + 0.5) / 8)
    assert not found[:8].any() and (found[16:] == 1).all()


def test_neighbours_share_at_least_the_overlap() -> None:
    starts = sorted({piece[2].start for piece in pieces_of((16, 16, 100), (16, 16, 32), 12)})
    assert starts == [0, 20, 40, 60, 68]


class Blind(torch.nn.Module):
    """Knows nothing of its neighbours: what each position answers depends on itself alone."""

    patch, overlap = (32, 32, 32), 16

    def encode(self, condition, context):
        return condition[:, :1, ::4, ::4, ::4]

    def forward(self, z, t, encoded):
        return 0.3 * z + encoded


def test_a_patient_in_pieces_is_the_patient_in_one() -> None:
    diffusion = GaussianDiffusion(torch.linspace(1e-3, 0.5, 10, dtype=torch.float64), "v")
    condition, z = torch.randn(1, 12, 48, 64, 32), torch.randn(1, 1, 12, 16, 8)
    whole = Blind()
    whole.patch = ()
    t = torch.tensor([5])
    context = context_of(condition[0], 70.0)
    pieces, one = (denoiser(network, diffusion, condition, context)(z, t) for network in (Blind(), whole))
    torch.testing.assert_close(pieces, one)


def test_a_patient_smaller_than_the_patch_is_predicted_in_one_piece(predictor, phantom_case) -> None:
    patched = replace(RECIPE, network={**RECIPE.network, "patch": (256, 256, 256)})
    large = Predictor(network_of(patched), patched, {}, torch.device("cpu"))
    first, second = (one.predict(phantom_case, treatment=IMRT).dose.gray for one in (predictor, large))
    assert np.array_equal(first, second)


def test_a_patient_larger_than_the_patch_is_predicted_everywhere(phantom_case) -> None:
    patched = replace(RECIPE, network={**RECIPE.network, "patch": (16, 16, 32), "overlap": 8})
    found = Predictor(network_of(patched), patched, {}, torch.device("cpu")).predict(phantom_case, treatment=IMRT)
    assert np.isfinite(found.dose.gray).all()


def test_technique_and_site_of_the_command_line_reach_the_prediction(tmp_path) -> None:
    parser = argparse.ArgumentParser()
    predict.add_arguments(parser)
    asked = parser.parse_args([str(tmp_path), "--out", "result", "--technique", "VMAT", "--site", "Lung"])
    assert predict.request_of(asked).treatment == {"technique": "VMAT", "site": "Lung"}
    assert predict.request_of(parser.parse_args([str(tmp_path), "--out", "result"])).treatment == {}


def test_a_model_that_learned_no_techniques_says_that_naming_one_changes_nothing(phantom_case) -> None:
    recipe = Recipe(
        model="unet",
        network={"channels": 12, "widths": (8, 8)},
        volumetric=True,
        spacing_mm=(8.0, 8.0, 6.0),
        dose_range=(0.0, 2.0),
    )
    baseline = Predictor(build("unet", recipe.network).eval(), recipe, {"id": "unet"}, torch.device("cpu"))
    warnings = baseline.predict(phantom_case, treatment=IMRT).warnings
    assert any("asks for no technique or site" in warning for warning in warnings)
