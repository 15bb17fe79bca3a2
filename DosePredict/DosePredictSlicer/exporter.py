"""A predicted dose out of the scene as RTDOSE: into a folder, Slicer's DICOM database, or to a DICOM node."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from DosePredictLib import __version__
from DosePredictLib.core import InputError, OutputError, Prescription, Target

from .dicom_behind import files_behind, plan_behind
from .kinds import MEASURED
from .result import CT, PLANNED, PREDICTED, ROLE, STRUCTURES, Result
from .scene_volumes import dose_of

SIMULATED = "SIMULATED measurements"  # what a model learned from, in DICOM


@dataclass(frozen=True)
class Exporter:
    """Writes one prediction. profile: what the RTDOSE refers to, see ``DosePredictLib.io.rtdose_writer.Export``."""

    result: Result
    profile: str = "stub-plan"

    def announce(self) -> str:
        """What will be written, in words. Raises InputError where nothing can be."""
        self._export()  # raises where it is not possible
        dose = self.result.node(PREDICTED)
        sizes = "×".join(str(n) for n in dose.GetImageData().GetDimensions())
        highest = dose.GetImageData().GetScalarRange()[1]
        text = _("One RTDOSE ({sizes} voxels, maximum {highest:.1f} Gy), marked {notice}, in the study of the {source},"
                 " {reference}.")  # fmt: skip
        references = {
            "stub-plan": _("and a stub RTPLAN without beams that it refers to"),
            "plan": _("referring to the plan of the patient"),
            "overview": _("referring to no plan"),
        }
        notice, source = self.result.kind.exported.notice, next(iter(self._sources.values()))
        return text.format(sizes=sizes, highest=highest, notice=notice, source=source, reference=references[self.profile])

    def to_folder(self, folder: Path) -> list[Path]:
        """The files written; all or none. Raises InputError or OutputError."""
        from DosePredictLib.io.rtdose_writer import write_rtdose

        written = write_rtdose(folder, dose_of(self.result.node(PREDICTED)), self._export())
        return [path for path in (written.dose, written.plan) if path is not None]

    def to_database(self) -> list[Path]:
        """Into Slicer's DICOM database, which keeps copies."""
        if getattr(slicer, "dicomDatabase", None) is None or not slicer.dicomDatabase.isOpen:
            raise OutputError(_("Slicer's DICOM database is not open; open the DICOM module once, or export to a folder."))
        from DICOMLib import DICOMUtils

        with tempfile.TemporaryDirectory(prefix="dosepredict-export-") as folder:
            files = self.to_folder(Path(folder))
            DICOMUtils.importDicom(folder, slicer.dicomDatabase, True)
        return files

    def to_node(self, host: str, port: int, called_aet: str) -> list[Path]:
        """To a DICOM node (C-STORE). Raises OutputError where it does not take everything."""
        from DosePredictLib.io.send import Node, send

        node = Node(host, port, called_aet)
        with tempfile.TemporaryDirectory(prefix="dosepredict-export-") as folder:
            files = self.to_folder(Path(folder))
            outcomes = send(files, node)
        if refused := [f"{outcome.file}: {outcome.text}" for outcome in outcomes if not outcome.stored]:
            raise OutputError(_("{node} did not take everything: {refused}").format(node=node, refused="; ".join(refused)))
        return files

    def _export(self) -> Any:
        from DosePredictLib.io.headers import read_header
        from DosePredictLib.io.rtdose_writer import Export, Provenance
        from DosePredictLib.io.rtstruct import read_rtstruct

        report, structures, source = self.result.report, self.result.source(STRUCTURES), read_header(self._source_files()[0])
        drawn = files_behind(structures) if structures is not None else []
        targets = tuple(Target(t["roi"], t["dose_gy"], t["source"]) for t in report.get("prescription", ()))
        model, learned = report["model"], SIMULATED if report.get("simulated_measurements") else ""
        return Export(
            ct_header=source,
            provenance=Provenance(model["id"], str(model["version"]), model["weights_sha256"], __version__, learned),
            kind=self.result.kind.exported,
            profile=self.profile,
            number=self._number(),
            prescription=Prescription(targets) if targets else None,
            plan_header=self._plan_header(structures, source) if self.profile == "plan" else None,
            rtstruct_header=read_rtstruct(drawn[0]).header if drawn else None,
        )

    @property
    def _sources(self) -> dict[str, str]:
        """What patient, study and frame of reference are copied from, the best first, with words for each."""
        of_plan = {PLANNED: _("planned dose")} if self.result.kind is MEASURED else {}
        return {**of_plan, CT: _("CT")}

    def _source_files(self) -> list[Path]:
        nodes = [node for role in self._sources if (node := self.result.source(role)) is not None]
        files = [file for node in nodes for file in files_behind(node)]
        if not files:
            text = _("The {source} of this prediction has no DICOM files, so no RTDOSE can refer to it; load it from DICOM.")
            raise InputError(text.format(source=next(iter(self._sources.values()))))
        return files

    @staticmethod
    def _plan_header(structures: Any, source: Any) -> Any:
        """Of the patient's own plan: the one that was loaded, else the one that the planned dose refers to."""
        from DosePredictLib.io.headers import read_header
        from DosePredictLib.worker.measured_job import plan_header

        plan = plan_behind(structures) if structures is not None else None
        return read_header(plan) if plan is not None else plan_header(source)

    def _number(self) -> int:
        """Which of the predictions in the scene this is, from 1 on."""
        nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        predicted = [node.GetID() for node in nodes if node.GetAttribute(ROLE) == PREDICTED]
        return predicted.index(self.result.node(PREDICTED).GetID()) + 1
