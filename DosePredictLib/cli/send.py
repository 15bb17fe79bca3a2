"""``dosepredict send FILE... --host H --port P --called-aet A``."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import existing, positive

NOT_STORED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="DICOM files, the plan before its dose")
    parser.add_argument("--host", required=True, metavar="H", help="name or address of the receiver")
    parser.add_argument("--port", required=True, type=positive, metavar="P", help="its DICOM port, often 104 or 11112")
    parser.add_argument("--called-aet", required=True, metavar="A", help="its application entity title")
    parser.add_argument("--calling-aet", default="DOSEPREDICT", metavar="A", help="ours; the receiver must know it (DOSEPREDICT)")
    parser.add_argument("--timeout", type=positive, default=30, metavar="S", help="seconds to wait for an answer (30)")
    parser.add_argument("--retries", type=int, choices=range(11), default=2, metavar="N", help="how often to try again (2)")
    parser.add_argument("--tls", action="store_true", help="encrypt the connection")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="with --tls: certificates to trust instead of the system's (PEM)")
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="with --tls: our certificate (PEM)")
    parser.add_argument("--key", type=Path, metavar="FILE", help="with --tls: the key of our certificate (PEM)")


def run(options: argparse.Namespace) -> int:
    """A line for each file; exit code 1 where one was not stored."""
    from ..io.send import Node, Tls, send

    tls = Tls(options.ca, options.certificate, options.key) if options.tls else None
    node = Node(options.host, options.port, options.called_aet, options.calling_aet, options.timeout, tls)
    files = [Path(existing(path)) for path in options.files]
    outcomes = send(files, node, retries=options.retries, on_file=lambda outcome: print(f"{outcome.file}: {outcome.text}"))
    return 0 if all(outcome.stored for outcome in outcomes) else NOT_STORED
