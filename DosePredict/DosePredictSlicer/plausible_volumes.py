"""Volumes that organs have in patients; what lies beyond may be a wrong name, or a contour that is not finished."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from slicer.i18n import tr as _

# Smallest and largest in the 200 training patients of OpenKBP, cc.
SEEN_CC = {
    "Brainstem": (4.9, 47.5), "SpinalCord": (5.3, 57.0), "Parotid_L": (7.8, 80.4), "Parotid_R": (5.2, 77.5),
    "Esophagus": (2.2, 40.9), "Larynx": (0.5, 85.8), "Bone_Mandible": (24.6, 122.0),
}  # fmt: skip


def doubts(names: Mapping[str, str], volumes_cc: Mapping[str, float]) -> Iterator[str]:
    """One sentence for each organ of unseen size. names: model name -> segment; volumes_cc: by segment."""
    for name, roi in names.items():
        if name not in SEEN_CC or roi not in volumes_cc:
            continue
        low, high = SEEN_CC[name]
        if not low <= volumes_cc[roi] <= high:
            text = _("{roi} has {cc:.1f} cc; in 200 patients {name} had {low:g} to {high:g} cc, check name and contours.")
            yield text.format(roi=roi, cc=volumes_cc[roi], name=name, low=low, high=high)
