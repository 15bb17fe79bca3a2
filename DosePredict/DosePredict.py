"""The Slicer module "Dose Prediction". Nothing but Slicer is imported here: a fresh Slicer has no torch."""

import os
import sys
import time

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

HERE = os.path.dirname(os.path.abspath(__file__))
# Installed, the library and Resources lie beside this file; in a source tree they lie one folder up.
HOME = HERE if os.path.isdir(os.path.join(HERE, "DosePredictLib")) else os.path.dirname(HERE)
for folder in (HOME, HERE):
    if folder not in sys.path:
        sys.path.append(folder)

HELP = """
Predicts the dose of a radiotherapy plan from CT, structures and prescription with diffusion models; other models predict from
a planned dose what would be measured of it.
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
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Offer the synthetic patient in the module Sample Data."""
    from DosePredictSlicer import sample_data

    sample_data.register()


class DosePredictWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel, kept in step with scene and parameter node."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = self.panel = self._parameterNode = self._parameterNodeGuiTag = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        from DosePredictSlicer.panel import Panel

        from DosePredictLib.resources import resource

        widget = slicer.util.loadUI(str(resource("UI", "DosePredict.ui")))
        self.layout.addWidget(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = DosePredictLogic()
        self.panel = Panel(slicer.util.childWidgetVariables(widget), self.logic.queue)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        slicer.app.connect("aboutToQuit()", self.logic.queue.end_now)
        self.initializeParameterNode()

    def onReload(self):
        """Also what the module is made of, for developers."""
        self.logic.queue.end_now()
        for name in [name for name in sys.modules if name.split(".")[0] in ("DosePredictSlicer", "DosePredictLib")]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def cleanup(self):
        self.logic.queue.end_now()
        slicer.app.disconnect("aboutToQuit()", self.logic.queue.end_now)
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self):
        self.initializeParameterNode()

    def exit(self):
        self.setParameterNode(None)

    def onSceneStartClose(self, caller, event):
        self.logic.queue.end_now()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self):
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode):
        """Connect the widgets with a parameter node, or with none."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.panel.refresh_soon)
        self._parameterNode = parameterNode
        if parameterNode:
            self._parameterNodeGuiTag = parameterNode.connectGui(self.panel.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.panel.refresh_soon)
        self.panel.set_parameters(parameterNode)


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

    def getParameterNode(self):
        from DosePredictSlicer.parameters import DosePredictParameterNode

        return DosePredictParameterNode(super().getParameterNode())

    def predict(self, ct=None, structures=None, planned=None, plan=None, names=None, prescription=None, **settings):
        """Predict the dose of one patient and wait for it, while Slicer stays alive; returns a DosePredictSlicer.result.Result.

        ct, planned: scalar volume nodes, structures: a segmentation node, plan: an RT plan node. A model of planned dose needs
        CT and structures, a model of measured dose the planned one.
        names: {"Parotid_L": "left parotid"}; prescription: {"PTV70": 70.0}, Gy; both only where they are not recognised.
        settings: those of DosePredictSlicer.prediction_queue.Settings.
        Raises DosePredictLib.core.DosePredictError with one sentence that says why not, and what to do.
        """
        from DosePredictSlicer.patient import Patient
        from DosePredictSlicer.prediction_queue import Settings

        from DosePredictLib.core import Cancelled, DosePredictError

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
    """The self test: a real prediction on the synthetic patient, coarse so that it takes little time."""

    def setUp(self):
        slicer.mrmlScene.Clear(False)

    def runTest(self):
        self.setUp()
        self.test_prediction_on_the_synthetic_patient()

    def test_prediction_on_the_synthetic_patient(self):
        from DosePredictSlicer import sample_data

        from DosePredictLib.phantom import COARSE_MM

        self.delayDisplay(_("Making a synthetic patient"))
        patient = sample_data.load(COARSE_MM)
        self.delayDisplay(_("Predicting its dose"))
        result = DosePredictLogic().predict(patient.ct, patient.structures, patient.planned, outside_domain=True)
        highest = slicer.util.arrayFromVolume(result.node("predicted")).max()
        self.assertTrue(60 < highest < 90, f"maximum {highest} Gy for a prescription of 70 Gy")
        self.assertTrue(any(row["roi"] == "PTV70" for row in result.report["structures"]))
        result.remove()
        self.assertEqual(result.nodes, [])
        self.delayDisplay(_("Test passed"))
