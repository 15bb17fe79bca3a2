"""What 3D Slicer hands over arrives as it was sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from DosePredictLib.core import Case, InputError, OutputError, QaCase, Structure, StructureSet, Volume
from DosePredictLib.io.scene_case import (
    ARRAYS,
    is_scene_case,
    read_scene_case,
    read_scene_qa_case,
    read_volumes,
    write_scene_case,
    write_volumes,
)


def test_a_case_arrives_to_the_bit(phantom_case: Case, tmp_path: Path) -> None:
    write_scene_case(tmp_path, phantom_case)
    assert is_scene_case([tmp_path])
    arrived = read_scene_case(tmp_path)
    assert arrived.ct.grid == phantom_case.ct.grid
    assert np.array_equal(arrived.ct.array, phantom_case.ct.array)
    assert np.array_equal(arrived.reference.gray, phantom_case.reference.gray)
    assert (arrived.names, arrived.prescription) == (phantom_case.names, phantom_case.prescription)
    assert arrived.structures.names == phantom_case.structures.names
    for ours, theirs in zip(arrived.structures, phantom_case.structures, strict=True):
        assert len(ours.contours) == len(theirs.contours)
        assert all(np.array_equal(a, b) for a, b in zip(ours.contours, theirs.contours, strict=True))


def test_a_plan_to_be_measured_arrives_with_no_more_than_its_dose(phantom_case: Case, tmp_path: Path) -> None:
    planned = phantom_case.reference
    write_scene_case(tmp_path, QaCase(planned))
    arrived = read_scene_qa_case(tmp_path)
    assert np.array_equal(arrived.planned.gray, planned.gray) and arrived.planned.grid == planned.grid
    assert arrived.ct is None and len(arrived.structures) == 0


def test_a_plan_to_be_measured_arrives_with_ct_and_structures(phantom_case: Case, tmp_path: Path) -> None:
    case = QaCase(phantom_case.reference, phantom_case.ct, phantom_case.structures, phantom_case.names)
    write_scene_case(tmp_path, case)
    arrived = read_scene_qa_case(tmp_path)
    assert np.array_equal(arrived.ct.array, case.ct.array)
    assert (arrived.structures.names, arrived.names) == (case.structures.names, case.names)


def test_what_was_handed_over_for_one_kind_of_dose_is_not_taken_for_the_other(phantom_case: Case, tmp_path: Path) -> None:
    write_scene_case(tmp_path, QaCase(phantom_case.reference))
    with pytest.raises(InputError, match="damaged"):
        read_scene_case(tmp_path)
    write_scene_case(tmp_path, replace(phantom_case, reference=None))
    with pytest.raises(InputError, match="damaged"):
        read_scene_qa_case(tmp_path)


def test_a_painted_structure_and_an_empty_one_arrive(phantom_case: Case, tmp_path: Path) -> None:
    painted = Structure("painted", occupancy=Volume(phantom_case.ct.array > 0, phantom_case.ct.grid), number=7)
    write_scene_case(tmp_path, replace(phantom_case, structures=StructureSet((painted, Structure("empty")))))
    arrived = read_scene_case(tmp_path).structures
    assert np.array_equal(arrived["painted"].occupancy.array, painted.occupancy.array)
    assert arrived["painted"].number == 7
    assert arrived["empty"].is_empty


def test_no_identifier_is_in_the_folder(phantom_case: Case, tmp_path: Path) -> None:
    write_scene_case(tmp_path, replace(phantom_case, label="Doe^Jane"))
    assert not any(b"Doe" in file.read_bytes() for file in tmp_path.iterdir())


def test_volumes_arrive_in_a_folder_of_any_name(phantom_case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "Lékař 日本"
    folder.mkdir()
    write_volumes(folder / "volumes.npz", {"predicted": phantom_case.ct})
    arrived = read_volumes(folder / "volumes.npz")["predicted"]
    assert np.array_equal(arrived.array, phantom_case.ct.array)
    assert arrived.grid == phantom_case.ct.grid


def test_a_ct_with_voxels_that_are_no_numbers_is_refused(phantom_case: Case, tmp_path: Path) -> None:
    hu = phantom_case.ct.array.astype(np.float32)
    hu[0, 0, 0] = np.nan
    write_scene_case(tmp_path, replace(phantom_case, ct=Volume(hu, phantom_case.ct.grid)))
    with pytest.raises(InputError, match="CT has voxels that are not finite"):
        read_scene_case(tmp_path)


def test_a_truncated_hand_over_is_refused(phantom_case: Case, tmp_path: Path) -> None:
    write_scene_case(tmp_path, phantom_case)
    data = (tmp_path / ARRAYS).read_bytes()
    (tmp_path / ARRAYS).write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="damaged"):
        read_scene_case(tmp_path)


def test_a_full_disk_is_said_in_one_sentence(phantom_case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_scene_case(tmp_path, phantom_case)
    assert list(tmp_path.iterdir()) == []
