"""The catalogue of models with their cards, and how to predict."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from DosePredictLib import registry

DEVICES = {"auto": _("automatic"), "cpu": _("CPU"), "cuda": _("NVIDIA graphics card"), "mps": _("Apple graphics")}
GRIDS = {"dose": _("of the planned dose (2.5 mm without one)"), "ct": _("of the CT"), "2": _("2 mm"), "3": _("3 mm")}
CARD = (
    ("intended_use", _("Intended use")), ("method", _("Method")), ("training_data", _("Training data")), ("limits", _("Limits")),
    ("licence", _("Licence")), ("citation", _("Please cite")),
)  # fmt: skip


class ModelSection:
    """Fills the section "Model"; on_change(parameter, value) tells what the user chose."""

    def __init__(self, ui: Any, on_change: Callable[[str, str], None]) -> None:
        self._ui = ui
        self._catalogue: dict[str, str] = {}
        for box, parameter in ((ui.modelComboBox, "model"), (ui.deviceComboBox, "device"), (ui.gridComboBox, "grid")):
            box.connect("activated(int)", lambda index, box=box, parameter=parameter: on_change(parameter, box.itemData(index)))
        self._fill(ui.deviceComboBox, DEVICES)
        self._fill(ui.gridComboBox, GRIDS)

    def show(self, model: str, device: str, grid: str) -> None:
        """Show what is installed now, and what is chosen."""
        catalogue = {info.id: info.title for info in registry.available()}
        if catalogue != self._catalogue:
            self._catalogue = catalogue
            self._fill(self._ui.modelComboBox, catalogue)
        for box, value in ((self._ui.modelComboBox, model), (self._ui.deviceComboBox, device), (self._ui.gridComboBox, grid)):
            box.setCurrentIndex(max(0, box.findData(value)))
        self._ui.cardBrowser.setHtml(card_html(registry.find(model)))

    @staticmethod
    def _fill(box: Any, choices: dict[str, str]) -> None:
        box.clear()
        for value, text in choices.items():
            box.addItem(text, value)


def card_html(model: registry.ModelInfo) -> str:
    """A model's card for reading."""
    card = model.card
    size = model.weights.stat().st_size / 2**20 if model.weights.is_file() else 0.0
    parts = [f"<h3>{html.escape(model.title)}</h3><p>{html.escape(model.id)} {html.escape(model.version)}, {size:.0f} MB</p>"]
    parts += [f"<p><b>{title}.</b> {_text(card[key])}</p>" for key, title in CARD if card.get(key)]
    parts += [f"<p><b>{_('Measured')}.</b> {_scores(card['metrics'])}</p>"] if card.get("metrics") else []
    return "".join(parts)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "<ul>" + "".join(f"<li>{html.escape(str(entry))}</li>" for entry in value) + "</ul>"
    return html.escape(str(value))


def _scores(metrics: list[dict[str, Any]]) -> str:
    return _text([f"{entry.get('data', '')}: {_listed(entry)}" for entry in metrics])


def _listed(entry: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in entry.items() if key not in ("data", "command"))
