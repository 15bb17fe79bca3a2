"""The Slicer module "Dose Prediction". Nothing but Slicer is imported here: a fresh Slicer has no torch."""

import os
import sys
import time

import qt
import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

HERE = os.path.dirname(os.path.abspath(__file__))
# Installed, the library and Resources lie beside this file; in a source tree they lie one folder up.
HOME = HERE if os.path.isdir(os.path.join(HERE, "DosePredictLib")) else os.path.dirname(HERE)
for folder in (HOME, HERE):
    if folder not in sys.path:
        sys.path.append(folder)

HELP = """
Predicts the dose of a radiotherapy plan from CT, structures and prescription with diffusion models.
<p><b>Research software, not a medical device. A predicted dose was not calculated for any beam and must not be used
to treat anyone.</b></p>
"""

ACKNOWLEDGEMENT = """
If you use this module in research, please cite the paper of the model you used:
<ul>
<li>Zhang Y, Li C, Zhong L, Chen Z, Yang W, Wang X. DoseDiff: Distance-aware Diffusion Model for Dose Prediction in
Radiotherapy. arXiv:2306.16324.</li>
<li>Feng Z, Wen L, Wang P, Yan B, Wu X, Zhou J, Wang Y. DiffDP: Radiotherapy Dose Prediction via a Diffusion Model.
MICCAI 2023.</li>
<li>Yu X, Lin J, Gong C, Zhang M, Luo X, Liu Q, Zhang Y. Therapeutic dose prediction using score-based diffusion model
for pretreatment patient-specific quality assurance. Front. Oncol. 14:1473050 (2025). doi:10.3389/fonc.2024.1473050</li>
<li>Xie H, Hu H, Ding L, Li Q, Sun Y, Tan T. Conditional Diffusion Model with Anatomical-Dose Dual Constraints for
End-to-End Multi-Tumor Dose Prediction. arXiv:2508.02043.</li>
</ul>
"""


class DosePredict(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Dose Prediction")
        parent.categories = [_("Radiotherapy")]
        parent.dependencies = []
        parent.contributors = ["DosePredict contributors"]
        parent.helpText = _(HELP)
        parent.acknowledgementText = _(ACKNOWLEDGEMENT)
        parent.icon = qt.QIcon(os.path.join(HOME, "Resources", "Icons", "DosePredict.png"))


class DosePredictWidget(ScriptedLoadableModuleWidget):
    """The panel."""

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        text = _("This panel is not built yet. Prediction works on the command line:")
        label = qt.QLabel(f"{text}\n\ndosepredict predict CASE --out DIR")
        label.wordWrap = True
        self.layout.addWidget(label)
        self.layout.addStretch(1)


class DosePredictLogic(ScriptedLoadableModuleLogic):
    """Predicts doses in the scene, without any widget.

        logic = DosePredictLogic()
        result = logic.predict(ct=getNode("CT"), structures=getNode("RTSTRUCT"), prescription={"PTV70": 70})
        dose = result.node("predicted")
    """

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        from DosePredictSlicer.prediction_queue import PredictionQueue

        self.queue = PredictionQueue()

    def predict(self, ct, structures, planned=None, plan=None, names=None, prescription=None, **settings):
        """Predict the dose of one patient and wait for it, while Slicer stays alive; returns a DosePredictSlicer.result.Result.

        ct, planned: scalar volume nodes, structures: a segmentation node, plan: an RT plan node.
        names: {"Parotid_L": "left parotid"}; prescription: {"PTV70": 70.0}, Gy; both only where they are not recognised.
        settings: those of DosePredictSlicer.prediction_queue.Settings.
        Raises DosePredictLib.core.DosePredictError with one sentence that says why not, and what to do.
        """
        from DosePredictLib.core import Cancelled, DosePredictError
        from DosePredictSlicer.patient import Patient
        from DosePredictSlicer.prediction_queue import Settings

        patient = Patient(ct, structures, planned, plan, names or {}, prescription or {})
        before = len(self.queue.results)
        self.queue.add(patient, Settings(**settings))
        while self.queue.is_running:
            slicer.app.processEvents()
            self.queue.poll()
            time.sleep(0.05)
        if self.queue.failure:
            raise DosePredictError(str(self.queue.failure))
        if len(self.queue.results) == before:
            raise Cancelled(_("The prediction was cancelled."))
        return self.queue.results[-1]


class DosePredictTest(ScriptedLoadableModuleTest):
    """The self test."""

    def runTest(self):
        self.setUp()
        self.assertTrue(DosePredictLogic().version())
