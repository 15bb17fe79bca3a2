"""``dosepredict``: the command line. One file a command; a command's file is imported when it is asked for."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from .. import __version__

COMMANDS = {
    "demo": "predict on a synthetic patient: the whole chain, from DICOM to a report",
    "inspect": "list what is found in a patient's files, and what is missing",
    "predict": "predict the dose of a patient",
    "evaluate": "compare a predicted dose with a reference dose",
    "check-rtdose": "check RT Doses of any vendor against the standard and against CT, structures and plan",
    "send": "send DICOM files to a treatment planning system or archive",
    "calibrate": "learn from your own plans how the model errs at your site",
    "commission": "report how a model does over a folder of cases",
    "models": "list, show, verify and import models",
    "train": "train a model",
    "benchmark": "score a model on a public data set",
    "info": "versions, devices and models: what a bug report needs",
}
PURPOSE = "Predicts radiotherapy dose with diffusion models."
NOTICE = "Research software, not a medical device: a predicted dose must not be used to treat anyone."
OK, UNEXPECTED, REFUSED, CANCELLED = 0, 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 a fault of the program (or a check that found faults), 2 refused, 3 cancelled."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = parser(words).parse_args(words)
        if not hasattr(options, "run"):
            parser(words).print_help()
            return OK
        return _guarded(options)
    except KeyboardInterrupt:
        return _complain("Cancelled; nothing was written.", CANCELLED)


def parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Of all commands only the one in ``words`` is imported and gets its options."""
    top = argparse.ArgumentParser(prog="dosepredict", description=PURPOSE, epilog=NOTICE)
    top.add_argument("--version", action="version", version=f"dosepredict {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    wanted = next((word for word in words if word in COMMANDS), None)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", epilog=NOTICE)
        if name == wanted:
            module = _command(name)
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return top


def _command(name: str) -> ModuleType:
    return import_module(f".{name.replace('-', '_')}", __package__)


def _guarded(options: argparse.Namespace) -> int:
    """Run the command; whatever goes wrong ends in one sentence on stderr."""
    from ..core.errors import Cancelled, DosePredictError
    from .running import Died

    try:
        return options.run(options) or OK
    except Cancelled:
        return _complain("Cancelled; nothing was written.", CANCELLED)
    except DosePredictError as error:
        return _complain(str(error), REFUSED)
    except BrokenPipeError:  # the reader of our output has gone, e.g. "| head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        name = os.path.basename(str(error.filename or "")) or "A file"
        return _complain(f"{name} cannot be read or written: {error.strerror or 'unknown reason'}.", REFUSED)
    except Died as error:
        return _complain(f"{error} Please report it with {_keep_log(error.log)}.", UNEXPECTED)
    except Exception as error:
        lines = "".join([*traceback.format_tb(error.__traceback__), type(error).__name__, "\n"])
        text = f"The program stopped at an unexpected error ({type(error).__name__}). Please report it with {_keep_log(lines)}."
        return _complain(text, UNEXPECTED)


def _complain(sentence: str, code: int) -> int:
    print(f"dosepredict: {' '.join(sentence.split())}", file=sys.stderr)
    return code


def _keep_log(text: str) -> str:
    """Where the log was put: in the user's folder, for it names no patient but a bug report needs it."""
    from datetime import datetime

    from ..registry import user_folder

    path = user_folder() / "logs" / f"{datetime.now():%Y-%m-%d-%H%M%S}.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError:
        return "'dosepredict info --json'"
    return str(path)


if __name__ == "__main__":
    sys.exit(main())
