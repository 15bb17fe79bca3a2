"""What a model's card says, in the few words that a choice between models needs; imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

PLANNED, MEASURED = "planned dose", "measured dose"  # card["predicts"]
UNITS = {"gy": "Gy", "percent": "%"}
NOT_A_SCORE = ("data", "command", "n", "steps", "samples")
ADDED_TO_ANSWER = ("companion", "companions", "usual_targets")
ABBREVIATIONS = ("dvh", "ssim", "rmse", "mae")


def predicts(card: Mapping[str, Any]) -> str:
    """Which kind of dose; the planned one where the card does not say."""
    return str(card.get("predicts", PLANNED))


def result_of(card: Mapping[str, Any]) -> str:
    """What comes out, in words."""
    return "predicted measured dose" if predicts(card) == MEASURED else "predicted dose"


def sees_ct(card: Mapping[str, Any]) -> bool:
    """Whether the network looks at the CT; only a model of measured dose may not."""
    given = _table(_table(card, "recipe"), "network").get("given")
    return predicts(card) == PLANNED or (isinstance(given, list) and "CT" in given)


def is_simulated(card: Mapping[str, Any]) -> bool:
    """Whether a model of measured dose learned, also, from simulated measurements."""
    return bool(_table(card, "pairs").get("simulated"))


def is_deterministic(card: Mapping[str, Any]) -> bool:
    """Whether it answers in one step and without chance: steps, samples and seed then change nothing."""
    recipe = _table(card, "recipe")
    return bool(recipe.get("volumetric")) and recipe.get("steps") == 1


def fingerprint(card: Mapping[str, Any]) -> str:
    """SHA-256 of all that a prediction depends on: the weights, and what the card adds to their answer, if anything."""
    added = {key: card[key] for key in ADDED_TO_ANSWER if card.get(key)}
    weights = str(card["weights_sha256"])
    return hashlib.sha256(json.dumps([weights, added], sort_keys=True).encode()).hexdigest() if added else weights


def default_samples(card: Mapping[str, Any]) -> int:
    """How many are drawn where nothing else is asked for: several of a model whose dose they do not change."""
    return max(1, int(card.get("default_samples", 1)))


def score(card: Mapping[str, Any]) -> str:
    """What was measured with the settings that are taken by default: "dose score 3.12 Gy, DVH score 1.97 Gy, n = 33"."""
    usual = _usual(card)
    numbers = [_words(key, value) for key, value in usual.items() if key not in NOT_A_SCORE and isinstance(value, (int, float))]
    return ", ".join([*numbers, f"n = {usual['n']}"] if numbers and "n" in usual else numbers)


def score_data(card: Mapping[str, Any]) -> str:
    """What the score was measured on, in the card's words."""
    return str(_usual(card).get("data", ""))


def _usual(card: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry with the default number of steps, else the first."""
    entries = [entry for entry in card.get("metrics", ()) if isinstance(entry, Mapping)]
    default = card.get("default_steps", _table(card, "recipe").get("steps"))
    return next((entry for entry in entries if entry.get("steps") == default), entries[0] if entries else {})


def _words(key: str, value: float) -> str:
    """ "dose score 3.12 Gy" of dose_score_gy."""
    *words, last = key.split("_")
    if last not in UNITS:
        words, last = [*words, last], ""
    named = " ".join(word.upper() if word in ABBREVIATIONS else word for word in words)
    return f"{named} {value:.3g} {UNITS.get(last, '')}".rstrip()


def _table(holder: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = holder.get(key)
    return value if isinstance(value, Mapping) else {}
