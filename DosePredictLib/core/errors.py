"""What can go wrong, as one small tree.

    DosePredictError
    ├── InputError            the request or the patient's data cannot be used as they are
    │   ├── GeometryError     grids, slices, frames of reference
    │   └── DicomError        a file that is not what it should be
    ├── ModelError            weights missing, damaged or of another architecture
    ├── OutputError           a result that failed its own check, or could not be written
    └── Cancelled             the user asked to stop

Every message is one sentence for a medical physicist: what was found, where, and what to do.
"""


class DosePredictError(Exception):
    """Base of all errors that are shown to the user as one sentence."""


class InputError(DosePredictError):
    """The request or the patient's data cannot be used as they are."""


class GeometryError(InputError):
    """Grids, slices or frames of reference that do not fit together."""


class DicomError(InputError):
    """A DICOM object that is damaged, incomplete or not supported."""


class ModelError(DosePredictError):
    """Weights that are missing, damaged or of another architecture."""


class OutputError(DosePredictError):
    """A result that failed its own check, or could not be written."""


class Cancelled(DosePredictError):
    """The user asked to stop."""
