"""Reads thousands of damaged cases; each must be read or be refused in one sentence.

    python Testing/Robustness/mutate.py --count 10000 --seed 1 [--shared ../shared] [--json FILE] [--only MUTATION]

Variant n of a seed is always the same: ``--first n --count 1`` repeats it, ``--keep DIR`` leaves its files. Exit code 1 where
the program was at fault.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mutations import HARMLESS, MUTATIONS, Files, Mutation
from outcomes import DIFFERENT, FAULT, SAME, Outcome, inspected, loaded, prints
from small_cases import SmallCase, loose_objects, small_cases

from DosePredictLib.io.case import load_case

MEMORY_LIMIT = 6 << 30  # bytes of address space: an allocation beyond it is a fault, not a swapping machine
LOOSE = "loose objects"


@dataclass(frozen=True)
class Variant:
    """A damaged case and what became of it."""

    number: int
    case: str
    mutations: tuple[str, ...]
    what: tuple[str, ...]
    kind: str
    details: str
    seconds: float


class Bench:
    """A folder in which variants of some cases are laid out and read."""

    def __init__(self, folder: Path, cases: Sequence[SmallCase]) -> None:
        self.folder, self.cases = folder, cases
        self.laid_out: Files = {}
        self.originals = {case.name: self._original(case) for case in cases}

    def try_variant(self, number: int, seed: int, among: Sequence[Mutation] = MUTATIONS) -> Variant:
        chance = Random(f"{seed} {number}")
        case = chance.choice(self.cases)
        files, names, what = damaged(case, chance, among)
        self.lay_out(files)
        start = time.perf_counter()
        found = self._read(case, number)
        return Variant(number, case.name, names, what, found.kind, found.details, round(time.perf_counter() - start, 3))

    def _read(self, case: SmallCase, number: int) -> Outcome:
        """Loading shows most; every fourth variant is inspected, too."""
        if case.name == LOOSE or number % 4 == 0:
            seen = inspected(self.folder, case.prescription)
            if case.name == LOOSE or seen.kind == FAULT:
                return seen
        return loaded(self.folder, case.prescription, self.originals[case.name])

    def _original(self, case: SmallCase) -> dict[str, str]:
        self.lay_out(case.files)
        return {} if case.name == LOOSE else prints(load_case(self.folder, prescription=case.prescription or None))

    def lay_out(self, files: Files) -> None:
        """Only what differs from the variant before is written."""
        for name in self.laid_out.keys() - files.keys():
            (self.folder / name).unlink()
        for name, data in files.items():
            if self.laid_out.get(name) is not data:
                (self.folder / name).write_bytes(data)
        self.laid_out = dict(files)


def damaged(case: SmallCase, chance: Random, among: Sequence[Mutation]) -> tuple[Files, tuple[str, ...], tuple[str, ...]]:
    """The files after one to three mutations; those that cannot be done to them are drawn again."""
    files, names, what = dict(case.files), [], []
    wanted = chance.choice([1, 1, 1, 2, 3])
    while len(names) < wanted:
        mutation, trial = chance.choice(among), dict(files)
        try:
            said = mutation(trial, chance)
        except Exception:  # no such element, or already damaged beyond it
            wanted -= bool(names)
            continue
        files, names, what = trial, [*names, mutation.__name__], [*what, said]
    return files, tuple(names), tuple(what)


def table(variants: Sequence[Variant]) -> str:
    """Outcomes by mutation, of the variants with one mutation, and of all."""
    rows = Counter((v.mutations[0] if len(v.mutations) == 1 else "several at once", v.kind) for v in variants)
    kinds = (SAME, DIFFERENT, "refused", FAULT)
    lines = [f"| {'mutation':<24} | {' | '.join(f'{kind:>9}' for kind in kinds)} |", "|---|" + "---:|" * len(kinds)]
    for name in (*sorted({name for name, _ in rows}), "all"):
        counts = [sum(n for (row, k), n in rows.items() if k == kind and name in (row, "all")) for kind in kinds]
        lines.append(f"| {name:<24} | {' | '.join(f'{count:>9}' for count in counts)} |")
    return "\n".join(lines)


def is_wrong(variant: Variant) -> bool:
    """At fault, or something else was read of files that say the same."""
    harmless = {mutation.__name__ for mutation in HARMLESS}
    changed = set(variant.details.split(", ")) - {"warnings"}
    return variant.kind == FAULT or (variant.kind == DIFFERENT and bool(changed) and set(variant.mutations) <= harmless)


def run(options: argparse.Namespace) -> Iterator[Variant]:
    cases = [*small_cases(options.shared), *([loose_objects(options.shared)] if options.shared else [])]
    among = [m for m in MUTATIONS if m.__name__ == options.only] if options.only else MUTATIONS
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        bench = Bench(folder, cases)
        for number in range(options.first, options.first + options.count):
            yield bench.try_variant(number, options.seed, among)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only")
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, resource.RLIM_INFINITY))
    variants = []
    for variant in run(options):
        variants.append(variant)
        if options.json:
            with options.json.open("a") as file:
                file.write(json.dumps(asdict(variant)) + "\n")
        if is_wrong(variant) or options.count == 1:
            print(json.dumps(asdict(variant)), flush=True)
    print(table(variants))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"slowest {max(v.seconds for v in variants)} s, peak memory {peak} MB")
    return int(any(map(is_wrong, variants)))


if __name__ == "__main__":
    sys.exit(main())
