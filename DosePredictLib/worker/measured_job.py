"""The work for a model of measured dose: from a plan's dose to a predicted measured dose and a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core import InputError

if TYPE_CHECKING:
    from .job import Job


def predict(job: Job, card: dict[str, Any]) -> str:
    """Returns the kind of dose."""
    raise InputError(f"The model {card['id']} predicts a measured dose, which this version cannot do yet.")
