"""Rasteriser and distance maps beside other programs: accuracy and time.

    python Testing/Benchmarks/preprocessing.py

Compares with whatever of rt-utils, plastimatch and SciPy is installed for the Python that runs it. Prints Markdown.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from DosePredictLib.core import Grid, Structure, Volume
from DosePredictLib.preprocessing.body import body_mask
from DosePredictLib.preprocessing.contours import rasterise
from DosePredictLib.preprocessing.distance_maps import signed_distance_mm

GRID = Grid((512, 512, 120), (1.0, 1.0, 2.5), (-255.5, -255.5, -150.0))
MODEL_GRID = Grid((128, 128, 120), (3.90625, 3.90625, 2.5), (-248.0, -248.0, -150.0))
PLANES = GRID.origin[2] + GRID.spacing[2] * np.arange(GRID.size[2])
Shape = tuple[list[np.ndarray], float, str]  # contours in mm, true volume in cc, ContourGeometricType of the inner ones


def ellipse(a: float, b: float, z: float, points: int = 360) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([0.3 + a * np.cos(angle), -0.7 + b * np.sin(angle), np.full(points, z)], axis=1)


def sphere(radius: float) -> Shape:
    """As discs on the slices; the truth is the volume of these discs, not of the sphere they were cut from."""
    squares = [(z, radius**2 - (z - 1.0) ** 2) for z in PLANES]
    discs = [ellipse(square**0.5, square**0.5, z) for z, square in squares if square > 0]
    return discs, sum(np.pi * square * GRID.spacing[2] for _, square in squares if square > 0) / 1000, "CLOSED_PLANAR"


def tube(radii: tuple[float, ...], planes: np.ndarray, height: float, kind: str = "CLOSED_PLANAR") -> Shape:
    area = sum(np.pi * radius**2 * (-1) ** n for n, radius in enumerate(radii))
    return [ellipse(radius, radius, z) for z in planes for radius in radii], area * height / 1000, kind


def keyhole(outer: float, inner: float, planes: np.ndarray) -> Shape:
    contours = []
    for z in planes:
        rim, hole = ellipse(outer, outer, z), ellipse(inner, inner, z)[::-1]
        contours.append(np.concatenate([rim, rim[:1], hole[-1:], hole]))
    return contours, np.pi * (outer**2 - inner**2) * len(planes) * GRID.spacing[2] / 1000, "CLOSED_PLANAR"


def box(half: float, planes: np.ndarray) -> Shape:
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half + 0.5
    contours = [np.column_stack([corners, np.full(4, z)]) for z in planes]
    return contours, 4 * half**2 * len(planes) * GRID.spacing[2] / 1000, "CLOSED_PLANAR"


def shapes() -> dict[str, Shape]:
    middle = PLANES[50:70]
    return {
        "sphere 30 mm": sphere(30.0),
        "sphere 10 mm": sphere(10.0),
        "sphere 5 mm": sphere(5.0),
        "ring, two contours": tube((20.0, 10.0), middle, 50.0),
        "ring, XOR": tube((20.0, 10.0), middle, 50.0, "CLOSEDPLANAR_XOR"),
        "ring, keyhole": keyhole(20.0, 10.0, middle),
        "three nested": tube((25.0, 17.0, 8.0), middle, 50.0),
        "every second slice": tube((15.0,), PLANES[40:80:2], 100.0),
        "between slices": tube((15.0,), middle + 1.25, 50.0),
        "box on voxel centres": box(10.0, middle),
        "cord": tube((6.0,), PLANES, 300.0),
        "body": ([ellipse(200, 130, z, 720) for z in PLANES], np.pi * 200 * 130 * 300 / 1000, "CLOSED_PLANAR"),
    }


def common(modality: str, storage: str, study: str, frame: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = storage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.Modality, dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = modality, study, frame
    dataset.PatientName, dataset.PatientID, dataset.StudyDate, dataset.StudyTime = "Phantom", "PHANTOM", "20000101", "000000"
    dataset.StudyID, dataset.AccessionNumber, dataset.PatientBirthDate, dataset.PatientSex = "1", "", "", ""
    return dataset


def write_ct(folder: Path, study: str, frame: str) -> list[Dataset]:
    series = generate_uid()
    slices = []
    for number, z in enumerate(PLANES):
        ct = common("CT", CTImageStorage, study, frame)
        ct.SeriesInstanceUID, ct.SeriesNumber, ct.InstanceNumber = series, 1, number + 1
        ct.ImagePositionPatient = [GRID.origin[0], GRID.origin[1], float(z)]
        ct.ImageOrientationPatient, ct.PixelSpacing = [1, 0, 0, 0, 1, 0], [GRID.spacing[1], GRID.spacing[0]]
        ct.SliceThickness, ct.PatientPosition = GRID.spacing[2], "HFS"
        ct.Rows, ct.Columns, ct.SamplesPerPixel, ct.PhotometricInterpretation = GRID.size[1], GRID.size[0], 1, "MONOCHROME2"
        ct.BitsAllocated, ct.BitsStored, ct.HighBit, ct.PixelRepresentation = 16, 16, 15, 1
        ct.RescaleSlope, ct.RescaleIntercept, ct.RescaleType = 1, 0, "HU"
        ct.PixelData = np.zeros((GRID.size[1], GRID.size[0]), dtype="<i2").tobytes()
        ct.save_as(folder / f"CT.{number:03d}.dcm", enforce_file_format=True)
        slices.append(ct)
    return slices


def items(**fields: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in fields.items():
        setattr(dataset, keyword, value)
    return dataset


def write_rtstruct(path: Path, phantom: dict[str, Shape], slices: list[Dataset]) -> None:
    first, frame = slices[0], slices[0].FrameOfReferenceUID
    images = [items(ReferencedSOPClassUID=s.SOPClassUID, ReferencedSOPInstanceUID=s.SOPInstanceUID) for s in slices]
    rs = common("RTSTRUCT", RTStructureSetStorage, first.StudyInstanceUID, frame)
    rs.SeriesInstanceUID, rs.StructureSetLabel = generate_uid(), "PHANTOM"
    rs.StructureSetDate, rs.StructureSetTime = "20000101", "000000"
    rs.ReferencedFrameOfReferenceSequence = [
        items(FrameOfReferenceUID=frame, RTReferencedStudySequence=[study_item(first, images)])
    ]
    rs.StructureSetROISequence, rs.ROIContourSequence, rs.RTROIObservationsSequence = [], [], []
    for n, (name, (contours, _, kind)) in enumerate(phantom.items(), 1):
        roi = items(ROINumber=n, ROIName=name, ReferencedFrameOfReferenceUID=frame, ROIGenerationAlgorithm="")
        drawn = [contour_item(contour, kind, images) for contour in contours]
        rs.StructureSetROISequence.append(roi)
        rs.ROIContourSequence.append(items(ReferencedROINumber=n, ROIDisplayColor=[255, 0, 0], ContourSequence=drawn))
        rs.RTROIObservationsSequence.append(items(ObservationNumber=n, ReferencedROINumber=n, RTROIInterpretedType=""))
    rs.save_as(path, enforce_file_format=True)


def study_item(ct: Dataset, images: list[Dataset]) -> Dataset:
    series = items(SeriesInstanceUID=ct.SeriesInstanceUID, ContourImageSequence=images)
    return items(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",
        ReferencedSOPInstanceUID=ct.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )


def contour_item(contour: np.ndarray, kind: str, images: list[Dataset]) -> Dataset:
    nearest = images[int(np.argmin(np.abs(PLANES - contour[0, 2])))]
    data = [f"{value:.4f}" for value in contour.ravel()]
    return items(
        ContourGeometricType=kind,
        NumberOfContourPoints=len(contour),
        ContourData=data,
        ContourImageSequence=[nearest],
    )


def timed(call: Callable[[], object], repeats: int = 3) -> tuple[object, float]:
    """The result and the best time in seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def with_ours(phantom: dict[str, Shape], folder: Path) -> tuple[dict[str, float], float]:
    structures = [Structure(name, tuple(contours)) for name, (contours, _, _) in phantom.items()]
    rasters, seconds = timed(lambda: [rasterise(structure, GRID) for structure in structures])
    volumes = [r.volume.array.sum(dtype=float) * GRID.voxel_volume_cc for r in rasters]  # type: ignore[attr-defined]
    return dict(zip(phantom, volumes, strict=True)), seconds


def with_rt_utils(phantom: dict[str, Shape], folder: Path) -> tuple[dict[str, float], float]:
    from rt_utils import RTStructBuilder

    rtstruct = RTStructBuilder.create_from(dicom_series_path=str(folder / "CT"), rt_struct_path=str(folder / "RS.dcm"))
    names = [name for name in phantom if len(phantom[name][0])]
    masks, seconds = timed(lambda: [rtstruct.get_roi_mask_by_name(name).sum() for name in names], repeats=1)
    return {name: count * GRID.voxel_volume_cc for name, count in zip(names, masks, strict=True)}, seconds  # type: ignore[call-overload]


def with_plastimatch(phantom: dict[str, Shape], folder: Path) -> tuple[dict[str, float], float]:
    program = shutil.which("plastimatch") or str(Path(sys.executable).with_name("plastimatch"))
    out = folder / "plastimatch"
    options = ["--input", folder / "RS.dcm", "--referenced-ct", folder / "CT", "--output-prefix", out, "--prefix-format", "nrrd"]
    command = [program, "convert", *map(str, options)]
    _, seconds = timed(lambda: subprocess.run(command, check=True, capture_output=True), repeats=1)
    volumes = {}
    for name in phantom:
        files = [p for p in out.glob("*.nrrd") if comparable(p.stem) == comparable(name)]
        image = sitk.ReadImage(str(files[0])) if files else None
        volumes[name] = 0.0 if image is None else sitk.GetArrayViewFromImage(image).sum() * np.prod(image.GetSpacing()) / 1000
    return volumes, seconds


def comparable(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def rasteriser_table() -> list[str]:
    phantom = shapes()
    programs = {f"DosePredict {version('dosepredict')}".strip(): with_ours}
    if importlib.util.find_spec("rt_utils"):
        programs[f"rt-utils {version('rt-utils')}"] = with_rt_utils
    if shutil.which("plastimatch") or Path(sys.executable).with_name("plastimatch").exists():
        programs[f"plastimatch {version('plastimatch')}"] = with_plastimatch
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "CT").mkdir()
        write_rtstruct(folder / "RS.dcm", phantom, write_ct(folder / "CT", generate_uid(), generate_uid()))
        results = {program: run(phantom, folder) for program, run in programs.items()}
    rows = ["| structure | cc | " + " | ".join(results) + " |", "|---|---|" + "---|" * len(results)]
    for shape, (_, truth, _) in phantom.items():
        errors = [f"{100 * (volumes[shape] / truth - 1):+.2f} %" for volumes, _ in results.values()]
        rows.append(f"| {shape} | {truth:.2f} | " + " | ".join(errors) + " |")
    rows.append("| **all 12, seconds** | | " + " | ".join(f"{seconds:.2f}" for _, seconds in results.values()) + " |")
    return rows


def version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def distance_table() -> list[str]:
    rows = ["| grid | voxels | DosePredict, s | SciPy EDT (inside and outside), s |", "|---|---|---|---|"]
    for name, grid in (("model grid", MODEL_GRID), ("CT", GRID.cropped((128, 128, 0), (256, 256, 120)))):
        occupancy = rasterise(Structure("sphere", tuple(sphere(30.0)[0])), grid).on(grid)
        _, ours = timed(lambda occupancy=occupancy, grid=grid: signed_distance_mm(occupancy, grid))
        rows.append(f"| {name} | {'x'.join(map(str, grid.size))} | {ours:.2f} | {scipy_seconds(occupancy, grid)} |")
    return rows


def scipy_seconds(occupancy: np.ndarray, grid: Grid) -> str:
    if importlib.util.find_spec("scipy") is None:
        return "not installed"
    from scipy.ndimage import distance_transform_edt

    inside, sampling = occupancy >= 0.5, grid.spacing[::-1]
    return f"{timed(lambda: [distance_transform_edt(mask, sampling=sampling) for mask in (inside, ~inside)])[1]:.2f}"


def accuracy_table() -> list[str]:
    """Errors of the distance maps, in mm, around spheres whose distance is known."""
    rows = [
        "| voxel, mm | radius | mean error inside | outside | largest | voxel diagonal |",
        "|---|---|---|---|---|---|",
    ]
    for spacing in ((1.0, 1.0, 1.0), (2.0, 2.0, 2.5), (3.90625, 3.90625, 2.5)):
        size = tuple(int(100 / s) for s in spacing)
        grid = Grid(size, spacing, tuple(0.3 - s * (n - 1) / 2 for s, n in zip(spacing, size, strict=True)))
        place = grid.to_world(np.stack(np.indices(grid.shape)[::-1], axis=-1))
        for radius in (30.0, 10.0):
            truth = radius - np.linalg.norm(place, axis=-1)
            error = signed_distance_mm((truth >= 0).astype(np.float32), grid) - truth
            means = f"{error[truth >= 0].mean():+.2f} | {error[truth < 0].mean():+.2f}"
            sizes = " x ".join(f"{s:g}" for s in spacing)
            rows.append(f"| {sizes} | {radius:g} | {means} | {np.abs(error).max():.2f} | {np.linalg.norm(spacing):.2f} |")
    return rows


def body_line() -> str:
    grid = GRID.cropped((0, 0, 0), (512, 512, 100))
    body = rasterise(Structure("body", tuple(shapes()["body"][0])), grid).on(grid)
    hu = (1000 * body - 1000 + np.random.default_rng(0).normal(0, 20, grid.shape)).astype(np.float32)
    return f"Body outline of a noisy 512x512x100 CT: {timed(lambda: body_mask(Volume(hu, grid)))[1]:.2f} s."


def main() -> None:
    packages = ", ".join(f"{p} {version(p)}" for p in ("numpy", "SimpleITK", "scipy", "pydicom") if version(p))
    print(f"Python {sys.version.split()[0]}, {packages}\n")
    for table in (rasteriser_table(), distance_table(), accuracy_table()):
        print("\n".join(table), end="\n\n")
    print(body_line())


if __name__ == "__main__":
    main()
