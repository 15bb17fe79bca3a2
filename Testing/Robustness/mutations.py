"""Ways in which DICOM files are damaged, each a function of (files, chance) that changes the files of a case in place.

``files`` maps names to contents; ``chance`` is a ``random.Random``. What it did is returned in words, for the record.
Those in HARMLESS change how the same is written, not what it says: a reader must find the same or refuse.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from random import Random

import pydicom
from datasets import PIXELS, Place, compressed, kind_of, places, put_raw, read, rewritten, spans, written
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, generate_uid

from DosePredictLib.io.scan import KEYWORDS

Files = dict[str, bytes]
Mutation = Callable[[Files, Random], str]
ODD_NUMBERS = ("1e300", "-1e9", "0", "-1", "nan", "inf", "9" * 16, "2147483647", "1e-300", "1,5", "0x10", "1 mm", "")
ODD_INTEGERS = (0, 1, 2, 7, 8, 12, 33, 255, 32767, 65535)
ODD_TEXTS = ("", " ", "\\", "\\\\", "a" * 5000, "../../x", "%s%n{0}", "\u00e9\u4e2d", "-0", "None", "\t\n", "<b>&amp;")
CHARACTER_SETS = ("ISO_IR 192", "ISO 2022 IR 87", "ISO_IR 999", "GB18030", "\\ISO 2022 IR 149", "latin-1", "utf-16", "")
SYNTAXES = (
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.102", "1.2.3", "",
)  # fmt: skip
READ_BY_US = set(KEYWORDS) | {
    "SpecificCharacterSet", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelData", "DoseGridScaling", "GridFrameOffsetVector", "FrameIncrementPointer",
    "StructureSetROISequence", "ROIContourSequence", "RTROIObservationsSequence", "ROINumber", "ROIName", "ReferencedROINumber",
    "ReferencedFrameOfReferenceUID", "RTROIInterpretedType", "ContourSequence", "ContourGeometricType", "ContourData",
    "NumberOfContourPoints", "DoseReferenceSequence", "DoseReferenceStructureType", "DoseReferenceType",
    "TargetPrescriptionDose", "DoseReferenceDescription", "FractionGroupSequence", "NumberOfFractionsPlanned", "BeamSequence",
    "IonBeamSequence", "BeamNumber", "TreatmentDeliveryType", "ControlPointSequence", "IsocenterPosition", "GantryAngle",
}  # fmt: skip
VRS = (b"OB", b"OW", b"UN", b"SQ", b"DS", b"IS", b"US", b"UL", b"FD", b"AT", b"LO", b"UI", b"PN", b"ZZ", b"\0\0")


def drop_element(files: Files, chance: Random) -> str:
    return _change_element(files, chance, lambda place: place.owner.pop(place.element.tag))


def empty_element(files: Files, chance: Random) -> str:
    return _change_element(files, chance, lambda place: _put(place, None))


def repeat_values(files: Files, chance: Random) -> str:
    """A value, or an item of a sequence, twice."""

    def repeat(place: Place) -> None:
        values = _values(place.element)
        _put(place, [*map(deepcopy, values), *values[: chance.randint(1, 2)]])

    return _change_element(files, chance, repeat, lambda e: e.VR not in ("OB", "OW", "UN") and not e.is_empty)


def shorten_values(files: Files, chance: Random) -> str:
    """The last of several values, or items of a sequence, is missing."""
    return _change_element(
        files, chance, lambda place: _put(place, _values(place.element)[:-1]), lambda e: e.VM > 1 or e.VR == "SQ"
    )


def swap_elements(files: Files, chance: Random) -> str:
    """Two elements of one data set exchange their values."""

    def swap(place: Place) -> None:
        other = chance.choice([e for e in place.owner if e.VR == place.element.VR])
        value = other.value
        _put(Place(place.owner, other), place.element.value)
        _put(place, value)

    return _change_element(files, chance, swap)


def odd_number(files: Files, chance: Random) -> str:
    """One of the numbers of an element is huge, tiny, not finite or not a number."""

    def spoil(place: Place) -> None:
        values = [str(v) for v in _values(place.element)]
        values[chance.randrange(len(values))] = chance.choice(ODD_NUMBERS)
        put_raw(place, "\\".join(values).encode())

    return _change_element(files, chance, spoil, lambda e: e.VR in ("DS", "IS") and not e.is_empty)


def odd_integer(files: Files, chance: Random) -> str:
    """Rows, Columns, BitsAllocated and their like."""
    return _change_element(files, chance, lambda place: _put(place, chance.choice(ODD_INTEGERS)), lambda e: e.VR in ("US", "UL"))


def odd_text(files: Files, chance: Random) -> str:
    return _change_element(
        files,
        chance,
        lambda place: put_raw(place, chance.choice(ODD_TEXTS).encode()),
        lambda e: e.VR in ("CS", "LO", "SH", "UI", "PN", "DA", "TM", "ST", "LT", "DS", "IS"),
    )


def character_set(files: Files, chance: Random) -> str:
    """A character set that does not exist, or does not suit the names written in it."""

    def spoil(dataset: Dataset) -> str:
        names = places(dataset, lambda e: e.keyword in ("ROIName", "SeriesDescription", "StructureSetLabel", "RTPlanLabel"))
        if names:
            put_raw(chance.choice(names), chance.choice((b"\xff\xfe\x80", "Öhre_ü".encode("latin-1"), b"\x1b$B!!")))
        stated = chance.choice(CHARACTER_SETS)
        dataset.add_new("SpecificCharacterSet", "CS", stated.split("\\"))
        return stated

    return _changed(files, _any(files, chance), spoil)


def wrong_vr(files: Files, chance: Random) -> str:
    name, at, _ = _place_of_element(files, chance)
    vr = chance.choice(VRS)
    files[name] = files[name][: at + 4] + vr + files[name][at + 6 :]
    return f"{name} at {at}: VR {vr!r}"


def wrong_length(files: Files, chance: Random) -> str:
    name, at, _ = _place_of_element(files, chance)
    length = chance.choice([0, 1, 3, 255, 65534, 65535, chance.randrange(65536)])
    where = at + chance.choice([4, 6, 8])
    files[name] = files[name][:where] + length.to_bytes(2, "little") + files[name][where + 2 :]
    return f"{name} at {where}: length {length}"


def enormous_length(files: Files, chance: Random) -> str:
    """Four bytes of a length say gigabytes."""
    name, at, _ = _place_of_element(files, chance)
    length = chance.choice([0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFFFFE, 0x40000000])
    where = at + chance.choice([4, 8])
    files[name] = files[name][:where] + length.to_bytes(4, "little") + files[name][where + 4 :]
    return f"{name} at {where}: length {length:#x}"


def repeat_element(files: Files, chance: Random) -> str:
    """An element, as bytes, twice in a row."""
    name, at, length = _place_of_element(files, chance)
    data = files[name]
    files[name] = data[: at + length] + data[at : at + length] + data[at + length :]
    return f"{name} at {at}: {length} bytes twice"


def truncate(files: Files, chance: Random) -> str:
    name = _any(files, chance)
    length = chance.choice([chance.randrange(len(files[name])), len(files[name]) - chance.randint(1, 200)])
    files[name] = files[name][:length]
    return f"{name} after {length} bytes"


def flip_bits_of_pixels(files: Files, chance: Random) -> str:
    name = chance.choice([n for n, data in files.items() if kind_of(data) in ("CT", "RTDOSE")] or list(files))
    start = files[name].rfind(PIXELS) + 12
    return _flip(files, chance, name, min(start, len(files[name]) - 1), len(files[name]))


def flip_bits_of_header(files: Files, chance: Random) -> str:
    name = _any(files, chance)
    end = files[name].rfind(PIXELS)
    return _flip(files, chance, name, 128, end if end > 132 else len(files[name]))


def overwrite(files: Files, chance: Random) -> str:
    """A block of zeros or noise, as a bad sector leaves it."""
    name = _any(files, chance)
    at, length = chance.randrange(len(files[name])), chance.choice([1, 8, 64, 512, 4096])
    noise = bytes(length) if chance.random() < 0.5 else chance.randbytes(length)
    data = files[name]
    files[name] = data[:at] + noise[: len(data) - at] + data[at + length :]
    return f"{name} at {at}: {length} bytes overwritten"


def insert_bytes(files: Files, chance: Random) -> str:
    name = _any(files, chance)
    at, noise = chance.randrange(len(files[name])), chance.randbytes(chance.randint(1, 40))
    files[name] = files[name][:at] + noise + files[name][at:]
    return f"{name} at {at}: {len(noise)} bytes inserted"


def no_transfer_syntax(files: Files, chance: Random) -> str:
    """The preamble with all of group 2 is missing, or the transfer syntax only."""
    name = _any(files, chance)
    dataset = read(files[name])
    bare = rewritten(files[name], ImplicitVRLittleEndian)
    length = read(bare).file_meta.FileMetaInformationGroupLength
    if chance.random() < 0.5:
        files[name] = bare[144 + length :]
        return f"{name} without preamble and group 2"
    dataset = read(bare)
    del dataset.file_meta.TransferSyntaxUID
    files[name] = written(dataset)
    return f"{name} without TransferSyntaxUID"


def wrong_transfer_syntax(files: Files, chance: Random) -> str:
    """Another transfer syntax is named than the one used."""
    name = _any(files, chance)
    old = str(read(files[name]).file_meta.TransferSyntaxUID)
    stated, syntax = old.encode(), chance.choice(SYNTAXES).encode()
    at = files[name].find(stated, 132)
    width = len(stated) + len(stated) % 2
    files[name] = files[name][:at] + syntax[:width].ljust(width, b"\0") + files[name][at + width :]
    return f"{name}: {old} stated as {syntax[:width].decode()}"


def other_transfer_syntax(files: Files, chance: Random) -> str:
    """Rightly written as deflated, implicit or big endian."""
    name = _any(files, chance)
    syntax = chance.choice((DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian))
    files[name] = rewritten(files[name], syntax)
    return f"{name}: {syntax.name}"


def compress_pixels(files: Files, chance: Random) -> str:
    name = chance.choice([n for n, data in files.items() if kind_of(data) in ("CT", "RTDOSE")])
    method = chance.choice(("RLE", "JPEG2000", "JPEG"))
    files[name] = compressed(files[name], method)
    return f"{name}: {method}"


def drop_file(files: Files, chance: Random) -> str:
    name = _any(files, chance)
    del files[name]
    return f"{name} missing"


def duplicate_file(files: Files, chance: Random) -> str:
    name = _any(files, chance)
    files["copy of " + name] = files[name]
    return f"{name} twice"


def duplicate_object(files: Files, chance: Random) -> str:
    """The same content as another SOP instance."""
    name = _any(files, chance)
    dataset = read(files[name])
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[str(chance.random())])
    files["other " + name] = written(dataset)
    return f"{name} twice, with UIDs of their own"


def swap_names(files: Files, chance: Random) -> str:
    one, other = _any(files, chance), _any(files, chance)
    files[one], files[other] = files[other], files[one]
    return f"{one} and {other} exchange names"


def foreign_file(files: Files, chance: Random) -> str:
    """Something lies in the folder that is no DICOM."""
    content = chance.choice([b"", b"\0", b"DICM", bytes(200), b"\x02\x00", b"%PDF-1.4 " * 40, chance.randbytes(3000)])
    files["notes"] = content
    return f"a file of {len(content)} foreign bytes"


def header_only(files: Files, chance: Random) -> str:
    """A file that begins as DICOM and holds nothing sensible."""
    name = _any(files, chance)
    files[name] = files[name][: chance.randint(132, 400)] + chance.randbytes(chance.randint(0, 2000))
    return f"{name}: noise behind its beginning"


def damage_contour(files: Files, chance: Random) -> str:
    """Numbers missing, one point, two points, points far away, no number, many decimals."""
    name = next(n for n, data in files.items() if kind_of(data) == "RTSTRUCT")

    def damage(dataset: Dataset) -> str:
        place = chance.choice(places(dataset, lambda e: e.keyword == "ContourData" and not e.is_empty))
        how, new = chance.choice(list(_contour_damages([str(v) for v in place.element.value], chance)))
        put_raw(place, "\\".join(new).encode())
        return how

    return _changed(files, name, damage)


def damage_references(files: Files, chance: Random) -> str:
    """A UID or a ROI number refers to nothing, or to something else."""

    def damage(place: Place) -> None:
        _put(place, chance.choice(["1.2.3.4", ""]) if place.element.VR == "UI" else chance.choice([0, -1, 99999, 1, 2]))

    wanted = ("ROINumber", "FrameOfReferenceUID", "SeriesInstanceUID", "SOPInstanceUID", "StudyInstanceUID")
    return _change_element(files, chance, damage, lambda e: e.keyword.endswith(wanted))


HARMLESS: tuple[Mutation, ...] = (
    other_transfer_syntax, compress_pixels, duplicate_file, swap_names, foreign_file, no_transfer_syntax,
)  # fmt: skip
HARMFUL: tuple[Mutation, ...] = (
    drop_element, empty_element, repeat_values, shorten_values, swap_elements, odd_number, odd_integer, odd_text, character_set,
    wrong_vr, wrong_length, enormous_length, repeat_element, truncate, flip_bits_of_pixels, flip_bits_of_header, overwrite,
    insert_bytes, wrong_transfer_syntax, drop_file, duplicate_object, header_only, damage_contour, damage_references,
)  # fmt: skip
MUTATIONS = HARMLESS + HARMFUL


def _any(files: Files, chance: Random) -> str:
    """A file of a kind chosen first, so that slices do not outweigh the rest."""
    kinds: dict[str, list[str]] = {}
    for name, data in files.items():
        kinds.setdefault(kind_of(data), []).append(name)
    return chance.choice(kinds[chance.choice(sorted(kinds))])


def _changed(files: Files, name: str, change: Callable[[Dataset], str]) -> str:
    dataset = read(files[name])
    with pydicom.config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = change(dataset)
        files[name] = written(dataset)
    return f"{name}: {said}"


def _change_element(
    files: Files, chance: Random, change: Callable[[Place], object], wanted: Callable[[DataElement], object] = lambda e: True
) -> str:
    """Change an element at any depth: mostly one that the program reads, and at the surface as often as below."""

    def spoil(dataset: Dataset) -> str:
        found = places(dataset, wanted)
        for narrower in (lambda p: p.element.keyword in READ_BY_US, lambda p: p.owner is dataset):
            found = [place for place in found if narrower(place)] if chance.random() < 0.7 else found
        place = chance.choice(found)
        change(place)
        return place.element.keyword or str(place.element.tag)

    return _changed(files, _any(files, chance), spoil)


def _values(element: DataElement) -> list:
    return list(element.value) if element.VM > 1 or element.VR == "SQ" else [element.value]


def _put(place: Place, value: object) -> None:
    place.owner.add_new(place.element.tag, place.element.VR, value)


def _place_of_element(files: Files, chance: Random) -> tuple[str, int, int]:
    """File, offset and length of an element at the surface."""
    name = _any(files, chance)
    return (name, *chance.choice(spans(files[name])))


def _flip(files: Files, chance: Random, name: str, start: int, end: int) -> str:
    data, count = bytearray(files[name]), chance.choice([1, 1, 3, 10, 100])
    for _ in range(count):
        data[chance.randrange(start, end)] ^= 1 << chance.randrange(8)
    files[name] = bytes(data)
    return f"{name}: {count} bits"


def _contour_damages(values: list[str], chance: Random) -> Iterator[tuple[str, list[str]]]:
    far = str(chance.choice([1e4, -1e6, 1e30]))
    yield "a number missing", values[:-1]
    yield "one point", values[:3]
    yield "two points", values[:6]
    yield "no number", [*values[:4], "x", *values[5:]]
    yield "not finite", ["nan", *values[1:]]
    yield "a point far away", [far, *values[1:]]
    yield "a point on another slice", [*values[:2], far, *values[3:]]
    yield "all points the same", values[:3] * (len(values) // 3)
    yield "all points twice", values * 2
    yield "another order", [v for point in sorted(zip(values[::3], values[1::3], values[2::3], strict=False)) for v in point]
