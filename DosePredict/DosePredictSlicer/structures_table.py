"""The table of segments: what the model calls each, how sure that is, its volume, and the dose prescribed to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from DosePredictLib.core import BODY, OARS, Structure
from DosePredictLib.io.inspect import contour_volume_cc

from .patient import Patient, prescription_of
from .scene_structures import colors_of

NAME, MODEL_NAME, HOW, VOLUME, DOSE = range(5)
NOTHING = "—"
SWATCH = 12  # pixels
WHOLE_CC = 1000  # larger volumes are shown without decimals


class StructuresTable:
    """Shows a patient's segments. on_name(segment, model name or "") and on_doses({segment: Gy}) tell what the user changed."""

    def __init__(self, table: Any, on_name: Callable[[str, str], None], on_doses: Callable[[dict[str, float]], None]) -> None:
        self._table, self._on_name, self._on_doses = table, on_name, on_doses
        self._is_filling = False
        self._shown: tuple[tuple[str, ...], ...] = ()
        self._choosers: list[Any] = []
        table.setColumnCount(5)
        table.setHorizontalHeaderLabels([_("Segment"), _("For the model"), _("Recognised"), _("cc"), _("Gy")])
        table.verticalHeader().hide()
        header = table.horizontalHeader()
        header.setSectionResizeMode(NAME, qt.QHeaderView.Stretch)
        for column in (MODEL_NAME, HOW, VOLUME, DOSE):
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        table.connect("cellChanged(int,int)", self._cell_changed)

    def show(self, patient: Patient | None, model_names: tuple[str, ...] = OARS, *, with_wishes: bool = True) -> None:
        """The segments of a patient, an empty table for None. with_wishes: names and doses, which not every model needs."""
        structures = list(patient.structure_set) if patient else []
        for column in (MODEL_NAME, HOW, DOSE):
            self._table.setColumnHidden(column, not with_wishes)
        self._is_filling = True
        try:
            self._make_rows(tuple(s.name for s in structures), ("", BODY, *model_names))
            if patient:
                self._fill(patient, structures)
        finally:
            self._is_filling = False

    def _make_rows(self, rois: tuple[str, ...], model_names: tuple[str, ...]) -> None:
        """New rows for other segments; for the same ones the widgets stay, a person may be using them."""
        if (rois, model_names) == self._shown:
            return
        self._shown = (rois, model_names)
        self._table.setRowCount(0)
        self._table.setRowCount(len(rois))
        self._choosers = [self._chooser(roi, model_names) for roi in rois]
        for row, chooser in enumerate(self._choosers):
            self._table.setCellWidget(row, MODEL_NAME, chooser)

    def _fill(self, patient: Patient, structures: list[Structure]) -> None:
        identified, prescription = patient.identified, prescription_of(patient)
        names = {roi: name for name, roi in identified.names.items()}
        doses = {target.roi: target for target in prescription.targets} if prescription else {}
        colors = colors_of(patient.structures)
        for row, (structure, match) in enumerate(zip(structures, identified.matches, strict=True)):
            target = doses.get(structure.name)
            self._put(row, NAME, structure.name)
            self._table.item(row, NAME).setIcon(_swatch(colors[structure.name]))
            self._choosers[row].setItemText(0, _("target") if target else NOTHING)
            self._choose(self._choosers[row], names.get(structure.name, ""))
            self._put(row, HOW, _source(target.source) if target else self._how(match))
            self._put(row, VOLUME, _volume(structure))
            self._put(row, DOSE, f"{target.dose_gy:g}" if target else "", editable=True)

    @staticmethod
    def _choose(chooser: Any, name: str) -> None:
        if chooser.findData(name) < 0:  # recognised, but not used by this model
            chooser.addItem(name, name)
        chooser.setCurrentIndex(chooser.findData(name))

    def _chooser(self, roi: str, model_names: tuple[str, ...]) -> Any:
        chooser = qt.QComboBox()
        for name in model_names:
            chooser.addItem(name or NOTHING, name)
        chooser.connect("activated(int)", lambda index: self._on_name(roi, chooser.itemData(index)))
        return chooser

    @staticmethod
    def _how(match: Any) -> str:
        words = {"exact": _("by name"), "synonym": _("by synonym"), "user": _("by you")}
        if match.how == "suggestion":
            return _("{name}? ({share:.0f} %)").format(name=match.model_name, share=100 * match.confidence)
        return words.get(match.how, "")

    def _put(self, row: int, column: int, text: str, *, editable: bool = False) -> None:
        item = qt.QTableWidgetItem(text)
        flags = qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable
        item.setFlags(flags | qt.Qt.ItemIsEditable if editable else flags)
        self._table.setItem(row, column, item)

    def _cell_changed(self, _row: int, column: int) -> None:
        if column == DOSE and not self._is_filling:
            self._on_doses(self._doses())

    def _doses(self) -> dict[str, float]:
        """What stands in the column of doses; what is no number is no dose."""
        found = {}
        for row in range(self._table.rowCount):
            text = self._table.item(row, DOSE).text().replace(",", ".").strip()
            try:
                found[self._table.item(row, NAME).text()] = float(text)
            except ValueError:
                continue
        return found


def _swatch(color: tuple[float, float, float]) -> Any:
    pixmap = qt.QPixmap(SWATCH, SWATCH)
    pixmap.fill(qt.QColor(*(round(255 * part) for part in color)))
    return qt.QIcon(pixmap)


def _source(source: str) -> str:
    return {"user": _("by you"), "ROI name": _("dose by name")}.get(source, source)


def _volume(structure: Structure) -> str:
    if structure.is_empty:
        return _("empty")
    painted = structure.occupancy
    volume_cc = painted.array.sum() * painted.grid.voxel_volume_cc if painted is not None else contour_volume_cc(structure)
    return f"{volume_cc:.0f}" if volume_cc > WHOLE_CC else f"{volume_cc:.1f}"
