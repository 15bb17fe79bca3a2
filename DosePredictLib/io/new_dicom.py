"""Parts that every DICOM object written here is made of."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import DSfloat, format_number_as_ds

from ..core.errors import DicomError
from ..core.prescription import Prescription

PROGRAM = "DosePredict (research)"
IMPLEMENTATION_NAME = "DOSEPREDICT"
INSTANCE_CREATOR = generate_uid(entropy_srcs=[PROGRAM])  # the same in every file

TEXT = ("LO", "LT", "PN", "SH", "ST", "UT")  # value representations that SpecificCharacterSet is about

# PS3.3 C.7.1.1, C.7.2.1, C.7.2.2: type 2 must be there even when empty.
TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
    "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber",
)  # fmt: skip
WHERE_PRESENT = (
    "SpecificCharacterSet", "TimezoneOffsetFromUTC",
    "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence", "TypeOfPatientID", "PatientBirthTime", "OtherPatientIDs",
    "OtherPatientIDsSequence", "OtherPatientNames", "EthnicGroup", "PatientComments", "PatientSpeciesDescription",
    "PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence", "QualityControlSubject",
    "StudyInstanceUID", "StudyDescription", "IssuerOfAccessionNumberSequence", "PhysiciansOfRecord",
    "ReferringPhysicianIdentificationSequence", "ProcedureCodeSequence",
    "PatientAge", "PatientSize", "PatientWeight",
    "ClinicalTrialSponsorName", "ClinicalTrialProtocolID", "ClinicalTrialProtocolName", "ClinicalTrialSiteID",
    "ClinicalTrialSiteName", "ClinicalTrialSubjectID", "ClinicalTrialSubjectReadingID",
    "FrameOfReferenceUID", "PositionReferenceIndicator",
    "InstitutionName",
)  # fmt: skip


@dataclass(frozen=True)
class Provenance:
    """What made a dose: it goes into every object, so that nobody takes it for a calculated one."""

    model_id: str
    model_version: str
    weights_sha256: str
    software_version: str
    training_data: str = ""


def new_dataset(sop_class: str, *, uid: str | None = None, created: datetime | None = None) -> FileDataset:
    """An empty object of a SOP class with SOP Common and file meta information, explicit VR little endian."""
    created = created or datetime.now()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(uid or generate_uid())
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = pydicom.uid.PYDICOM_IMPLEMENTATION_UID
    meta.ImplementationVersionName = IMPLEMENTATION_NAME
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128), is_implicit_VR=False, is_little_endian=True)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = date_and_time(created)
    dataset.InstanceCreatorUID = INSTANCE_CREATOR
    return dataset


def date_and_time(moment: datetime) -> tuple[str, str]:
    """DA and TM."""
    return moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")


def copy_patient_and_study(source: Dataset, target: Dataset) -> None:
    """Patient, study, clinical trial and frame of reference as the planning CT, or planned dose, has them, empty values included.

    Raises DicomError where it lacks what links objects: StudyInstanceUID, FrameOfReferenceUID.
    """
    what = "planned dose" if source.get("Modality") == "RTDOSE" else "planning CT"
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        if not source.get(keyword):
            raise DicomError(f"The {what} has no {keyword}, so no dose can be linked to it; export it again.")
    for keyword in (*TYPE_2, *WHERE_PRESENT):
        if keyword in source:
            target[keyword] = copy.deepcopy(source[keyword])
    for keyword in (*TYPE_2, "PositionReferenceIndicator"):
        if keyword not in target:
            setattr(target, keyword, None)
    if "SpecificCharacterSet" not in target:
        _declare_bytes(target)


def declare_character_set(dataset: Dataset) -> None:
    """UTF-8 for text beyond ASCII that was added where no repertoire is declared; in a declared one pydicom may write "?"."""
    if "SpecificCharacterSet" not in dataset and not all(str(e.value).isascii() for e in dataset.iterall() if e.VR in TEXT):
        dataset.SpecificCharacterSet = "ISO_IR 192"


def _declare_bytes(dataset: Dataset) -> None:
    """Name the repertoire of text beyond ASCII that came without one: UTF-8 where the bytes are that, else Latin-1; they stay."""
    texts = {e.keyword: str(e.value) for e in dataset if e.VR in TEXT and e.value and not str(e.value).isascii()}
    if not texts:
        return
    try:
        texts = {keyword: text.encode("latin-1").decode("utf-8") for keyword, text in texts.items()}
        dataset.SpecificCharacterSet = "ISO_IR 192"
    except UnicodeError:
        dataset.SpecificCharacterSet = "ISO_IR 100"
    for keyword, text in texts.items():
        setattr(dataset, keyword, text)


def add_series(dataset: Dataset, modality: str, number: int, description: str, created: datetime) -> None:
    """RT Series module (PS3.3 C.8.8.1): a series of its own."""
    dataset.Modality = modality
    dataset.SeriesInstanceUID = generate_uid()
    dataset.SeriesNumber = number
    dataset.SeriesDescription = description
    dataset.SeriesDate, dataset.SeriesTime = date_and_time(created)
    dataset.OperatorsName = None
    dataset.InstanceNumber = 1


def add_equipment(dataset: Dataset, provenance: Provenance, created: datetime) -> None:
    """General equipment, and the model as contributing equipment (PS3.3 C.7.5.1, C.12.1.1.5)."""
    dataset.Manufacturer = PROGRAM
    dataset.ManufacturerModelName = "DosePredict"
    dataset.SoftwareVersions = provenance.software_version
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = "109102", "DCM", "Processing Equipment"
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [purpose]
    item.Manufacturer = PROGRAM
    item.ManufacturerModelName = provenance.model_id
    item.SoftwareVersions = [provenance.software_version, provenance.model_version, provenance.weights_sha256]
    trained = f", trained on {provenance.training_data}" if provenance.training_data else ""
    item.ContributionDescription = (
        "Dose predicted by a neural network, not calculated for any beam: "
        f"{provenance.model_id} {provenance.model_version}{trained};"
        f" weights SHA-256 {provenance.weights_sha256}"
    )
    item.ContributionDateTime = created.strftime("%Y%m%d%H%M%S")
    dataset.ContributingEquipmentSequence = [item]


def reference(source: Dataset) -> Dataset:
    """An item that refers to an object by SOP class and instance."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    return item


def decimal(value: float) -> DSfloat:
    """A decimal string of at most 16 characters (PS3.5 section 6.2); pydicom would write more without a word."""
    return DSfloat(format_number_as_ds(float(value)))


def decimals(values: Iterable[float] | np.ndarray) -> list[DSfloat]:
    return [decimal(float(value)) for value in values]


def target_references(prescription: Prescription | None, rtstruct: Dataset | None) -> list[Dataset]:
    """DoseReferenceSequence (PS3.3 C.8.8.10): one item a target, with its ROI where the structure set is known."""
    rois = {} if rtstruct is None else {str(r.ROIName): int(r.ROINumber) for r in reversed(rtstruct.StructureSetROISequence)}
    items = []
    for number, target in enumerate(prescription.targets if prescription else (), 1):
        item = Dataset()
        item.DoseReferenceNumber = number
        item.DoseReferenceUID = generate_uid()
        item.DoseReferenceStructureType = "VOLUME" if target.roi in rois else "SITE"
        item.DoseReferenceDescription = target.roi[:64]
        item.DoseReferenceType = "TARGET"
        item.TargetPrescriptionDose = decimal(target.dose_gy)
        if target.roi in rois:
            item.ReferencedROINumber = rois[target.roi]
        items.append(item)
    return items
