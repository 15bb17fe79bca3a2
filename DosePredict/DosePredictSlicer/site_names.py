"""The names a site gives to its structures, remembered from one patient to the next."""

from __future__ import annotations

import json
from collections.abc import Iterable

import slicer

KEY = "DosePredict/SiteNames"  # Slicer's settings: {"GL PAROTIS L": "Parotid_L"}; names of structures, never of patients


def remembered(rois: Iterable[str]) -> dict[str, str]:
    """Model name -> segment name, for those of the segments that were named by hand before."""
    table = _table()
    return {table[roi]: roi for roi in rois if table.get(roi)}


def remember(roi: str, model_name: str) -> None:
    """From now on this segment name means that structure; an empty model name forgets it."""
    table = {**_table(), roi: model_name}
    slicer.app.userSettings().setValue(KEY, json.dumps({key: value for key, value in table.items() if value}))


def _table() -> dict[str, str]:
    try:
        return dict(json.loads(slicer.app.userSettings().value(KEY) or "{}"))
    except ValueError:
        return {}
