"""Dose-volume metrics of this library and of other programs beside the tables of planning systems.

    python Testing/Benchmarks/tps_tables.py ../shared/data/dicom-rt

Compares with whatever of dicompyler-core (pydicom 2) and plastimatch is installed for the Python that runs it, and with the
tables of CERR and SlicerRT that lie beside Eclipse's. Prints Markdown: each program minus Eclipse.
"""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from DosePredictLib.core import DoseGrid, TabulatedDvh
from DosePredictLib.evaluation.dvh import Dvh
from DosePredictLib.evaluation.tps_dvh import compare_dvh
from DosePredictLib.io.rtdose import read_rtdose
from DosePredictLib.io.rtstruct import read_rtstruct
from DosePredictLib.io.tps_dvh import read_tps_dvh
from DosePredictLib.preprocessing.contours import rasterise

Tables = dict[str, TabulatedDvh | Dvh]
HEADS = (
    "Structure",
    "Program",
    "volume %",
    "mean",
    "D98%",
    "D95%",
    "D50%",
    "D2%",
    "largest difference of the curves, % of volume",
)
BIN_GY = 0.01


def main() -> None:
    data = Path(sys.argv[1])
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    prostate, breast = data / "eclipse-prostate-rando", data / "breast-boost-complete"
    stored = {name: slicerrt_table(prostate, name) for name in ("Eclipse", "CERR", "SlicerRT")}
    files = (
        next(prostate.glob("original_dicom/RS*")),
        next(prostate.glob("derived_dicom/RD*")),
        prostate / "derived_dicom/CT_synthetic",
    )
    compare(stored.pop("Eclipse"), {**programs(*files), **stored}, skipped={"BODY"})
    files = breast / "RS.dcm", breast / "RD.dcm", breast / "CT"
    eclipse = {t.name: t for t in read_tps_dvh(files[1], read_rtstruct(files[0]).structures)}
    compare(eclipse, programs(*files), skipped={"BODY", "Borders", "Nodes", "Scar"})


def compare(eclipse: Tables, others: dict[str, Tables], skipped: set[str]) -> None:
    for roi in (name for name in eclipse if name not in skipped):
        for program, tables in others.items():
            match = {plain(name): table for name, table in tables.items()}.get(plain(roi))
            if match is not None:
                print(row(roi, program, match, eclipse[roi]))


def row(roi: str, program: str, found: TabulatedDvh | Dvh, eclipse: TabulatedDvh | Dvh) -> str:
    assert isinstance(eclipse, TabulatedDvh)
    ours = found if isinstance(found, Dvh) else Dvh.from_table(found)
    result = compare_dvh(ours, eclipse)
    metrics = " | ".join(f"{metric.difference:+.2f}" for metric in result.metrics)
    return f"| {roi} | {program} | {result.volume_percent:+.1f} | {metrics} | {result.largest_percent:+.1f} |"


def plain(name: str) -> str:
    return re.sub(r"\W|_", "", name).lower()


def programs(struct: Path, dose: Path, ct: Path) -> dict[str, Tables]:
    found = {"DosePredict": ours(struct, read_rtdose(dose).dose)}
    if importlib.util.find_spec("dicompylercore"):
        found["dicompyler-core, as installed"] = dict(dicompyler(struct, dose))
        found["dicompyler-core, interpolating"] = dict(dicompyler(struct, dose, interpolating=True))
    if shutil.which("plastimatch", path=str(Path(sys.executable).parent)):
        with contextlib.suppress(subprocess.CalledProcessError):  # it reads no CT in JPEG 2000
            found["plastimatch"] = dict(plastimatch(struct, dose, ct))
    return found


def ours(struct: Path, dose: DoseGrid) -> Tables:
    x, y, z = dose.grid.spacing
    fine = dose.grid.resampled((x / 2, y / 2, z))
    rasters = {s.name: rasterise(s, fine) for s in read_rtstruct(struct).structures if not s.is_empty}
    return {name: Dvh.of(dose, raster.volume) for name, raster in rasters.items() if not raster.is_empty}


def dicompyler(struct: Path, dose: Path, *, interpolating: bool = False) -> Iterator[tuple[str, TabulatedDvh]]:
    from dicompylercore import dicomparser, dvhcalc

    parsed = dicomparser.DicomParser(str(struct))
    spacing = [float(v) for v in dicomparser.DicomParser(str(dose)).ds.PixelSpacing]
    options = {"interpolation_resolution": spacing[0] / 2, "interpolation_segments_between_planes": 2} if interpolating else {}
    for number, roi in parsed.GetStructures().items():
        if roi["empty"] or roi["name"] in ("BODY", "Borders"):
            continue
        found = dvhcalc.get_dvh(str(struct), str(dose), number, **options)
        if found.volume > 0:
            percent, edges = np.asarray(found.relative_volume.counts), np.asarray(found.bins)[: len(found.counts)]
            yield (
                roi["name"],
                TabulatedDvh.cumulative(roi["name"], edges, percent, total_cc=found.volume, source="dicompyler-core"),
            )


def plastimatch(struct: Path, dose: Path, ct: Path) -> Iterator[tuple[str, TabulatedDvh]]:
    program = str(Path(sys.executable).parent / "plastimatch")
    with tempfile.TemporaryDirectory() as folder:
        image, names, gray, table = (f"{folder}/{name}" for name in ("ss.nrrd", "ss.txt", "dose.nrrd", "dvh.csv"))
        convert = ["convert", "--input", struct, "--referenced-ct", ct, "--output-ss-img", image, "--output-ss-list", names]
        histogram = ["dvh", "--input-ss-img", image, "--input-ss-list", names, "--input-dose", gray, "--output-csv", table]
        bins = ["--cumulative", "--normalization", "pct", "--dose-units", "gy", "--num-bins", "5000", "--bin-width", BIN_GY]
        steps = (convert, ["convert", "--input-dose-img", dose, "--output-dose-img", gray], [*histogram, *bins])
        for step in steps:
            subprocess.run([program, *map(str, step)], check=True, capture_output=True)
        header, *rows = csv.reader(Path(table).read_text().splitlines())
        values = np.array([line[: len(header)] for line in rows if line], dtype=float)
    for column, name in enumerate(header[1:], 1):
        if values[0, column] > 0:
            yield name, TabulatedDvh.cumulative(name, values[:, 0], values[:, column], total_cc=None, source="plastimatch")


def slicerrt_table(prostate: Path, program: str) -> Tables:
    """Pairs of columns 'BODY_DvhArray Dose (Gy)', 'BODY_DvhArray Value (% of 10593.0 cc)'."""
    text = (prostate / f"original_slicerrt/EclipseProstate_DvhTable_{program}.csv").read_text()
    header, *rows = csv.reader(text.splitlines())
    tables: Tables = {}
    for column in range(0, len(header) - 1, 2):
        name = re.split(r"_DvhArray| Dose", header[column])[0]
        total = re.search(r"% of ([\d.]+) cc", header[column + 1])
        filled = np.array([line[column : column + 2] for line in rows if line[column].strip()], dtype=float)
        rising = np.diff(np.maximum.accumulate(filled[:, 0]), prepend=-1) > 0  # Eclipse's table has one misprinted dose
        dose, percent = filled[rising].T
        tables[name] = TabulatedDvh.cumulative(name, dose, percent, total_cc=float(total[1]) if total else None, source=program)
    return tables


if __name__ == "__main__":
    main()
