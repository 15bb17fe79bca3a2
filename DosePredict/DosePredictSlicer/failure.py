"""Why a prediction failed, in one sentence, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from slicer.i18n import tr as _

from .background_job import Ending
from .wording import for_panel

KNOWN = (  # what is found in reason or log -> cause, what to do
    (r"ModuleNotFoundError|No module named",
     _("A Python package that the prediction needs is not installed."),
     _("Press Predict dose again and let the module install it; without internet see the documentation.")),
    (r"no kernel image|sm_\d+ is not compatible",
     _("PyTorch does not support this graphics card."),
     _("Choose the CPU under Advanced, or install another version of PyTorch with the PyTorch extension.")),
    (r"out of memory|MemoryError|exit code -9\b|exit code 137",
     _("The memory of this computer did not suffice."),
     _("Close other programs, take one sample, or choose the CPU under Advanced.")),
    (r"No space left on device|disk full",
     _("The disk is full."),
     _("Free some space on the disk of the temporary folder and predict again.")),
)  # fmt: skip


@dataclass(frozen=True)
class Failure:
    """cause: one sentence. advice: what to do, empty where the cause says it. log: the last lines the worker printed."""

    cause: str
    advice: str = ""
    log: str = ""

    @classmethod
    def of(cls, ending: Ending) -> Failure:
        """The failure of a background job that ended without a result."""
        reason, is_told = ending.outcome.reason, ending.outcome.kind not in ("", "Unexpected")
        if is_told:
            return cls(for_panel(reason), "", ending.log)
        for pattern, cause, advice in KNOWN:
            if re.search(pattern, f"{reason}\n{ending.log}"):
                return cls(cause, advice, ending.log)
        return cls(reason, _("Copy the log and send it to the developers; it holds no data of the patient."), ending.log)

    def __str__(self) -> str:
        return f"{self.cause} {self.advice}".strip()
