"""Volumes survive NRRD."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from DosePredictLib.core import Grid, InputError, OutputError, Volume
from DosePredictLib.io.nrrd import read_nrrd, write_nrrd


def test_a_volume_comes_back_with_its_values_and_its_place(tmp_path: Path) -> None:
    grid = Grid((4, 5, 6), (1.5, 2.5, 3.0), (-10.25, 20.0, 31.0), (-1, 0, 0, 0, 1, 0, 0, 0, -1))
    volume = Volume(np.random.default_rng(0).random(grid.shape).astype(np.float32), grid)
    write_nrrd(tmp_path / "dose.nrrd", volume)
    read = read_nrrd(tmp_path / "dose.nrrd")
    assert np.array_equal(read.array, volume.array)
    assert read.grid.matches(grid, tolerance_mm=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["dose.nrrd"]


def test_the_header_says_which_space_it_is(tmp_path: Path) -> None:
    write_nrrd(tmp_path / "dose.nrrd", Volume(np.zeros((2, 2, 2)), Grid((2, 2, 2), (1, 1, 1), (0, 0, 0))))
    assert b"space: left-posterior-superior" in (tmp_path / "dose.nrrd").read_bytes()[:1000]


def test_a_missing_folder_and_a_damaged_file_are_one_sentence(tmp_path: Path) -> None:
    volume = Volume(np.zeros((2, 2, 2)), Grid((2, 2, 2), (1, 1, 1), (0, 0, 0)))
    with pytest.raises(OutputError, match=r"dose\.nrrd could not be written"):
        write_nrrd(tmp_path / "absent" / "dose.nrrd", volume)
    (tmp_path / "broken.nrrd").write_bytes(b"NRRD0004\n")
    with pytest.raises(InputError, match=r"broken\.nrrd cannot be read"):
        read_nrrd(tmp_path / "broken.nrrd")
