"""The nine fields as an RT Plan describes them (PS3.3 C.8.8.13 and C.8.8.14)."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from ..io.new_dicom import decimal, decimals
from .beams import SAD_MM
from .plan import GANTRY_DEG

FRACTIONS = 35
METERSET_PER_BEAM = 90.0
FIELD_MM = (-85.0, 85.0)
GANTRY_IN_ROOM = {  # a beam from the front of a supine patient comes from below a prone one
    "HFS": lambda angle: angle,
    "HFP": lambda angle: angle + 180,
    "FFS": lambda angle: -angle,
    "FFP": lambda angle: 180 - angle,
}


def fraction_group() -> Dataset:
    """PS3.3 C.8.8.13: 35 fractions of all beams."""
    group = Dataset()
    group.FractionGroupNumber, group.NumberOfFractionsPlanned = 1, FRACTIONS
    group.NumberOfBeams, group.NumberOfBrachyApplicationSetups = len(GANTRY_DEG), 0
    group.ReferencedBeamSequence = []
    for number in range(1, len(GANTRY_DEG) + 1):
        beam = Dataset()
        beam.ReferencedBeamNumber, beam.BeamMeterset = number, decimal(METERSET_PER_BEAM)
        group.ReferencedBeamSequence.append(beam)
    return group


def beam_sequence(isocentre: np.ndarray, orientation: str) -> list[Dataset]:
    """isocentre: (3,) LPS mm."""
    return [_beam(n, GANTRY_IN_ROOM[orientation](angle) % 360, isocentre) for n, angle in enumerate(GANTRY_DEG, 1)]


def _beam(number: int, gantry: float, isocentre: np.ndarray) -> Dataset:
    beam = Dataset()
    beam.Manufacturer, beam.TreatmentMachineName = "DosePredict", "PHANTOM"
    beam.PrimaryDosimeterUnit, beam.SourceAxisDistance = "MU", decimal(SAD_MM)
    beam.BeamLimitingDeviceSequence = [_device("ASYMX"), _device("ASYMY")]
    beam.BeamNumber, beam.BeamName = number, f"G{gantry:03.0f}"
    beam.BeamType, beam.RadiationType, beam.TreatmentDeliveryType = "DYNAMIC", "PHOTON", "TREATMENT"
    beam.NumberOfWedges = beam.NumberOfCompensators = beam.NumberOfBoli = beam.NumberOfBlocks = 0
    beam.FinalCumulativeMetersetWeight = decimal(1)
    beam.NumberOfControlPoints, beam.ReferencedPatientSetupNumber = 2, 1
    beam.ControlPointSequence = [_first_control_point(gantry, isocentre), _control_point(1, 1)]
    return beam


def _device(kind: str) -> Dataset:
    device = Dataset()
    device.RTBeamLimitingDeviceType, device.NumberOfLeafJawPairs = kind, 1
    return device


def _control_point(index: int, weight: float) -> Dataset:
    point = Dataset()
    point.ControlPointIndex, point.CumulativeMetersetWeight = index, decimal(weight)
    return point


def _first_control_point(gantry: float, isocentre: np.ndarray) -> Dataset:
    point = _control_point(0, 0)
    point.NominalBeamEnergy = decimal(6)
    point.BeamLimitingDevicePositionSequence = [_opening("ASYMX"), _opening("ASYMY")]
    point.GantryAngle, point.GantryRotationDirection = decimal(gantry), "NONE"
    point.BeamLimitingDeviceAngle, point.BeamLimitingDeviceRotationDirection = decimal(0), "NONE"
    point.PatientSupportAngle, point.PatientSupportRotationDirection = decimal(0), "NONE"
    point.TableTopEccentricAngle, point.TableTopEccentricRotationDirection = decimal(0), "NONE"
    point.TableTopVerticalPosition = point.TableTopLongitudinalPosition = point.TableTopLateralPosition = None
    point.IsocenterPosition = decimals(isocentre)
    return point


def _opening(kind: str) -> Dataset:
    opening = Dataset()
    opening.RTBeamLimitingDeviceType, opening.LeafJawPositions = kind, decimals(FIELD_MM)
    return opening
