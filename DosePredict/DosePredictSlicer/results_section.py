"""The review of a prediction: what is shown over the CT, isodoses, histograms, tables."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from . import dose_display, dvh_review
from .kinds import MEASURED, PLAN
from .result import CT, GOALS, ISODOSES, METRICS, PAGE, PLANNED, PREDICTED, Result
from .wording import for_panel


class ResultsSection:
    """Fills the section "Results" for one prediction at a time."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._result: Result | None = None
        ui.resultSelector.addAttribute("vtkMRMLScalarVolumeNode", "DosePredict.Role", PREDICTED)
        for table in (ui.goalsTable, ui.metricsTable):
            table.verticalHeader().hide()
            table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        ui.washComboBox.connect("activated(int)", lambda _index: self._wash())
        ui.opacitySlider.connect("valueChanged(double)", lambda _value: self._wash())
        ui.isodosesCheckBox.connect("toggled(bool)", self._isodoses)
        ui.showDvhButton.connect("clicked(bool)", lambda _checked: self._show_dvh())
        ui.showReportButton.connect("clicked(bool)", lambda _checked: self._open_report())
        ui.removeButton.connect("clicked(bool)", lambda _checked: self._remove())

    def show(self, result: Result | None) -> None:
        """Show a prediction, or that there is none."""
        is_new = result != self._result
        self._result = result if result and result.node(PREDICTED) else None
        for button in (self._ui.showReportButton, self._ui.removeButton, self._ui.isodosesCheckBox):
            button.setEnabled(self._result is not None)
        self._ui.showDvhButton.setEnabled(self._result is not None and dvh_review.has_curves(self._result))
        if not is_new:
            return
        self._fill_washes()
        self._ui.goalsTable.setMRMLTableNode(self._result.node(GOALS) if self._result else None)
        self._ui.metricsTable.setMRMLTableNode(self._result.node(METRICS) if self._result else None)
        self._ui.provenanceLabel.setText(_provenance(self._result))
        self._show_kind()
        lines = self._result.node(ISODOSES) if self._result else None
        self._ui.isodosesCheckBox.setChecked(lines is not None and bool(lines.GetDisplayNode().GetVisibility()))

    def present(self, result: Result) -> None:
        """A new prediction: over the CT in the slice views."""
        self.show(result)
        dose_display.show_background(result.source(CT))
        self._wash()

    def _fill_washes(self) -> None:
        self._ui.washComboBox.clear()
        shown = self._result.kind.shown if self._result else {}
        for role, text in shown.items():
            if self._volume(role) is not None:
                self._ui.washComboBox.addItem(text, role)
        self._ui.washComboBox.addItem(_("none"), "")

    def _show_kind(self) -> None:
        kind = self._result.kind if self._result else PLAN
        self._ui.kindLabel.setText(_banner(self._result) if self._result else "")
        self._ui.kindLabel.setVisible(self._result is not None)
        self._ui.isodosesCheckBox.setToolTip(kind.of_what)
        self._ui.tablesTab.setTabText(0, kind.first_table)

    def _volume(self, role: str) -> Any:
        assert self._result is not None
        return self._result.source(PLANNED) if role == PLANNED else self._result.node(role)

    def _wash(self) -> None:
        if self._result is None:
            return
        role = self._ui.washComboBox.currentData
        volume = self._volume(role) if role else None
        if role == PLANNED:
            dose_display.dress_planned(self._result)
        dose_display.show_wash(volume, opacity=self._ui.opacitySlider.value)

    def _isodoses(self, visible: bool) -> None:
        if self._result is not None:
            dose_display.isodose_lines(self._result, visible)

    def _show_dvh(self) -> None:
        if self._result is not None:
            with slicer.util.WaitCursor():
                dvh_review.show_chart(self._result)

    def _open_report(self) -> None:
        """The browser needs a file; it lies in Slicer's temporary folder."""
        assert self._result is not None
        file = Path(tempfile.mkdtemp(prefix="dosepredict-report-")) / "report.html"
        file.write_text(self._result.node(PAGE).GetText(), encoding="utf-8")
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(file)))

    def _remove(self) -> None:
        result = self._result
        if result is not None:
            self.show(None)
            result.remove()


def _banner(result: Result) -> str:
    """Which kind of dose this is, in the colours of the kind; of a measured one with its gamma."""
    kind, report = result.kind, result.report
    words = [f"<b>{kind.nodes[PREDICTED]}</b>"]
    if kind is MEASURED:
        gamma = report["gamma"]
        rate = f"{dvh_review.criteria(gamma)}: {gamma['percent_within_1']:.1f}&nbsp;%, {dvh_review.verdict(gamma)}"
        words += [_("learned from simulated measurements")] * report["simulated_measurements"] + [rate]
    ink, paper = kind.banner
    cell = f"<td bgcolor='{paper}' style='color:{ink}'>{'; '.join(words)}</td>"
    return f"<table width='100%' cellpadding='4'><tr>{cell}</tr></table>"


def _provenance(result: Result | None) -> str:
    if result is None:
        return ""
    report = result.report
    text = _("{id} {version}; steps: {steps}, samples: {samples}, seed: {seed}, on {device}, {seconds:.0f} s.").format(
        **report["model"], **report["request"], seconds=report["timing_s"].get("total", 0)
    )
    outside = report.get("outside_domain")
    lines = [f"{text} {_('Outside the domain of the model')}: {outside}." if outside else text]
    return "\n".join([*lines, *(f"! {for_panel(warning)}" for warning in report["warnings"])])
