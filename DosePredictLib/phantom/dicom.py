"""The synthetic patient as CT, RTSTRUCT, RTPLAN and RTDOSE, the way a planning system exports them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import CTImageStorage, RTDoseStorage, RTPlanStorage, RTStructureSetStorage, generate_uid

from ..core import Case, DoseGrid, Grid, Structure, Volume
from ..core.errors import OutputError
from ..io.dose_pixels import add_dose_image
from ..io.new_dicom import date_and_time, decimal, decimals, new_dataset, reference
from ..io.whole_files import encoded
from .plan_beams import beam_sequence, fraction_group

CREATED = datetime(2026, 1, 5, 9, 30)  # one moment for all objects, so that the same seed gives the same files
FLIPPED_AXES: dict[str, tuple[int, ...]] = {
    "HFS": (),
    "HFP": (0, 1),
    "FFS": (0, 2),
    "FFP": (1, 2),
}  # of x, y, z; the patient stays, the scan turns
COLOURS = {"External": (0, 128, 0), "PTV70": (255, 0, 0), "PTV63": (255, 128, 0), "PTV56": (255, 255, 0)}


@dataclass(frozen=True)
class Export:
    """What all objects of one export share."""

    orientation: str
    salt: str

    def uid(self, what: str) -> str:
        """The same for the same patient, every time."""
        return generate_uid(entropy_srcs=["DosePredict phantom", self.salt, what])

    def new(self, sop_class: str, modality: str, name: str, series: str, number: int) -> FileDataset:
        """An object with patient, study, series and equipment."""
        dataset = new_dataset(sop_class, uid=self.uid(name), created=CREATED)
        dataset.PatientName, dataset.PatientID = "DosePredict^Phantom", "PHANTOM"
        dataset.PatientBirthDate, dataset.PatientSex = "19700101", "O"
        dataset.StudyInstanceUID = self.uid("study")
        dataset.StudyDate, dataset.StudyTime = date_and_time(CREATED)
        dataset.StudyID, dataset.AccessionNumber, dataset.ReferringPhysicianName = "1", None, None
        dataset.StudyDescription = "Synthetic head-and-neck patient"
        dataset.Modality, dataset.SeriesInstanceUID, dataset.SeriesNumber = modality, self.uid(series), number
        dataset.SeriesDescription = f"Synthetic {modality}"
        dataset.OperatorsName = None
        dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = self.uid("frame of reference"), None
        dataset.Manufacturer, dataset.ManufacturerModelName = "DosePredict", "Phantom"
        return dataset


def write_case(folder: Path | str, case: Case, *, orientation: str = "HFS", salt: str = "0") -> None:
    """CT.<n>.dcm, RS.dcm, RP.dcm and RD.dcm of a case on grids with axes x, y, z, scanned in another position where asked.

    Raises OutputError where the folder is not writable or already holds files.
    """
    export = Export(orientation, f"{salt} {orientation}")
    folder = Path(folder)
    images = ct_images(case.ct, export)
    structure_set = rtstruct(case, images, export)
    plan = rtplan(case, structure_set, export)
    files = {f"CT.{number:03d}.dcm": image for number, image in enumerate(images, 1)}
    files |= {"RS.dcm": structure_set, "RP.dcm": plan}
    if case.reference is not None:
        files["RD.dcm"] = rtdose(case.reference, plan, export)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, dataset in files.items():
            with (folder / name).open("xb") as file:
                file.write(encoded(dataset))
    except OSError as error:
        raise OutputError(f"The phantom could not be written to the folder {folder.name} ({error.strerror}).") from None


def ct_images(ct: Volume, export: Export) -> list[FileDataset]:
    turned = turn(ct, export.orientation)
    return [_ct_image(turned, k, export) for k in range(turned.grid.size[2])]


def _ct_image(ct: Volume, k: int, export: Export) -> FileDataset:
    """PS3.3 A.3."""
    grid = ct.grid
    image = export.new(CTImageStorage, "CT", f"CT {k}", "CT series", 1)
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.AcquisitionNumber, image.InstanceNumber = 1, k + 1
    image.ContentDate, image.ContentTime = date_and_time(CREATED)
    image.BodyPartExamined = "HEADNECK"
    image.PatientPosition = export.orientation
    image.KVP = decimal(120)
    image.ImagePositionPatient = decimals(grid.to_world(np.array([0, 0, k])))
    image.ImageOrientationPatient = decimals(np.round(grid.axes[:, :2].T.ravel()) + 0.0)
    image.PixelSpacing = decimals((grid.spacing[1], grid.spacing[0]))
    image.SliceThickness = decimal(grid.spacing[2])
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns = grid.size[1], grid.size[0]
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
    image.RescaleIntercept, image.RescaleSlope, image.RescaleType = decimal(0), decimal(1), "HU"
    image.WindowCenter, image.WindowWidth = decimal(40), decimal(400)
    image.add_new("PixelData", "OW", np.ascontiguousarray(ct.array[k], dtype="<i2").tobytes())
    return image


def rtstruct(case: Case, images: list[FileDataset], export: Export) -> FileDataset:
    """PS3.3 A.19."""
    dataset = export.new(RTStructureSetStorage, "RTSTRUCT", "RTSTRUCT", "RTSTRUCT series", 2)
    dataset.StructureSetLabel = "PHANTOM"
    dataset.StructureSetDate, dataset.StructureSetTime = date_and_time(CREATED)
    dataset.ReferencedFrameOfReferenceSequence = [_referenced_frame(images)]
    dataset.StructureSetROISequence = [_roi(structure, images[0].FrameOfReferenceUID) for structure in case.structures]
    image_at = {round(float(image.ImagePositionPatient[2]), 3): image for image in images}
    dataset.ROIContourSequence = [_roi_contours(structure, image_at) for structure in case.structures]
    dataset.RTROIObservationsSequence = [_observation(structure) for structure in case.structures]
    dataset.ApprovalStatus = "UNAPPROVED"
    return dataset


def _referenced_frame(images: list[FileDataset]) -> Dataset:
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = images[0].SeriesInstanceUID
    series.ContourImageSequence = [reference(image) for image in images]
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"  # Detached Study Management, as planning systems write it
    study.ReferencedSOPInstanceUID = images[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame


def _roi(structure: Structure, frame_of_reference: str) -> Dataset:
    item = Dataset()
    item.ROINumber, item.ROIName = structure.number, structure.name
    item.ReferencedFrameOfReferenceUID = frame_of_reference
    item.ROIGenerationAlgorithm = "AUTOMATIC"
    return item


def _roi_contours(structure: Structure, image_at: dict[float, FileDataset]) -> Dataset:
    item = Dataset()
    item.ROIDisplayColor = list(COLOURS.get(structure.name, (0, 60 + 17 * structure.number, 255 - 15 * structure.number)))
    item.ReferencedROINumber = structure.number
    item.ContourSequence = [_contour(points, image_at[round(float(points[0, 2]), 3)]) for points in structure.contours]
    return item


def _contour(points: np.ndarray, image: Dataset) -> Dataset:
    item = Dataset()
    item.ContourImageSequence = [reference(image)]
    item.ContourGeometricType = "CLOSED_PLANAR"
    item.NumberOfContourPoints = len(points)
    item.ContourData = [f"{value:.3f}" for value in points.ravel()]
    return item


def _observation(structure: Structure) -> Dataset:
    item = Dataset()
    item.ObservationNumber = item.ReferencedROINumber = structure.number
    item.RTROIInterpretedType = structure.interpreted_type
    item.ROIInterpreter = None
    return item


def rtplan(case: Case, structure_set: Dataset, export: Export) -> FileDataset:
    """PS3.3 A.20: the nine fields, and the prescriptions as dose references."""
    dataset = export.new(RTPlanStorage, "RTPLAN", "RTPLAN", "RTPLAN series", 3)
    dataset.RTPlanLabel, dataset.RTPlanName = "HN 70/63/56", "Nine fields, simultaneous boost"
    dataset.RTPlanDate, dataset.RTPlanTime = date_and_time(CREATED)
    dataset.PlanIntent, dataset.RTPlanGeometry = "RESEARCH", "PATIENT"
    dataset.ReferencedStructureSetSequence = [reference(structure_set)]
    dataset.DoseReferenceSequence = [
        _dose_reference(n, target.roi, target.dose_gy, case.structures[target.roi].number, export)
        for n, target in enumerate(case.prescription.targets, 1)
    ]
    dataset.FractionGroupSequence = [fraction_group()]
    dataset.PatientSetupSequence = [_setup(export.orientation)]
    dataset.BeamSequence = beam_sequence(_isocentre(case), export.orientation)
    dataset.ApprovalStatus = "UNAPPROVED"
    return dataset


def _dose_reference(number: int, name: str, gray: float, roi: int, export: Export) -> Dataset:
    item = Dataset()
    item.DoseReferenceNumber, item.DoseReferenceUID = number, export.uid(f"dose reference {number}")
    item.DoseReferenceStructureType, item.DoseReferenceType = "VOLUME", "TARGET"
    item.DoseReferenceDescription, item.ReferencedROINumber = name, roi
    item.TargetPrescriptionDose = decimal(gray)
    return item


def _setup(orientation: str) -> Dataset:
    item = Dataset()
    item.PatientSetupNumber, item.PatientPosition, item.SetupTechnique = 1, orientation, "ISOCENTRIC"
    return item


def _isocentre(case: Case) -> np.ndarray:
    """(3,) LPS mm, whole millimetres: the middle of the targets."""
    points = np.vstack([contour for target in case.prescription.targets for contour in case.structures[target.roi].contours])
    return np.round((points.min(axis=0) + points.max(axis=0)) / 2)


def rtdose(dose: DoseGrid, plan: Dataset, export: Export) -> FileDataset:
    """PS3.3 A.18.3."""
    dataset = export.new(RTDoseStorage, "RTDOSE", "RTDOSE", "RTDOSE series", 4)
    dataset.InstanceNumber = 1
    turned = turn(Volume(dose.gray, dose.grid), export.orientation)
    add_dose_image(dataset, DoseGrid(turned.array, turned.grid))
    dataset.DoseSummationType = "PLAN"
    dataset.TissueHeterogeneityCorrection = "IMAGE"
    dataset.ReferencedRTPlanSequence = [reference(plan)]
    return dataset


def turn(volume: Volume, orientation: str) -> Volume:
    """The same voxels at the same places, stored as a scan in another patient position stores them."""
    axes = FLIPPED_AXES[orientation]
    array = np.flip(volume.array, tuple(2 - axis for axis in axes))
    return Volume(np.ascontiguousarray(array), _flipped(volume.grid, axes))


def _flipped(grid: Grid, axes: tuple[int, ...]) -> Grid:
    corner, signs = np.zeros(3), np.ones(3)
    for axis in axes:
        corner[axis], signs[axis] = grid.size[axis] - 1, -1
    direction = (grid.axes * signs + 0.0).ravel().tolist()
    x, y, z = grid.to_world(corner).tolist()
    return replace(grid, origin=(x, y, z), direction=tuple(direction))
