"""A training recipe: the TOML file that says how weights are made."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import torch

from ..core import TARGET_SLOTS, InputError, Recipe
from ..inference.fluencewise import START
from ..models import build
from ..models.fluence_net import FIELDS
from ..preprocessing.delivery import SHELLS
from ..preprocessing.dose_channels import PLANNED_DOSE
from ..registry import are_shares
from .augmentation import Augmentation
from .constraints import ConstraintSettings
from .measurement import SimulatedMeasurement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")
NORMS = ("L1", "L2")
GAUSSIAN = {"timesteps", "beta", "output", "clock"}  # of [recipe.diffusion]; see inference.weights.diffusion_of
VARIANCE_EXPLODING = {"timesteps", "sigma", "spread", "centre", "start", "corrections", "snr"}  # see inference.measured


@dataclass(frozen=True)
class Settings:
    """How to train; every time is counted in optimiser steps. ema: decay of the moving average of the weights.

    batch: slices of a step; patients: of a step, where the network is volumetric. Both are shared out among the processes.
    dvh_weight: of the distance between DVHs in the loss, beside 1 for the dose error (volumetric networks).
    criteria_weight: likewise of the error of the criteria of OpenKBP's DVH score.
    fields_weight: likewise of the error of each field's dose, apart (fluence_net).
    elsewhere: weight of a voxel where no dose was computed, beside 1 where dose may be (volumetric networks).
    usual_targets: how far the doses to learn are drawn towards the usual DVH in each target; 0 for not (volumetric networks).
    teachers_share: of the dose to learn, what teachers answer where there are any; the rest is the planned dose.
    without_ct: whether OpenKBP patients whose CT is missing teach too, as bodies of water.
    norm: "L2" or "L1", of the noise loss. pretraining: of ``steps``, those in which DiffDP's structure encoder learns alone.
    estimate_weight: of the encoder's own dose error in the steps after that, beside 1 for the noise loss.
    For resdose, pretraining is what gives the answer; the steps after that learn its residual.
    For ADDiff-Dose, pretraining is that of its autoencoder; kl_weight: of its Kullback-Leibler term, reached half-way;
    mixup: alpha of the Beta distribution by which doses of two patients are mixed in it, 0 for none.
    """

    seed: int = 0
    steps: int = 7500
    batch: int = 16
    patients: int = 1
    learning_rate: float = 1e-4
    warmup: int = 200
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    ema: float = 0.999
    dvh_weight: float = 0.0
    criteria_weight: float = 0.0
    fields_weight: float = 0.0
    elsewhere: float = 0.05
    usual_targets: float = 0.0
    teachers_share: float = 0.5
    without_ct: bool = False
    norm: str = "L2"
    pretraining: int = 0
    estimate_weight: float = 0.0
    kl_weight: float = 0.0
    mixup: float = 0.0
    checkpoint_every: int = 500
    validate_every: int = 1000
    validation_patients: int = 4


@dataclass(frozen=True)
class TrainingRecipe:
    """card: what the model card says that no program can find out (title, intended use, limits, licence, citation).

    measurement: how doses are measured in simulation, for a model of measured dose.
    constraints: clinical goals in the loss.
    """

    recipe: Recipe
    training: Settings
    augmentation: Augmentation
    card: dict[str, Any] = field(default_factory=dict)
    measurement: SimulatedMeasurement = field(default_factory=SimulatedMeasurement)
    constraints: ConstraintSettings = field(default_factory=ConstraintSettings)

    @property
    def measures(self) -> bool:
        """Whether the model predicts what is measured of a planned dose."""
        return PLANNED_DOSE in self.recipe.channels

    @property
    def learns_structures_first(self) -> bool:
        """Whether the model is DiffDP with its structure encoder, which learns to predict the dose before the rest does."""
        return self.recipe.model == "diffdp" and self.recipe.network.get("guided", True)

    @property
    def answers_at_once(self) -> bool:
        """Whether one evaluation of the network gives the dose of a whole patient."""
        return self.recipe.answers_at_once and not self.measures

    @property
    def learns_halved(self) -> bool:
        """Whether the network learns at half the resolution."""
        return self.recipe.model == "coarse_unet"

    @property
    def learns_fluence(self) -> bool:
        """Whether the network answers in fluence of the recipe's fields."""
        return self.recipe.model == "fluence_net"

    @property
    def can_be_taught(self) -> bool:
        """Whether answers of other networks can stand beside the planned doses."""
        return self.answers_at_once and not (self.learns_halved or self.learns_fluence)

    @property
    def refines(self) -> bool:
        """Whether the model is resdose with diffusion of the residual, which learns after the rest."""
        return self.recipe.model == "resdose" and bool(self.recipe.network.get("refinement"))


def read_recipe(path: Path, changes: Sequence[str] = ()) -> TrainingRecipe:
    """changes: lines of TOML that take the place of the file's, such as "training.steps = 1500".

    Raises InputError for a file or change that cannot be read, and for keys it should not have.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"The training recipe {path.name} cannot be read: {error}.") from error
    for change in changes:
        tables = _merged(tables, _read_change(change))
    unknown = set(tables) - {"recipe", "training", "augmentation", "card", "measurement", "constraints"}
    if unknown or not isinstance(tables.get("recipe"), dict):
        raise InputError(f"The training recipe {path.name} needs the table [recipe] and knows no {sorted(unknown)}.")
    _check_kinds(Recipe(model=""), tables["recipe"], path)
    plan = TrainingRecipe(
        Recipe.from_dict(tables["recipe"]),
        _filled(Settings, tables.get("training", {}), path),
        _filled(Augmentation, tables.get("augmentation", {}), path),
        tables.get("card", {}),
        _filled(SimulatedMeasurement, tables.get("measurement", {}), path),
        _filled(ConstraintSettings, tables.get("constraints", {}), path),
    )
    _check_network(plan, path)
    _check_stages(plan, path)
    _check_companions(plan, path)
    _check_usual_targets(plan, path)
    return plan


def _read_change(change: str) -> dict[str, Any]:
    try:
        return tomllib.loads(change)
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            f"The change {change} cannot be read; write it as a line of TOML, e.g. training.steps=1500 or 'training.norm=\"L1\"'."
        ) from error


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """``old`` with the values of ``new`` in its place, table by table."""
    both = {key: _merged(old[key], new[key]) for key in new if isinstance(old.get(key), dict) and isinstance(new[key], dict)}
    return {**old, **new, **both}


def _check_network(plan: TrainingRecipe, path: Path) -> None:
    try:
        with torch.device("meta"):  # without values
            build(plan.recipe.model, plan.recipe.network)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path.name}: the network cannot be built as [recipe.network] says: {error}.") from error
    if plan.learns_fluence:
        _check_fields(plan.recipe, path)
        _check_views(plan, path)
    known = VARIANCE_EXPLODING if plan.measures else GAUSSIAN
    if unknown := set(plan.recipe.diffusion) - known:
        raise InputError(f"{path.name}: [recipe.diffusion] knows no {sorted(unknown)}, only {', '.join(sorted(known))}.")


def _check_fields(recipe: Recipe, path: Path) -> None:
    """What a network of fluence asks of its fields and plans."""
    angles, plans = (recipe.planning.get(key, []) for key in ("angles_deg", "plans"))
    regions = len(TARGET_SLOTS) + len(recipe.structures) + SHELLS
    spaced = len(angles) == FIELDS and {round(b - a, 3) for a, b in pairwise(angles)} == {360 / FIELDS}
    if not (spaced and len(plans) > START and (recipe.network["regions"], recipe.network["plans"]) == (regions, len(plans))):
        raise InputError(
            f"{path.name}: fluence_net needs {FIELDS} equally spaced fields, {START + 1} plans or more, all of them in"
            f" network.plans, and network.regions = {regions}."
        )


def _check_views(plan: TrainingRecipe, path: Path) -> None:
    """What would change a patient so that other fields fit him, or what he sees beside fields, has no effect on fluence_net."""
    asked = {**vars(plan.augmentation), "usual_targets": plan.training.usual_targets}
    if vain := [name for name in ("turned", "turns_deg", "shift_hu", "blank_ct", "short_ct", "usual_targets") if asked[name]]:
        raise InputError(
            f"{path.name}: fluence_net learns from patients mirrored, upside down, of other shapes or without an organ, and from"
            f" their own doses; leave out or set to 0: {', '.join(vain)}."
        )


def _check_stages(plan: TrainingRecipe, path: Path) -> None:
    settings = plan.training
    if settings.norm not in NORMS:
        raise InputError(f"{path.name}: norm is {settings.norm!r}, not one of {', '.join(NORMS)}.")
    if settings.pretraining and not (plan.learns_structures_first or plan.refines or plan.recipe.model == "addiff_dose"):
        raise InputError(
            f"{path.name}: only diffdp with its structure encoder, addiff_dose, and resdose with refinement train in two stages;"
            " set pretraining to 0."
        )
    if not 0 <= settings.pretraining < settings.steps:
        raise InputError(
            f"{path.name}: pretraining takes {settings.pretraining} of {settings.steps} steps; leave some for the rest."
        )


def _check_companions(plan: TrainingRecipe, path: Path) -> None:
    named = plan.card.get("companions", [])
    singular = "companion" in plan.card  # of older recipes
    known = not singular and isinstance(named, list) and all(isinstance(one, dict) and {*one} == {"id", "share"} for one in named)
    if not (known and all(type(one["id"]) is str for one in named) and are_shares([one["share"] for one in named])):
        raise InputError(f'{path.name}: [card] companions must look like this: [{{ id = "unet", share = 0.25 }}].')


def _check_usual_targets(plan: TrainingRecipe, path: Path) -> None:
    share = plan.card.get("usual_targets", 0.0)
    if not (are_shares([share]) and (plan.answers_at_once or not share)):
        raise InputError(f"{path.name}: [card] usual_targets is a share from 0 to 1, for a network that answers at once.")


def _filled(kind: type[T], values: dict[str, Any], path: Path) -> T:
    if not isinstance(values, dict):
        raise InputError(f"{path.name}: {kind.__name__} must be a table of settings.")
    unknown = set(values) - {f.name for f in fields(kind)}  # type: ignore[arg-type]
    if unknown:
        raise InputError(f"{path.name}: {kind.__name__} knows no setting {sorted(unknown)}.")
    _check_kinds(kind(), values, path)
    return kind(**values)


def _check_kinds(usual: object, values: dict[str, Any], path: Path) -> None:
    """Raises InputError for a word where ``usual`` has a number, and the like."""
    odd = [key for key, value in values.items() if hasattr(usual, key) and not _is_like(value, getattr(usual, key))]
    if odd:
        raise InputError(f"{path.name}: {type(usual).__name__} needs another kind of value for {', '.join(odd)}.")


def _is_like(value: object, usual: object) -> bool:
    if isinstance(usual, float):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is (list if isinstance(usual, tuple) else type(usual))
