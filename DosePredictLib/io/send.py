"""DICOM files to a planning system or an archive: verification (C-ECHO), then storage (C-STORE), PS3.7 9.1, PS3.4 B."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ..core.errors import DicomError, InputError, OutputError
from .headers import read_header, read_whole, text

VERIFICATION = "1.2.840.10008.1.1"
UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)  # each can be sent as the other
MOST_CONTEXTS = 127  # of 128 in one association (PS3.8 9.3.2.2), one being verification
SUCCESS, NO_RESOURCES = 0x0000, range(0xA700, 0xA800)  # PS3.4 B.2.3
WARNINGS = (0xB000, 0xB006, 0xB007)
PAUSE_S = 1.0


@dataclass(frozen=True)
class Tls:
    """Encryption. authority: certificates to trust instead of the system's. certificate, key: who we are, where asked."""

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Raises InputError where a file is no certificate or key."""
        try:
            context = ssl.create_default_context(cafile=self.authority)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key)
        except OSError:  # ssl.SSLError is one
            raise InputError("The certificates for TLS cannot be read; give files in PEM format.") from None
        return context


@dataclass(frozen=True)
class Node:
    """Where to send. called_aet, calling_aet: application entity titles, theirs and ours; they must know ours."""

    host: str
    port: int
    called_aet: str
    calling_aet: str = "DOSEPREDICT"
    timeout_s: float = 30.0
    tls: Tls | None = None

    def __post_init__(self) -> None:
        for title in (self.called_aet, self.calling_aet):
            if not (0 < len(title.strip()) <= 16 and title.isascii() and title.isprintable() and "\\" not in title):
                raise InputError(f"The AE title {title!r} is not 1 to 16 plain characters; ask for it where you send to.")
        if not 0 < self.port < 65536:
            raise InputError(f"The port {self.port} is not between 1 and 65535.")

    def __str__(self) -> str:
        return f"{self.called_aet} at {self.host}:{self.port}"


@dataclass(frozen=True)
class Outcome:
    """What came of one file. status: DICOM status of the answer, None where there was none."""

    file: str
    stored: bool
    text: str
    status: int | None = None


@dataclass(frozen=True)
class _File:
    path: Path
    sop_class: str
    uid: str
    transfer_syntax: str


def send(
    files: Iterable[Path], node: Node, *, retries: int = 2, on_file: Callable[[Outcome], None] = lambda outcome: None
) -> list[Outcome]:
    """Store each file at the node; what came of each, in order. A SOP instance given twice is sent once.

    Tried again, ``retries`` times: a connection that fails, and a file that was refused for want of resources. Never sent again:
    a file without an answer, for it may have been stored. Raises InputError before anything is sent for a file that is not
    DICOM or a missing pynetdicom, OutputError where the node cannot be reached, refuses the connection or does not answer.
    """
    waiting = list({file.uid: file for file in map(_identify, files)}.values())
    if not waiting:
        raise InputError("There is no file to send; name the RTDOSE and its plan.")
    outcomes: list[Outcome] = []
    while waiting:
        try:
            association = _connect(waiting, node, retries)
        except OutputError as error:
            if not outcomes:
                raise
            return [*outcomes, *(Outcome(file.path.name, False, f"not sent: {error}") for file in waiting)]
        try:
            settled = _store_until_lost(association, waiting, retries, on_file)
        finally:
            if association.is_established:  # left by an exception: Ctrl-C, or ``on_file`` that wants to stop
                association.abort()
        outcomes += settled
        waiting = waiting[len(settled) :]
    return outcomes


def _identify(path: Path) -> _File:
    """Raises DicomError for a file that lacks what a receiver asks for."""
    header = read_header(path, ["SOPClassUID", "SOPInstanceUID"])
    meta = getattr(header, "file_meta", None)
    syntax = text(meta, "TransferSyntaxUID") if meta is not None else ""
    file = _File(path, text(header, "SOPClassUID"), text(header, "SOPInstanceUID"), syntax)
    if not (file.sop_class and file.uid and file.transfer_syntax):
        raise DicomError(f"{path.name} is not a complete DICOM file (SOP class, instance or transfer syntax is missing).")
    return file


def _contexts(files: Sequence[_File]) -> list[tuple[str, str]]:
    """Pairs of SOP class and transfer syntax to propose; of several syntaxes in one context the node would take only one."""
    pairs = dict.fromkeys(
        (file.sop_class, str(syntax))
        for file in files
        for syntax in (UNCOMPRESSED if file.transfer_syntax in UNCOMPRESSED else (file.transfer_syntax,))
    )
    return list(pairs)[:MOST_CONTEXTS]


def _connect(files: Sequence[_File], node: Node, retries: int) -> Any:
    """An association that has answered a C-ECHO, where the node knows that service."""
    entity = _application_entity(files, node)
    secured = (node.tls.context(), node.host) if node.tls else None
    for attempt in range(retries + 1):
        association = entity.associate(node.host, node.port, ae_title=node.called_aet, tls_args=secured)
        if association.is_established:
            _verify(association, node)
            return association
        if association.is_rejected or association.rejected_contexts:
            raise OutputError(_refusal(association, node))
        if attempt < retries:
            time.sleep(PAUSE_S)
    raise OutputError(f"{node} does not answer; check host, port, firewall{' and certificates' if node.tls else ''}.")


def _application_entity(files: Sequence[_File], node: Node) -> Any:
    try:
        from pynetdicom import AE
        from pynetdicom.presentation import build_context
    except ImportError:
        raise InputError(
            "Sending needs the package pynetdicom, which is not installed; install it with: pip install 'dosepredict[network]'."
        ) from None
    entity = AE(ae_title=node.calling_aet)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = node.timeout_s
    pairs = [(VERIFICATION, ImplicitVRLittleEndian), *_contexts(files)]
    entity.requested_contexts = [build_context(service, [syntax]) for service, syntax in pairs]
    return entity


def _verify(association: Any, node: Node) -> None:
    if not any(context.abstract_syntax == VERIFICATION for context in association.accepted_contexts):
        return
    answer = association.send_c_echo()
    if "Status" not in answer or answer.Status != SUCCESS:
        association.abort()
        raise OutputError(f"{node} accepts connections and does not answer a C-ECHO; nothing was sent. Ask its administrator.")


def _refusal(association: Any, node: Node) -> str:
    if association.is_rejected:
        reason = association.acceptor.primitive.reason_str.lower()
        return f"{node} refused the connection ({reason}); it may not know the calling AE title {node.calling_aet}."
    return f"{node} accepts none of the kinds of objects to be sent; ask its administrator."


def _store_until_lost(
    association: Any, files: Sequence[_File], retries: int, on_file: Callable[[Outcome], None]
) -> list[Outcome]:
    """Outcomes of at least one file, of all if the connection lasts; the rest then goes over a new one."""
    outcomes: list[Outcome] = []
    for file in files:
        outcomes.append(_store(association, file, retries))
        on_file(outcomes[-1])
        if not association.is_established:
            return outcomes
    association.release()
    return outcomes


def _store(association: Any, file: _File, retries: int) -> Outcome:
    """Ends the association where no answer came: what arrives late on it could be taken for the answer to another file."""
    try:
        status = _answer(association, read_whole(file.path), retries)
    except DicomError as error:
        return Outcome(file.path.name, False, f"not sent: {error}")
    except ValueError:
        return Outcome(file.path.name, False, "not sent: the node does not accept this kind of object or its compression")
    except RuntimeError:
        return Outcome(file.path.name, False, "not sent: the connection was lost")
    if status is None:
        association.abort()
    return _outcome(file.path.name, status)


def _answer(association: Any, dataset: Dataset, retries: int) -> int | None:
    """The status of the C-STORE, None without one. Asked again only by a node that says it has stored nothing."""
    for attempt in range(retries + 1):
        if attempt:
            time.sleep(PAUSE_S)
        status = association.send_c_store(dataset).get("Status")
        if status not in NO_RESOURCES:
            break
    return status


def _outcome(name: str, status: int | None) -> Outcome:
    if status is None:
        return Outcome(name, False, "sent, but no answer came: look whether it arrived before you send it again")
    if status == SUCCESS:
        return Outcome(name, True, "stored", status)
    if status in WARNINGS:
        return Outcome(name, True, f"stored, with a warning (status 0x{status:04X}): values may have been changed", status)
    return Outcome(name, False, f"refused (status 0x{status:04X})", status)
