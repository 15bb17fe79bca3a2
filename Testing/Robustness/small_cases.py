"""Complete cases cut down to a few coarse slices, so that one is read in some hundredths of a second."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from datasets import places, read, written
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from DosePredictLib.phantom import COARSE_MM, write_phantom

SLICES = 4
POINTS = 12  # of a contour
CONTROL_POINTS = 2  # of a beam
LENGTHS = ("ContourData", "ImagePositionPatient", "PixelSpacing", "SliceThickness", "IsocenterPosition")


@dataclass(frozen=True)
class SmallCase:
    """The files of a case by name, and the prescription a user must give where the files do not tell it."""

    name: str
    files: dict[str, bytes]
    prescription: dict[str, float] = field(default_factory=dict)


def small_cases(shared: Path | None) -> Iterator[SmallCase]:
    """The synthetic patient and, where the folder of reference data is given, real ones of four planning systems."""
    with tempfile.TemporaryDirectory() as folder:
        write_phantom(folder, spacing_mm=COARSE_MM)
        yield _small("synthetic", sorted(Path(folder).rglob("*.dcm")), "PTV70", thinned=4)
        if shared is None:
            return
        sets = shared / "data" / "dicom-rt"
        eclipse = sorted((sets / "eclipse-prostate-rando").rglob("*.dcm"))
        yield _small("eclipse", eclipse, "PTV", thinned=8)
        breast = sorted((sets / "breast-boost-complete").rglob("*.dcm"))
        yield _small("breast", breast, "Tumor Bed Block", thinned=16, prescription={"Tumor Bed Block": 14.0})
        with zipfile.ZipFile(sets / "matrad-phantom-nodose" / "dicomExport_CT_RTSTRUCT.zip") as archive:
            archive.extractall(folder)
        matrad = sorted(Path(folder, "dicomExport").glob("*.dcm"))
        yield _small("matrad", matrad, "Volume2", thinned=8, prescription={"Volume2": 60.0})


def doll(case: SmallCase, scale: float = 0.2) -> SmallCase:
    """A case without its planned dose, all lengths multiplied: what takes time with the volume takes little."""
    files = {}
    for name, data in case.files.items():
        dataset = read(data)
        for place in places(dataset, lambda e: e.keyword in LENGTHS):
            values = np.atleast_1d(np.array(place.element.value, dtype=float)) * scale
            place.owner.add_new(place.element.tag, "DS", [f"{v:.3f}" for v in values])
        if dataset.Modality != "RTDOSE":
            files[name] = written(dataset)
    return SmallCase(case.name, files, case.prescription)


def loose_objects(shared: Path) -> SmallCase:
    """Objects of other systems that make no case together: RayStation, Pinnacle, Monaco, Eclipse in eight positions."""
    sets = shared / "data" / "dicom-rt"
    edge = sets / "pymedphys-edge"
    paths = [
        *(sets / "raystation14-proton-beamdoses").glob("*.dcm"),
        *(edge / "orientation_empty_rtdose").glob("*.dcm"),
        *(edge / "pinnacle16_dose").glob("R*"),
        *(edge / "monaco_rtstruct").iterdir(),
        *(edge / "planar_2d_dose").glob("*Reference*"),
    ]
    files = {path.name: _encoded(_shrunk(pydicom.dcmread(path, force=True), 8)) for path in sorted(paths) if path.is_file()}
    return SmallCase("loose objects", files)


def _small(name: str, paths: list[Path], target: str, *, thinned: int, prescription: dict[str, float] | None = None) -> SmallCase:
    datasets = [(path, pydicom.dcmread(path, force=True)) for path in paths]
    structures = next(d for _, d in datasets if d.Modality == "RTSTRUCT")
    slices = sorted((d.ImagePositionPatient[2], path) for path, d in datasets if d.Modality == "CT")
    middle = np.searchsorted([z for z, _ in slices], _middle(structures, target))
    kept = slices[max(0, middle - SLICES // 2) :][:SLICES]
    uids = {d.SOPInstanceUID for path, d in datasets if path in [p for _, p in kept]}
    _keep_images(structures, uids)
    between = partial(_lies_between, kept[0][0] - 1, kept[-1][0] + 1)
    files = {}
    for path, dataset in datasets:
        if dataset.Modality == "CT" and path not in [p for _, p in kept]:
            continue
        files[path.name] = _encoded(_shrunk(dataset, thinned, path, between))
    return SmallCase(name, files, prescription or {})


def _keep_images(structures: Dataset, uids: set[str]) -> None:
    """Of the images a structure set was drawn on, these."""
    for frame in structures.ReferencedFrameOfReferenceSequence:
        for study in frame.get("RTReferencedStudySequence", ()):
            for series in study.RTReferencedSeriesSequence:
                images = series.get("ContourImageSequence", ())
                series.ContourImageSequence = [image for image in images if image.ReferencedSOPInstanceUID in uids]


def _lies_between(low: float, high: float, z: float) -> bool:
    return low <= z <= high


def _middle(structures: Dataset, target: str) -> float:
    """z of the middle of a target."""
    number = next(roi.ROINumber for roi in structures.StructureSetROISequence if roi.ROIName == target)
    drawn = next(roi for roi in structures.ROIContourSequence if roi.ReferencedROINumber == number)
    return float(np.median([float(contour.ContourData[2]) for contour in drawn.ContourSequence]))


def _shrunk(dataset: Dataset, thinned: int, path: Path | None = None, between=lambda z: True) -> Dataset:
    """The same object with fewer pixels, frames, contour points and control points."""
    if dataset.Modality == "CT":
        _shrink_slice(dataset, thinned, path)
    elif dataset.Modality == "RTDOSE" and "PixelData" in dataset and dataset.PixelData:
        _shrink_dose(dataset, thinned, between)
    for roi in dataset.get("ROIContourSequence", ()):
        _shrink_contours(roi, between)
    for beam in (*dataset.get("BeamSequence", ()), *dataset.get("IonBeamSequence", ())):
        for keyword in ("ControlPointSequence", "IonControlPointSequence"):
            if keyword in beam:
                beam[keyword].value = beam[keyword].value[:CONTROL_POINTS]
    if dataset.Modality not in ("CT", "RTSTRUCT", "RTPLAN", "RTDOSE"):
        dataset.pop("PixelData", None)
    return dataset


def _shrink_slice(dataset: Dataset, thinned: int, path: Path | None) -> None:
    """Pixels through ITK: some slices are compressed."""
    image = sitk.GetArrayFromImage(sitk.ReadImage(str(path), sitk.sitkFloat64))[0]
    stored = np.rint((image - float(dataset.RescaleIntercept)) / float(dataset.RescaleSlope))
    kind = "<i2" if dataset.PixelRepresentation else "<u2"
    _replace_pixels(dataset, stored[::thinned, ::thinned].astype(kind), thinned)


def _shrink_dose(dataset: Dataset, thinned: int, between) -> None:
    stored = dataset.pixel_array
    stored = stored if stored.ndim == 3 else stored[np.newaxis]
    offsets = np.array(dataset.get("GridFrameOffsetVector", None) or [0.0], dtype=float)
    z = offsets + float(dataset.ImagePositionPatient[2]) * (offsets[0] == 0)
    inside = np.flatnonzero([between(value) for value in z])
    frames = slice(max(0, inside[0] - 1), inside[-1] + 2) if len(z) > 2 * SLICES else slice(None)
    frames = slice(frames.start, min(frames.stop, frames.start + 2 * SLICES)) if frames.stop else frames
    if len(z) > 1:
        position = [float(v) for v in dataset.ImagePositionPatient]
        dataset.ImagePositionPatient = [*position[:2], round(float(z[frames][0]), 6)]
        kept = offsets[frames] - (offsets[frames][0] if offsets[0] == 0 else 0)
        dataset.GridFrameOffsetVector, dataset.NumberOfFrames = [round(float(v), 6) for v in kept], len(kept)
    pixels = stored[frames, ::thinned, ::thinned]
    _replace_pixels(dataset, pixels.astype(pixels.dtype.newbyteorder("<")), thinned)


def _replace_pixels(dataset: Dataset, stored: np.ndarray, thinned: int) -> None:
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.PixelSpacing = [float(v) * thinned for v in dataset.PixelSpacing]
    dataset.add_new("PixelData", "OW", stored.tobytes() + b"\0" * (stored.nbytes % 2))
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def _shrink_contours(roi: Dataset, between) -> None:
    kept = []
    for contour in roi.get("ContourSequence", ()):
        points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
        if not between(points[0, 2]):
            continue
        points = points[:: -(-len(points) // POINTS)]
        contour.ContourData, contour.NumberOfContourPoints = [f"{v:.2f}" for v in points.ravel()], len(points)
        kept.append(contour)
    roi.ContourSequence = kept


def _encoded(dataset: Dataset) -> bytes:
    meta = dataset.file_meta
    syntax = meta.get("TransferSyntaxUID") or ImplicitVRLittleEndian
    buffer = BytesIO()
    fresh = pydicom.dataset.FileDataset("", dataset, file_meta=meta, preamble=b"\0" * 128)
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    if int(pydicom.__version_info__[0]) < 3:
        fresh.is_little_endian, fresh.is_implicit_VR = True, syntax == ImplicitVRLittleEndian
    fresh.save_as(buffer)
    return buffer.getvalue()
