"""The catalogue of models with their cards, and how to predict."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from DosePredictLib import registry
from DosePredictLib.model_card import MEASURED, is_deterministic, predicts, score, score_data, sees_ct

DEVICES = {"auto": _("automatic"), "cpu": _("CPU"), "cuda": _("NVIDIA graphics card"), "mps": _("Apple graphics")}
GRIDS = {"dose": _("of the planned dose (2.5 mm without one)"), "ct": _("of the CT"), "2": _("2 mm"), "3": _("3 mm")}
RED = "#c62828"
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
        self._effects = [(box, box.toolTip) for box in (ui.samplesSpinBox, ui.stepsSpinBox, ui.seedSpinBox)]
        self._domain = (ui.outsideDomainCheckBox, ui.outsideDomainCheckBox.toolTip)

    def show(self, model: str, device: str, grid: str) -> None:
        """Show what is installed now, and what is chosen."""
        models = sorted(registry.available(), key=lambda info: (predicts(info.card) == MEASURED, info.id))
        catalogue = {info.id: info.title for info in models}
        if catalogue != self._catalogue:
            self._catalogue = catalogue
            self._fill(self._ui.modelComboBox, catalogue)
        for box, value in ((self._ui.modelComboBox, model), (self._ui.deviceComboBox, device), (self._ui.gridComboBox, grid)):
            box.setCurrentIndex(max(0, box.findData(value)))
        info = registry.find(model)
        self._ui.modelLabel.setText(facts_html(info))
        self._ui.cardBrowser.setHtml(card_html(info))
        self._enable(info)

    def _enable(self, info: registry.ModelInfo) -> None:
        """Only settings that change something; the others say why they do not."""
        without_chance = _("No effect: this model answers in one step and without chance") if is_deterministic(info.card) else ""
        of_a_plan = _("No effect: a measured dose is predicted of any plan") if predicts(info.card) == MEASURED else ""
        for (widget, tip), why in (*((effect, without_chance) for effect in self._effects), (self._domain, of_a_plan)):
            widget.setEnabled(not why)
            widget.setToolTip(why or tip)

    @staticmethod
    def _fill(box: Any, choices: dict[str, str]) -> None:
        box.clear()
        for value, text in choices.items():
            box.addItem(text, value)


def facts_html(model: registry.ModelInfo) -> str:
    """What a choice between models needs: three short lines."""
    card = model.card
    verified = _("verified") if is_verified(model) else f"<b style='color:{RED}'>{_('not those of the card')}</b>"
    weights = f"{model.megabytes:.1f} MB, SHA-256 {html.escape(card['weights_sha256'][:12])}, {verified}"
    measured = f"{score(card)}; {score_data(card)}".strip("; ") or _("not measured")
    rows = ((_("Predicts"), kind_of(model)), (_("Score"), html.escape(measured)), (_("Weights"), weights))
    return "<table>" + "".join(f"<tr><td>{title}:&nbsp;</td><td>{text}</td></tr>" for title, text in rows) + "</table>"


def kind_of(model: registry.ModelInfo) -> str:
    """Which dose from what."""
    if predicts(model.card) != MEASURED:
        return _("<b>planned dose</b>, from CT, structures and prescription")
    given = _("planned dose and CT") if sees_ct(model.card) else _("planned dose")
    return _("<b>measured dose</b>, from the {given}").format(given=given)


def is_verified(model: registry.ModelInfo) -> bool:
    """Whether the weights are there, and those of the card."""
    if not model.weights.is_file():
        return False
    state = model.weights.stat()
    return _sha256(model.weights, state.st_mtime_ns, state.st_size) == model.card["weights_sha256"]


@lru_cache(maxsize=32)
def _sha256(weights: Path, _changed_ns: int, _size: int) -> str:
    """Read again only after a change: the panel looks often."""
    return registry.sha256(weights)


def card_html(model: registry.ModelInfo) -> str:
    """A model's card for reading."""
    card = model.card
    parts = [f"<h3>{html.escape(model.title)}</h3><p>{html.escape(model.id)} {html.escape(model.version)}</p>"]
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
