"""Volumes of real structure sets beside those that CERR and Eclipse printed for them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pydicom
import pytest

from DosePredictLib.core import Grid, Structure
from DosePredictLib.preprocessing.contours import rasterise


def structures(path: Path) -> dict[str, Structure]:
    dataset = pydicom.dcmread(path)
    names = {roi.ROINumber: str(roi.ROIName) for roi in dataset.StructureSetROISequence}
    drawn = {}
    for roi in dataset.ROIContourSequence:
        contours = [np.array(c.ContourData, dtype=float).reshape(-1, 3) for c in roi.get("ContourSequence") or []]
        name = names[roi.ReferencedROINumber]
        drawn[name] = Structure(name, tuple(contours), int(roi.ReferencedROINumber))
    return drawn


def grid_around(structure: Structure, spacing: tuple[float, float, float]) -> Grid:
    points = np.concatenate(structure.contours)
    size = np.ceil(np.ptp(points, axis=0) / spacing).astype(int) + 4
    return Grid(tuple(size.tolist()), spacing, tuple((points.min(axis=0) - 2 * np.array(spacing)).tolist()))


@pytest.mark.parametrize(("system", "within"), [("CERR", 0.003), ("Eclipse", 0.015)])
def test_volumes_of_the_prostate_phantom_agree_with(system: str, within: float, shared: Path) -> None:
    """Eclipse gives the first and the last plane no outer half slab, so its volumes are up to 1.4 % smaller."""
    folder = shared / "data/dicom-rt/eclipse-prostate-rando"
    drawn = {name.replace(" ", ""): s for name, s in structures(next(folder.glob("original_dicom/RS*"))).items()}
    header = next(csv.reader((folder / f"original_slicerrt/EclipseProstate_DvhTable_{system}.csv").open()))
    printed = re.findall(r"(\w+)_DvhArray Value \(% of ([\d.]+) cc\)", " ".join(header))
    assert len(printed) == 6
    for name, volume in printed:
        structure = drawn[name]
        ours = rasterise(structure, grid_around(structure, (1.5, 1.5, 2.5)))
        assert ours.volume_cc == pytest.approx(float(volume), rel=within), name
        assert ours.coverage == pytest.approx(1.0, abs=1e-6)


def test_a_lung_with_77_holes_agrees_with_the_dvh_of_its_dose_file(shared: Path) -> None:
    folder = shared / "data/dicom-rt/breast-boost-complete"
    lung = structures(folder / "RS.dcm")["Lt Lung"]
    dvhs = pydicom.dcmread(folder / "RD.dcm").DVHSequence
    dvh = next(d for d in dvhs if d.DVHReferencedROISequence[0].ReferencedROINumber == lung.number)
    ours = rasterise(lung, grid_around(lung, (1.074219, 1.074219, 3.0)))
    assert ours.volume_cc == pytest.approx(float(dvh.DVHData[1]), rel=0.005)
