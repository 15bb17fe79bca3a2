"""The kinds of dose that leave this program, each in words of its own, so that neither is taken for the other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DoseKind:
    """What an exported dose is, wherever a treatment planning system may show a text.

    notice: SeriesDescription, DoseComment, RTPlanName (64 characters at most). comment: what follows it in ImageComments.
    made_from: what the model looked at. plan_label: RTPlanLabel of the stub plan (13 characters, room for a number).
    first_series: SeriesNumber of the first stub plan of a study; its dose has the next.
    """

    notice: str
    comment: str
    made_from: str
    plan_label: str
    first_series: int


PLANNED_DOSE = DoseKind(
    notice="PREDICTED DOSE - NOT FOR TREATMENT",
    comment="Estimate of a neural network; recalculate in a commissioned system.",
    made_from="CT, contours and prescription",
    plan_label="AI_PRED_NO_TX",
    first_series=9000,
)
MEASURED_DOSE = DoseKind(
    notice="PREDICTED MEASURED DOSE - NOT FOR TREATMENT",
    comment="Estimate of a neural network of what would be measured of a plan; nothing was measured.",
    made_from="the planned dose",
    plan_label="AI_MEAS_NO_TX",
    first_series=9500,
)
NOTICES = (PLANNED_DOSE.notice, MEASURED_DOSE.notice)
