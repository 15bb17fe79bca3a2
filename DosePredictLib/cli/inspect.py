"""``dosepredict inspect CASE``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .options import add_case, add_choose, choices, existing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_case(parser)
    add_choose(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(options: argparse.Namespace) -> int:
    """Print what was found; incomplete sets are listed too."""
    from ..io.inspect import inspect
    from ..io.inspection_text import format_inspection

    found = inspect([Path(existing(path)) for path in options.case], choose=choices(options.choose))
    print(json.dumps(found, indent=2) if options.json else format_inspection(found))
    return 0
