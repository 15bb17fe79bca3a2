"""A patient made of DICOM objects, each of which a test may spoil."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "RTDOSE": "1.2.840.10008.5.1.4.1.1.481.2",
    "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
    "RTPLAN": "1.2.840.10008.5.1.4.1.1.481.5",
}
ORIENTATIONS = {  # ImageOrientationPatient of axial slices, PS3.3 C.7.6.2.1.1
    "HFS": (1, 0, 0, 0, 1, 0),
    "HFP": (-1, 0, 0, 0, -1, 0),
    "FFS": (-1, 0, 0, 0, 1, 0),
    "FFP": (1, 0, 0, 0, -1, 0),
    "HFDL": (0, -1, 0, 1, 0, 0),
    "HFDR": (0, 1, 0, -1, 0, 0),
    "FFDL": (0, 1, 0, 1, 0, 0),
    "FFDR": (0, -1, 0, -1, 0, 0),
}
Change = Callable[[Dataset], object]


def position_code(points: np.ndarray) -> np.ndarray:
    """A number that tells where a point (..., 3) in LPS mm lies; linear, so that voxels prove their place."""
    return np.asarray(points) @ np.array([1.0, 2.0, 4.0])


def square(x: float, y: float, z: float, half: float) -> np.ndarray:
    """A square contour, (4, 3)."""
    return np.array([(x - half, y - half, z), (x + half, y - half, z), (x + half, y + half, z), (x - half, y + half, z)])


def box(x: float, y: float, half: float, heights: Iterable[float]) -> list[np.ndarray]:
    return [square(x, y, z, half) for z in heights]


class Patient:
    """Writes objects of one study and one frame of reference into ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.study, self.frame, self.series = generate_uid(), generate_uid(), generate_uid()
        self.struct_uid, self.plan_uid = generate_uid(), generate_uid()

    def ct(
        self,
        *,
        orientation: str | Sequence[float] = "HFS",
        slices: int = 10,
        origin: Sequence[float] = (-47.5, -37.5, -20.0),
        spacing: Sequence[float] = (2.5, 5.0),  # between rows, between columns
        step: float = 5.0,
        size: Sequence[int] = (31, 20),  # rows, columns
        series: str = "",
        prefix: str = "x",
        change: Callable[[int, Dataset], object] = lambda k, d: None,
    ) -> list[Path]:
        """HU = position_code; ``change(k, slice)`` spoils slice k. The file names are in no order of space."""
        iop = np.array(ORIENTATIONS[orientation] if isinstance(orientation, str) else orientation, dtype=float)
        row, column = iop.reshape(2, 3)
        normal = np.cross(row, column)
        j, i = np.mgrid[: size[0], : size[1]]
        paths = []
        for k in range(slices):
            place = np.array(origin) + k * step * normal
            points = place + i[..., None] * spacing[1] * row + j[..., None] * spacing[0] * column
            dataset = self._new("CT", series=series or self.series)
            self._plane(dataset, iop, place, spacing, size)
            _pixels(dataset, np.round(position_code(points) + 1000).astype(np.uint16), signed=False)
            dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1000
            dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
            dataset.PatientPosition = orientation if isinstance(orientation, str) else "HFS"
            change(k, dataset)
            paths.append(self._save(dataset, f"{prefix}{(k * 7) % 97:02d}_{k}"))
        return paths

    def rtstruct(
        self,
        rois: Mapping[str, Sequence[np.ndarray]],
        *,
        types: Mapping[str, str] | None = None,
        kinds: Mapping[str, str] | None = None,
        name: str = "structures",
        change: Change = lambda d: None,
    ) -> Path:
        dataset = self._new("RTSTRUCT", uid=self.struct_uid)
        dataset.StructureSetLabel, dataset.StructureSetDate = "SET", "20260101"
        image_series = _item(SeriesInstanceUID=self.series)
        study = _item(RTReferencedSeriesSequence=[image_series])
        dataset.ReferencedFrameOfReferenceSequence = [_item(FrameOfReferenceUID=self.frame, RTReferencedStudySequence=[study])]
        numbered = list(enumerate(rois.items(), start=1))
        dataset.StructureSetROISequence = [
            _item(ROINumber=n, ROIName=roi, ReferencedFrameOfReferenceUID=self.frame) for n, (roi, _) in numbered
        ]
        dataset.ROIContourSequence = [
            _item(ReferencedROINumber=n, ContourSequence=[_contour(c, (kinds or {}).get(roi, "CLOSED_PLANAR")) for c in contours])
            for n, (roi, contours) in numbered
        ]
        dataset.RTROIObservationsSequence = [
            _item(ObservationNumber=n, ReferencedROINumber=n, RTROIInterpretedType=(types or {}).get(roi, ""))
            for n, (roi, _) in numbered
        ]
        change(dataset)
        return self._save(dataset, name)

    def rtplan(
        self,
        prescriptions: Sequence[tuple[int | None, str, float]] = (),
        *,
        fractions: int = 35,
        beams: Sequence[int] = (1, 2),
        name: str = "plan",
        change: Change = lambda d: None,
    ) -> Path:
        """prescriptions: (ROI number or None for a site, description, Gy)."""
        dataset = self._new("RTPLAN", uid=self.plan_uid)
        dataset.RTPlanLabel, dataset.RTPlanDate = "PLAN", "20260102"
        dataset.ReferencedStructureSetSequence = [_item(ReferencedSOPInstanceUID=self.struct_uid)]
        dataset.DoseReferenceSequence = [_dose_reference(k, *p) for k, p in enumerate(prescriptions, start=1)]
        dataset.FractionGroupSequence = [
            _item(FractionGroupNumber=1, NumberOfFractionsPlanned=fractions, NumberOfBeams=len(beams))
        ]
        dataset.BeamSequence = [_item(BeamNumber=b, BeamName=f"B{b}", TreatmentDeliveryType="TREATMENT") for b in beams]
        change(dataset)
        return self._save(dataset, name)

    def rtdose(
        self,
        *,
        gray: np.ndarray | None = None,
        orientation: str = "HFS",
        origin: Sequence[float] = (-30.0, -20.0, -15.0),
        spacing: Sequence[float] = (2.0, 4.0),
        offsets: Sequence[float] = (0.0, 5.0, 10.0, 15.0),
        scaling: float = 1e-3,
        summation: str = "PLAN",
        name: str = "dose",
        change: Change = lambda d: None,
    ) -> Path:
        """gray: [frame, row, column]; where None, frame n at offset along the normal holds 200 Gy + position_code / 10."""
        iop = np.array(ORIENTATIONS[orientation], dtype=float)
        row, column = iop.reshape(2, 3)
        if gray is None:
            k, j, i = np.meshgrid(offsets, np.arange(12), np.arange(9), indexing="ij")
            points = np.array(origin) + k[..., None] * np.cross(row, column)
            points = points + i[..., None] * spacing[1] * row + j[..., None] * spacing[0] * column
            gray = 200 + position_code(points) / 10
        dataset = self._new("RTDOSE")
        self._plane(dataset, iop, origin, spacing, gray.shape[1:])
        _pixels(dataset, np.round(gray / scaling).astype(np.uint32), signed=False)
        dataset.NumberOfFrames, dataset.GridFrameOffsetVector = len(gray), [float(v) for v in offsets]
        dataset.DoseGridScaling, dataset.DoseUnits, dataset.DoseType = scaling, "GY", "PHYSICAL"
        dataset.DoseSummationType = summation
        dataset.ReferencedRTPlanSequence = [_item(ReferencedSOPInstanceUID=self.plan_uid)]
        change(dataset)
        return self._save(dataset, name)

    def head_and_neck(self, **changes: object) -> None:
        """CT, structure set, plan (70 Gy to ROI 1, 56 Gy to ROI 2) and dose of a small, complete case; axes LPS."""
        heights = np.arange(-15.0, 20.0, 5.0)
        self.ct()
        self.rtstruct(
            {
                "PTV_70": box(0, 0, 8, heights[2:5]),
                "PTV_56": box(0, 0, 14, heights[1:6]),
                "BODY": box(0, 0, 34, heights),
                "Parotid_L": box(20, 0, 5, heights[1:4]),
                "Parotid_R": box(-20, 0, 5, heights[1:4]),
                "Spinal Cord": box(0, 20, 4, heights),
            },
            types={"BODY": "EXTERNAL"},
        )
        self.rtplan([(1, "high", 70.0), (2, "low", 56.0)])
        self.rtdose(gray=np.full((4, 12, 9), 71.0))

    def _new(self, modality: str, *, series: str = "", uid: str = "") -> Dataset:
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = CLASSES[modality], uid or generate_uid()
        dataset.Modality, dataset.PatientName, dataset.PatientID = modality, "Secret^Name", "SECRET-ID"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = self.study, series or generate_uid()
        dataset.FrameOfReferenceUID = self.frame
        return dataset

    def _plane(
        self, dataset: Dataset, iop: np.ndarray, place: Sequence[float], spacing: Sequence[float], size: Sequence[int]
    ) -> None:
        dataset.ImageOrientationPatient, dataset.ImagePositionPatient = list(iop), [float(v) for v in place]
        dataset.PixelSpacing, (dataset.Rows, dataset.Columns) = list(spacing), size
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"

    def _save(self, dataset: Dataset, name: str) -> Path:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = self.folder / name
        file = FileDataset(str(path), dataset, file_meta=meta, preamble=b"\0" * 128)
        if pydicom.__version__ < "3":
            file.is_little_endian, file.is_implicit_VR = True, False
        file.save_as(path)
        return path


@pytest.fixture
def ct_header() -> Dataset:
    """What a planning CT says of its patient; empty where a hospital leaves it empty."""
    header = Dataset()
    header.PatientName, header.PatientID, header.PatientBirthDate, header.PatientSex = "Doe^Jane", "0042 ", "", "F"
    header.StudyInstanceUID, header.FrameOfReferenceUID = "1.2.3.4", "1.2.3.5"
    header.StudyDate, header.StudyTime, header.StudyID, header.AccessionNumber = "20260105", "093000.125", "", None
    header.ReferringPhysicianName, header.StudyDescription, header.PositionReferenceIndicator = "", "Head and neck", "XY"
    header.PatientWeight, header.Manufacturer, header.PatientPosition = "71.5", "Scanner maker", "HFS"
    return header


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(tmp_path)


@pytest.fixture
def whole_patient(patient: Patient) -> Patient:
    patient.head_and_neck()
    return patient


@pytest.fixture(params=sorted(ORIENTATIONS))
def orientation(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def code() -> Callable[[np.ndarray], np.ndarray]:
    return position_code


@pytest.fixture
def draw_box() -> Callable[..., list[np.ndarray]]:
    return box


@pytest.fixture
def sets(shared: Path) -> Path:
    """The folder of real DICOM-RT sets."""
    folder = shared / "data" / "dicom-rt"
    if not folder.is_dir():
        pytest.skip("the DICOM-RT reference sets (../shared/data/dicom-rt) are not on this machine")
    return folder


def _item(**values: object) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _contour(points: np.ndarray, kind: str) -> Dataset:
    data = [f"{v:.6g}" for v in np.ravel(points)]
    return _item(ContourGeometricType=kind, NumberOfContourPoints=len(data) // 3, ContourData=data)


def _dose_reference(number: int, roi: int | None, description: str, dose: float) -> Dataset:
    reference = _item(DoseReferenceNumber=number, DoseReferenceStructureType="SITE" if roi is None else "VOLUME")
    if roi is not None:
        reference.ReferencedROINumber = roi
    reference.DoseReferenceDescription, reference.DoseReferenceType = description, "TARGET"
    reference.TargetPrescriptionDose = dose
    return reference


def _pixels(dataset: Dataset, stored: np.ndarray, *, signed: bool) -> None:
    bits = 8 * stored.dtype.itemsize
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(signed)
    dataset.add_new("PixelData", "OW", stored.tobytes())


@pytest.fixture
def rtstruct() -> Dataset:
    """A structure set's header with two targets."""
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID = pydicom.uid.RTStructureSetStorage, "1.2.3.6"
    header.StructureSetROISequence = []
    for number, name in ((4, "PTV70"), (9, "PTV56")):
        roi = Dataset()
        roi.ROINumber, roi.ROIName = number, name
        header.StructureSetROISequence.append(roi)
    return header
