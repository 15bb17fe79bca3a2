"""Files go to receivers of others: Orthanc, DCMTK's storescp, and a pynetdicom one that behaves badly on demand."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
import pytest

from DosePredictLib.cli.main import main
from DosePredictLib.core import DoseGrid, Grid, InputError, OutputError
from DosePredictLib.io import send as sending
from DosePredictLib.io.new_dicom import Provenance
from DosePredictLib.io.rtdose_writer import Export, write_rtdose
from DosePredictLib.io.send import Node, Tls, send

pynetdicom = pytest.importorskip("pynetdicom", reason="pynetdicom (extra 'network') is not installed")
LOCAL = "127.0.0.1"


@pytest.fixture
def files(tmp_path: Path, ct_header: pydicom.Dataset) -> list[Path]:
    """A stub plan and its dose."""
    grid = Grid((13, 17, 9), (2.5, 3.0, 4.0), (-20.0, 30.0, -100.0))
    dose = DoseGrid(np.random.default_rng(3).random(grid.shape) * 70, grid)
    folder = tmp_path / "export"
    folder.mkdir()
    written = write_rtdose(folder, dose, Export(ct_header, Provenance("dosediff", "1", "0" * 64, "0.1")))
    assert written.plan is not None
    return [written.plan, written.dose]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "PAUSE_S", 0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOCAL, 0))
        return probe.getsockname()[1]


def wait_for(port: int, process: subprocess.Popen) -> None:
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex((LOCAL, port)) == 0:
                return
        assert process.poll() is None, "the receiver did not start"
        time.sleep(0.1)
    pytest.fail("the receiver does not listen")


@contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[None]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            wait_for(port, process)
            yield
        finally:
            process.terminate()
            process.wait(timeout=20)


@contextmanager
def storescp(folder: Path, *options: str) -> Iterator[Node]:
    if not shutil.which("storescp"):
        pytest.skip("storescp (Debian package dcmtk) is not installed")
    folder.mkdir()
    port = free_port()
    command = ["storescp", "-v", "-od", str(folder), "-aet", "RECEIVER", *options, str(port)]
    with running(command, port, folder.parent / "storescp.log"):
        yield Node(LOCAL, port, "RECEIVER", timeout_s=10)


@contextmanager
def receiver(answers: list[int], secured: ssl.SSLContext | None = None) -> Iterator[tuple[Node, list[str]]]:
    """Answers C-STORE with each of these in turn, then with success; the list names what arrived."""
    from pynetdicom import AE, evt
    from pynetdicom.sop_class import RTDoseStorage, RTPlanStorage, Verification

    arrived: list[str] = []

    def store(event) -> int:
        arrived.append(str(event.request.AffectedSOPInstanceUID))
        return answers.pop(0) if answers else 0x0000

    entity = AE("RECEIVER")
    for service in (Verification, RTDoseStorage, RTPlanStorage):
        entity.add_supported_context(service)
    handlers = [(evt.EVT_C_STORE, store), (evt.EVT_C_ECHO, lambda event: arrived.append("echo") or 0x0000)]
    server = entity.start_server((LOCAL, 0), block=False, evt_handlers=handlers, ssl_context=secured)
    try:
        yield Node(LOCAL, server.socket.getsockname()[1], "RECEIVER", timeout_s=5), arrived
    finally:
        server.shutdown()


def uid(path: Path) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)


# --- what was sent is what is there -----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("+xi",)], ids=["explicit", "implicit only"])
def test_storescp_has_the_same_data_to_the_byte(options: tuple[str, ...], files: list[Path], tmp_path: Path) -> None:
    with storescp(tmp_path / "received", *options) as node:
        outcomes = send(files, node)
    assert [(o.file, o.stored, o.status) for o in outcomes] == [(path.name, True, 0) for path in files]
    received = {uid(path): pydicom.dcmread(path) for path in (tmp_path / "received").iterdir()}
    for path in files:
        there, here = received[uid(path)], pydicom.dcmread(path)
        assert there.get("PixelData") == here.get("PixelData")
        assert there == here


def test_orthanc_gives_back_the_same_data_to_the_byte(files: list[Path], tmp_path: Path) -> None:
    program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")
    if not program:
        pytest.skip("Orthanc (Debian package orthanc) is not installed")
    dicom, http = free_port(), free_port()
    config = {
        "Name": "test", "StorageDirectory": str(tmp_path / "db"), "IndexDirectory": str(tmp_path / "db"), "Plugins": [],
        "DicomAet": "ORTHANC", "DicomPort": dicom, "DicomCheckCalledAet": True, "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowEcho": True, "HttpPort": http, "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
    }  # fmt: skip
    (tmp_path / "orthanc.json").write_text(json.dumps(config))
    with running([program, str(tmp_path / "orthanc.json")], dicom, tmp_path / "orthanc.log"):
        assert all(outcome.stored for outcome in send(files, Node(LOCAL, dicom, "ORTHANC")))
        for path in files:
            stored = pydicom.dcmread(_from_orthanc(http, uid(path), tmp_path / "back.dcm"))
            here = pydicom.dcmread(path)
            assert stored.get("PixelData") == here.get("PixelData")
            assert stored == here


def _from_orthanc(port: int, instance: str, path: Path) -> Path:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://{LOCAL}:{port}/tools/lookup", data=instance.encode(), timeout=20) as found:
        (entry,) = json.load(found)
    with direct.open(f"http://{LOCAL}:{port}/instances/{entry['ID']}/file", timeout=20) as answer:
        path.write_bytes(answer.read())
    return path


def test_it_asks_with_an_echo_before_it_sends(files: list[Path]) -> None:
    with receiver([]) as (node, arrived):
        send(files, node)
    assert arrived == ["echo", *map(uid, files)]


# --- never twice --------------------------------------------------------------------------------------------------------


def test_a_file_given_twice_is_sent_once(files: list[Path]) -> None:
    with receiver([]) as (node, arrived):
        outcomes = send([*files, files[0]], node)
    assert arrived[1:] == list(map(uid, files))
    assert len(outcomes) == 2


def test_a_file_without_an_answer_is_not_sent_again(files: list[Path], tmp_path: Path) -> None:
    with storescp(tmp_path / "received", "--abort-after") as node:
        outcomes = send(files, node, retries=5)
    assert [outcome.stored for outcome in outcomes] == [False, False]
    assert all("look whether it arrived" in outcome.text for outcome in outcomes)
    assert (tmp_path / "storescp.log").read_text().count("Received Store Request") == 2  # each file once


def test_a_receiver_short_of_memory_is_asked_again(files: list[Path]) -> None:
    with receiver([0xA700, 0xA700]) as (node, arrived):
        (outcome,) = send(files[:1], node, retries=2)
    assert outcome.stored
    assert arrived[1:] == [uid(files[0])] * 3


def test_a_refusal_is_final_and_the_next_file_goes_on(files: list[Path]) -> None:
    with receiver([0xC000]) as (node, arrived):
        outcomes = send(files, node, retries=5)
    assert [(o.stored, o.status) for o in outcomes] == [(False, 0xC000), (True, 0)]
    assert arrived[1:] == list(map(uid, files))


def test_a_warning_counts_as_stored_and_is_told(files: list[Path]) -> None:
    with receiver([0xB000]) as (node, _):
        (outcome,) = send(files[:1], node)
    assert outcome.stored
    assert "warning (status 0xB000)" in outcome.text


# --- what goes wrong before ---------------------------------------------------------------------------------------------


def test_nobody_there_is_one_sentence(files: list[Path]) -> None:
    with pytest.raises(OutputError, match=r"RECEIVER at 127\.0\.0\.1:\d+ does not answer"):
        send(files, Node(LOCAL, free_port(), "RECEIVER", timeout_s=2), retries=1)


def test_a_receiver_that_never_answers_is_given_up(files: list[Path]) -> None:
    with socket.socket() as silent:
        silent.bind((LOCAL, 0))
        silent.listen()
        start = time.monotonic()
        with pytest.raises(OutputError, match="does not answer"):
            send(files, Node(LOCAL, silent.getsockname()[1], "RECEIVER", timeout_s=1), retries=0)
        assert time.monotonic() - start < 10


def test_a_refused_connection_is_one_sentence(files: list[Path], tmp_path: Path) -> None:
    with storescp(tmp_path / "received", "--refuse") as node, pytest.raises(OutputError, match="refused the connection"):
        send(files, node)


def test_a_file_of_another_kind_is_told_and_the_rest_is_sent(files: list[Path], tmp_path: Path) -> None:
    other = pydicom.dcmread(files[0])
    other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = pydicom.uid.MRImageStorage
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = "1.2.3.77"
    other.save_as(tmp_path / "other.dcm")
    with receiver([]) as (node, arrived):
        outcomes = send([tmp_path / "other.dcm", files[1]], node)
    assert [outcome.stored for outcome in outcomes] == [False, True]
    assert "does not accept" in outcomes[0].text
    assert arrived == ["echo", uid(files[1])]


def test_nothing_is_sent_where_one_file_is_no_dicom(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not DICOM")
    with receiver([]) as (node, arrived), pytest.raises(InputError, match=r"notes\.txt"):
        send([*files, tmp_path / "notes.txt"], node)
    assert arrived == []


def test_without_pynetdicom_it_says_what_to_install(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynetdicom", None)
    with pytest.raises(InputError, match=r"dosepredict\[network\]"):
        send(files, Node(LOCAL, 104, "RECEIVER"))


@pytest.mark.parametrize("title", ["", "SEVENTEEN_LETTERS", "BACK\\SLASH", "ÜMLAUT"])
def test_a_title_that_dicom_does_not_allow_is_refused(title: str) -> None:
    with pytest.raises(InputError, match="AE title"):
        Node(LOCAL, 104, title)


# --- encryption ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for the loopback address, and its key."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    key, own = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=test -addext subjectAltName=IP:{LOCAL}"
    subprocess.run([*command.split(), "-keyout", str(key), "-out", str(own)], check=True, capture_output=True)
    return own, key


def test_tls_reaches_a_receiver_it_trusts_and_no_other(files: list[Path], certificate: tuple[Path, Path]) -> None:
    own, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    with receiver([], context) as (node, arrived):
        trusting = Node(LOCAL, node.port, "RECEIVER", timeout_s=5, tls=Tls(authority=own))
        assert all(outcome.stored for outcome in send(files, trusting))
        before = len(arrived)
        with pytest.raises(OutputError, match="certificates"):
            send(files, Node(LOCAL, node.port, "RECEIVER", timeout_s=5, tls=Tls()), retries=0)
        with pytest.raises(OutputError, match="does not answer"):
            send(files, Node(LOCAL, node.port, "RECEIVER", timeout_s=2), retries=0)
        assert len(arrived) == before


def test_a_certificate_that_is_none_is_one_sentence(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nothing")
    with pytest.raises(InputError, match="PEM"):
        send(files, Node(LOCAL, 104, "RECEIVER", tls=Tls(authority=tmp_path / "bad.pem")))


# --- command ------------------------------------------------------------------------------------------------------------


def test_the_command_says_what_came_of_each_file(files: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    for answers, code, said in (([], 0, "stored"), ([0xC000], 1, "refused (status 0xC000)")):
        with receiver(answers) as (node, _):
            words = ["send", *map(str, files), "--host", LOCAL, "--port", str(node.port), "--called-aet", "RECEIVER"]
            assert main(words) == code
        lines = capsys.readouterr().out.splitlines()
        assert lines == [f"{files[0].name}: {said}", f"{files[1].name}: stored"]
