"""The tables of docs/results.md, from the lines that results.py has measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from DosePredictLib.core import InputError
from DosePredictLib.evaluation.openkbp import OAR_METRICS, OAR_NAMES, TARGET_NAMES, TARGET_PERCENTILES
from DosePredictLib.evaluation.openkbp_statistics import PatientErrors, compare

START, END = "<!-- results -->", "<!-- end -->"
ALONE = "structure encoder alone"
Row = dict[str, Any]


def written(path: Path, text: str) -> None:
    """``text`` between the two marks of a document, whose other words stay. Raises InputError where it lacks them."""
    document = path.read_text(encoding="utf-8")
    before, start, rest = document.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise InputError(f"{path.name} has no place for the tables; write {START} and {END} on lines of their own.")
    path.write_text(f"{before}{START}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def tables(rows: Sequence[Row], *, baseline: str) -> str:
    """Markdown. The models in the order of their best dose score; ``baseline``: the model that the others are compared with."""
    shipped, ablations = in_order(row for row in rows if not row["ablation"]), [row for row in rows if row["ablation"]]
    usual = [row for row in shipped if is_usual(row)]
    base = next((row for row in usual if row["model"]["id"] == baseline), None)
    parts = [
        ("### Accuracy and cost", accuracy(shipped)),
        (f"### Less `{baseline}`", differences(shipped, base) if base else ""),
        ("### Errors by structure", structures(usual)),
        *ablation_parts(ablations),
        ("### The models", facts([*usual, *ablations])),
    ]
    return "\n\n".join(f"{title}\n\n{table}" for title, table in parts if table)


def ablation_parts(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """For each kind of network, its lines; the first of them is what the others are compared with."""
    for network in dict.fromkeys(row["network"] for row in rows):
        first, *others = (row for row in rows if row["network"] == network)
        yield f"### Ablations of `{network}`", accuracy([first, *others])
        yield f"### Less `{name(first)}`", differences(others, first)


def in_order(rows: Iterable[Row]) -> list[Row]:
    rows = list(rows)
    best = {name(row): min(other["dose_score_gy"] for other in rows if name(other) == name(row)) for row in rows}
    return sorted(rows, key=lambda row: (best[name(row)], name(row), row["request"]["samples"], row["request"]["steps"]))


def name(row: Row) -> str:
    return str(row["model"]["id"])


def is_usual(row: Row) -> bool:
    """Whether it is what the model does where nothing else is asked for."""
    return row["request"]["steps"] == row["usual_steps"] and row["request"]["samples"] == 1


def sampling(row: Row) -> str:
    request = row["request"]
    many = f", mean of {request['samples']}" if request["samples"] > 1 else ""
    return f"{request['steps']}{many}{' (usual)' if is_usual(row) else ''}"


def accuracy(rows: Sequence[Row]) -> str:
    heads = ("model", "steps", "dose score", "DVH score", "MAE in the body", "SSIM in the body", "s", "MB", "n")
    return table(heads, (line for row in rows for line in accuracy_lines(row))) if rows else ""


def accuracy_lines(row: Row) -> Iterator[tuple[str, ...]]:
    yield (
        f"`{name(row)}`",
        sampling(row),
        *accuracy_cells(row),
        f"{row['seconds']:.1f}",
        f"{row['peak_mb']:.0f}",
        str(row["patients"]),
    )
    if "estimate" in row and is_usual(row):
        yield f"`{name(row)}`, {ALONE}", "–", *accuracy_cells(row["estimate"]), "–", "–", str(row["estimate"]["patients"])


def accuracy_cells(scores: Row) -> tuple[str, ...]:
    dose, dvh = (
        f"{scores[f'{score}_score_gy']:.2f} ({low:.2f} ... {high:.2f})" for score, (low, high) in scores["interval_gy"].items()
    )
    return dose, dvh, f"{scores['body_mae_gy']:.2f}", f"{scores['body_ssim']:.3f}"


def differences(rows: Sequence[Row], base: Row) -> str:
    """Of every line but the baseline's own."""
    others = [(f"`{name(row)}`", sampling(row), row) for row in rows if row is not base]
    others += [(f"`{name(row)}`, {ALONE}", "–", row["estimate"]) for row in rows if "estimate" in row and is_usual(row)]
    heads = ("model", "steps", "dose score", "p", "DVH score", "p")
    return table(heads, ((label, steps, *difference_cells(scores, base)) for label, steps, scores in others)) if others else ""


def difference_cells(scores: Row, base: Row) -> Iterator[str]:
    for found in compare(PatientErrors.of(scores), PatientErrors.of(base)).values():
        low, high = found.interval_gy
        yield f"{found.difference_gy:+.2f} ({low:+.2f} ... {high:+.2f})"
        yield f"{found.wilcoxon_p:.1g}"


def structures(rows: Sequence[Row]) -> str:
    """Each of the challenge's criteria by model."""
    criteria = [(target, metric) for target in reversed(TARGET_NAMES) for metric in TARGET_PERCENTILES]
    criteria += [(organ, metric) for organ in OAR_NAMES for metric in reversed(OAR_METRICS)]
    present = [one for one in criteria if any(" ".join(one) in row["dvh_error_gy"] for row in rows)]
    heads = ("structure", "criterion", *(f"`{name(row)}`" for row in rows))
    return table(heads, ((structure, symbol(metric), *errors(rows, structure, metric)) for structure, metric in present))


def errors(rows: Sequence[Row], structure: str, metric: str) -> list[str]:
    found = [row["dvh_error_gy"].get(f"{structure} {metric}") for row in rows]
    return ["–" if error is None else f"{error:.2f}" for error in found]


def symbol(metric: str) -> str:
    """ICRU 83: Dmean, D0.1cc, D95%."""
    return {"mean": "Dmean", "D_0.1_cc": "D0.1cc"}.get(metric, f"{metric.replace('_', '')}%")


def facts(rows: Sequence[Row]) -> str:
    heads = ("model", "version", "weights", "parameters", "MB", "training steps", "minutes", "on")
    return table(heads, (fact_cells(row) for row in rows))


def fact_cells(row: Row) -> tuple[str, ...]:
    model, training = row["model"], row["training"]
    return (
        f"`{name(row)}`", model["version"], f"`{model['weights_sha256'][:12]}`", f"{row['parameters'] / 1e6:.1f} M",
        f"{row['megabytes']:.1f}", f"{training['steps']:,}", str(training["minutes"]), training["device"],
    )  # fmt: skip


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head, *lines = (f"| {' | '.join(cells)} |" for cells in (heads, *rows))
    return "\n".join([head, "|" + "---|" * len(heads), *lines])
