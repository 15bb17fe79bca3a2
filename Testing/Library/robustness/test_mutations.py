"""Damaged cases are read or refused in one sentence; a short run of the campaign in Testing/Robustness/mutate.py."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from random import Random

import mutations
import pytest
from datasets import Place, kind_of, put_raw, read, rewritten, written
from mutate import Bench, damaged, is_wrong
from outcomes import FAULT, REFUSED, SAME
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from small_cases import SmallCase, small_cases

from DosePredictLib.core.errors import DicomError
from DosePredictLib.io.case import load_case
from DosePredictLib.io.inspect import inspect

VARIANTS = 150


@pytest.fixture(scope="module")
def case() -> SmallCase:
    return next(small_cases(None))


@pytest.fixture(scope="module")
def bench(case: SmallCase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield Bench(tmp_path_factory.mktemp("case"), [case])


def name_of(case: SmallCase, kind: str, which: int = 0) -> str:
    return sorted(name for name, data in case.files.items() if kind_of(data) == kind)[which]


def laid_out(bench: Bench, case: SmallCase, **files: bytes) -> Path:
    """The case with some files replaced, by their kind."""
    bench.lay_out(case.files | {name_of(case, kind): data for kind, data in files.items()})
    return bench.folder


def changed(case: SmallCase, kind: str, change, which: int = 0) -> bytes:
    dataset = read(case.files[name_of(case, kind, which)])
    change(dataset)
    return written(dataset)


def test_every_damaged_case_is_read_or_refused_in_one_sentence(bench: Bench) -> None:
    wrong = [v for number in range(VARIANTS) if is_wrong(v := bench.try_variant(number, seed=7))]
    assert wrong == []


@pytest.mark.parametrize("mutation", mutations.HARMLESS, ids=lambda m: m.__name__)
def test_what_is_only_written_differently_is_read_the_same(bench: Bench, case: SmallCase, mutation) -> None:
    for number in range(6):
        variant = bench.try_variant(number, seed=3, among=[mutation])
        assert variant.kind in (SAME, REFUSED) and not is_wrong(variant), variant


def test_a_variant_can_be_repeated(case: SmallCase) -> None:
    one, other = (damaged(case, Random("1 5"), mutations.MUTATIONS) for _ in range(2))
    assert one == other and one[0] != case.files


def test_a_fault_would_be_noticed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments, **options):
        raise ZeroDivisionError

    monkeypatch.setattr("outcomes.load_case", broken)
    assert bench.try_variant(1, seed=1).kind == FAULT


# What the campaign found, one by one.


def test_a_length_of_gigabytes_behind_the_pixels_costs_no_memory(bench: Bench, case: SmallCase) -> None:
    data = case.files[name_of(case, "CT")]
    folder = laid_out(bench, case, CT=data + b"\xe1\x7f\x10\x00OB\x00\x00\xfe\xff\xff\x7f" + b"1234")
    with pytest.raises(DicomError, match="truncated"):
        load_case(folder)


def test_bytes_inserted_into_pixels_are_noticed_by_what_follows_them(bench: Bench, case: SmallCase) -> None:
    data = case.files[name_of(case, "RTDOSE")]
    spoiled = data[:-2000] + bytes(16) + data[-2000:-8] + b"\x01\x00\x02\x00UL\x00\x00"
    with pytest.raises(DicomError, match=r"cannot be there|truncated"):
        load_case(laid_out(bench, case, RTDOSE=spoiled))


def test_a_slice_with_pixels_of_another_format_is_refused(bench: Bench, case: SmallCase) -> None:
    def other_sign(dataset: Dataset) -> None:
        dataset.PixelRepresentation = 1 - dataset.PixelRepresentation

    with pytest.raises(DicomError, match="different pixel formats"):
        load_case(laid_out(bench, case, CT=changed(case, "CT", other_sign)))


@pytest.mark.parametrize("intercept", ["1e300", "-1e9", "2147483647"])
def test_hounsfield_units_that_cannot_be_are_refused(bench: Bench, case: SmallCase, intercept: str) -> None:
    data = changed(case, "CT", lambda d: put_raw(Place(d, d["RescaleIntercept"]), intercept.encode()))
    with pytest.raises(DicomError, match="rescale is damaged"):
        load_case(laid_out(bench, case, CT=data))


def test_a_slice_with_another_rescale_is_told(bench: Bench, case: SmallCase) -> None:
    data = changed(case, "CT", lambda d: setattr(d, "RescaleIntercept", -7))
    assert any("RescaleIntercept" in warning for warning in load_case(laid_out(bench, case, CT=data)).warnings)


def test_an_image_of_billions_of_pixels_is_refused(bench: Bench, case: SmallCase) -> None:
    def huge(dataset: Dataset) -> None:
        dataset.Rows = dataset.Columns = 65535

    with pytest.raises(DicomError, match=r"cannot be|shape|decoded"):
        load_case(laid_out(bench, case, RTDOSE=changed(case, "RTDOSE", huge)))


def test_a_dose_without_transfer_syntax_is_read(bench: Bench, case: SmallCase) -> None:
    dataset = read(rewritten(case.files[name_of(case, "RTDOSE")], ImplicitVRLittleEndian))
    del dataset.file_meta.TransferSyntaxUID
    original = load_case(laid_out(bench, case)).case.reference.gray
    assert (load_case(laid_out(bench, case, RTDOSE=written(dataset))).case.reference.gray == original).all()


def test_a_file_of_two_bytes_is_no_dicom(bench: Bench, case: SmallCase) -> None:
    bench.lay_out({**case.files, "notes": b"\x02\x00"})
    assert inspect(bench.folder)["refusals"] == []


def test_a_missing_slice_at_the_end_is_told(bench: Bench, case: SmallCase) -> None:
    bench.lay_out({name: data for name, data in case.files.items() if name != name_of(case, "CT", -1)})
    assert any(w.startswith("1 of the 4 CT slices the structure set was drawn on are missing") for w in warnings_of(bench))


def test_contours_of_a_roi_that_is_not_named_are_told(bench: Bench, case: SmallCase) -> None:
    def forget(dataset: Dataset) -> None:
        dataset.StructureSetROISequence = [roi for roi in dataset.StructureSetROISequence if roi.ROIName != "SpinalCord"]

    laid_out(bench, case, RTSTRUCT=changed(case, "RTSTRUCT", forget))
    assert any("that it does not name" in warning for warning in warnings_of(bench))


def test_two_rois_of_one_number_are_refused(bench: Bench, case: SmallCase) -> None:
    def repeat(dataset: Dataset) -> None:
        dataset.StructureSetROISequence[1].ROINumber = dataset.StructureSetROISequence[0].ROINumber

    with pytest.raises(DicomError, match="2 ROIs of the number"):
        load_case(laid_out(bench, case, RTSTRUCT=changed(case, "RTSTRUCT", repeat)))


def test_a_contour_that_has_lost_points_is_told(bench: Bench, case: SmallCase) -> None:
    def lose(dataset: Dataset) -> None:
        contour = dataset.ROIContourSequence[0].ContourSequence[0]
        contour.ContourData = contour.ContourData[:-3]

    laid_out(bench, case, RTSTRUCT=changed(case, "RTSTRUCT", lose))
    assert any("fewer or more points than they say" in warning for warning in warnings_of(bench))


def test_a_target_that_has_lost_its_name_is_told(bench: Bench, case: SmallCase) -> None:
    def rename(dataset: Dataset) -> None:
        next(roi for roi in dataset.StructureSetROISequence if roi.ROIName == "PTV56").ROIName = "?"

    laid_out(bench, case, RTSTRUCT=changed(case, "RTSTRUCT", rename))
    assert any("56 Gy to ?, which is not taken as a target" in warning for warning in warnings_of(bench))


def warnings_of(bench: Bench) -> tuple[str, ...]:
    return load_case(bench.folder).warnings
