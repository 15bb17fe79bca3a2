"""Data sets in memory: read, changed at any depth, and written again however odd they have become."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from io import BytesIO
from typing import NamedTuple

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_pixel_data_frame
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

PIXELS = b"\xe0\x7f\x10\x00"  # the tag, little endian


class Place(NamedTuple):
    """An element and the data set, or the item of a sequence, that has it."""

    owner: Dataset
    element: DataElement


def read(data: bytes) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(BytesIO(data), force=True)


@lru_cache(maxsize=1024)
def kind_of(data: bytes) -> str:
    """Modality, or "" where it cannot be told."""
    try:
        return str(pydicom.dcmread(BytesIO(data), force=True, specific_tags=["Modality"]).get("Modality", ""))
    except Exception:  # the bytes may be anything
        return ""


def places(dataset: Dataset, wanted: Callable[[DataElement], object]) -> list[Place]:
    """The elements at any depth that are wanted."""
    return list(_below(dataset, wanted))


def _below(dataset: Dataset, wanted: Callable[[DataElement], object]) -> Iterator[Place]:
    for element in dataset:
        if wanted(element):
            yield Place(dataset, element)
        if element.VR == "SQ":
            for item in element.value:
                yield from _below(item, wanted)


def spans(data: bytes) -> list[tuple[int, int]]:
    """Offset and length of each element at the surface, as bytes of the file; sequences of undefined length are left out."""
    raw = [e for e in read(data).values() if isinstance(e, RawDataElement)]
    return [(e.value_tell - _head(e), e.length + _head(e)) for e in raw if e.length != 0xFFFFFFFF]


def _head(element: RawDataElement) -> int:
    """Bytes before the value (PS3.5 7.1)."""
    is_long = not element.is_implicit_VR and element.VR in ("OB", "OW", "OF", "OD", "OL", "SQ", "UC", "UN", "UR", "UT")
    return 12 if is_long else 8


def put_raw(place: Place, value: bytes) -> None:
    """Give an element a value that need not be legal."""
    old = place.element
    padded = value + b" " * (len(value) % 2)
    place.owner._dict[old.tag] = RawDataElement(old.tag, old.VR, len(padded), padded, 0, False, True)


def written(dataset: Dataset, syntax: UID | None = None) -> bytes:
    """The file, in the transfer syntax of its group 2 unless another is given."""
    meta = dataset.file_meta
    if syntax:
        meta.TransferSyntaxUID = syntax
    syntax = UID(meta.get("TransferSyntaxUID", ImplicitVRLittleEndian))
    body, head = DicomBytesIO(), DicomBytesIO()
    body.is_implicit_VR, body.is_little_endian = syntax.is_implicit_VR, syntax.is_little_endian
    head.is_implicit_VR, head.is_little_endian = False, True
    with pydicom.config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_dataset(body, dataset)
        write_file_meta_info(head, meta, enforce_standard=False)
    content = body.getvalue()
    if syntax == DeflatedExplicitVRLittleEndian:
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        content = packer.compress(content) + packer.flush()
    return bytes(128) + b"DICM" + head.getvalue() + content


def rewritten(data: bytes, syntax: UID) -> bytes:
    """The same in another uncompressed transfer syntax."""
    dataset = read(data)
    places(dataset, lambda element: False)  # all is decoded, or raw bytes would be copied
    turned = (syntax == ExplicitVRBigEndian) != (dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian)
    if turned and "PixelData" in dataset:
        width = dataset.BitsAllocated // 8
        dataset.PixelData = np.frombuffer(dataset.PixelData, dtype=f"<u{width}").byteswap().tobytes()
    return written(dataset, syntax)


def compressed(data: bytes, method: str) -> bytes:
    """The same with lossless pixels: "RLE", or what ITK can do: "JPEG2000", "JPEG"."""
    dataset = read(data)
    places(dataset, lambda element: False)
    if method == "RLE":
        dataset.compress(RLELossless, generate_instance_uid=False)
        return written(dataset)
    syntax, pixels = _by_itk(dataset.pixel_array, method)
    dataset.PixelData = pixels
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    return written(dataset, syntax)


def _by_itk(pixels: np.ndarray, method: str) -> tuple[UID, bytes]:
    import tempfile

    frames = pixels if pixels.ndim == 3 else pixels[np.newaxis]
    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        encoded = []
        for frame in frames:
            writer = sitk.ImageFileWriter()
            writer.SetImageIO("GDCMImageIO")
            writer.SetCompressor(method)
            writer.UseCompressionOn()
            writer.SetFileName(file.name)
            writer.Execute(sitk.GetImageFromArray(np.ascontiguousarray(frame)))
            made = pydicom.dcmread(file.name)
            encoded += list(generate_pixel_data_frame(made.PixelData, 1))
    return made.file_meta.TransferSyntaxUID, encapsulate(encoded)
