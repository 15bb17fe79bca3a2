"""Cards, tables and lists of a page as HTML; the style they need is that of Resources/Report/report.html."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from ..resources import resource
from .report_nouns import Card, Cell, Table


def style() -> str:
    """The <style> of the report, for other pages."""
    page = resource("Report", "report.html").read_text(encoding="utf-8")
    return page[page.index("<style>") : page.index("</style>") + len("</style>")]


def card(content: Card) -> str:
    lines = f"<ul>{''.join(f'<li>{_unbroken(line)}</li>' for line in content.lines)}</ul>" if content.lines else ""
    title = f'<h3>{escape(content.heading)}</h3><p class="big">{escape(content.title)}</p>'
    return f'<div class="card {content.kind}">{title}{lines}</div>'


def _unbroken(line: str) -> str:
    """A number stays on one line with its unit and with the sign before it."""
    return re.sub(r"(?<=\d) (?=%|Gy|mm|cc)|(?<=[≥≤]) (?=\d)", "&nbsp;", escape(line))


def table(content: Table) -> str:
    heads = "".join(f"<th{_left(content, n)}>{escape(h).replace(chr(10), '<br>')}</th>" for n, h in enumerate(content.heads))
    rows = "".join(f"<tr>{''.join(_cell(cell, _left(content, n)) for n, cell in enumerate(row))}</tr>" for row in content.rows)
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _left(content: Table, column: int) -> str:
    return ' data-left=""' if column in content.left else ""


def _cell(cell: Cell, left: str) -> str:
    kind = f' class="{cell.kind}"' if cell.kind else ""
    below = "".join(f"<small>{escape(line)}</small>" for line in cell.below)
    return f"<td{left}{kind}>{escape(cell.text)}{below}</td>"


def listing(entries: Iterable[tuple[str, str]]) -> str:
    lines = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v).replace(chr(10), '<br>')}</dd>" for k, v in entries)
    return f"<dl>{lines}</dl>" if lines else ""


def remarks(groups: Mapping[str, Sequence[str]]) -> str:
    """Lists under their headings; those without entries are left out."""
    lists = [
        f"<h3>{name}</h3><ul>{''.join(f'<li>{escape(t)}</li>' for t in texts)}</ul>" for name, texts in groups.items() if texts
    ]
    return "".join(lists) or '<p class="small">None.</p>'


def data_uri(content: bytes, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"
