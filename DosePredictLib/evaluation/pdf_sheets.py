"""A4 sheets filled from top to bottom with headings, paragraphs, tables and pictures, by matplotlib."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .report_nouns import Cell, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT, MARGIN = 210.0, 297.0, 15.0  # mm
INNER = WIDTH - 2 * MARGIN
POINT = 25.4 / 72  # mm
LEADING = 1.3  # line height / font size
LETTER, BOLD = 0.53, 1.14  # mean width of a letter / font size, of matplotlib's own sans serif font; bold / plain
PLAIN, SMALL = 8.0, 6.6  # points
INK, SOFT, RULE = "#1c2430", "#5d6878", "#c9d0d9"
GAP = 2.0  # mm between two things
WIDEST_CELL = 46  # letters; longer texts are broken


class Sheets:
    """A PDF being written. All positions are mm from the top of the sheet; what does not fit begins a new one."""

    def __init__(self, path: Path, *, notice: str, footer: str) -> None:
        from matplotlib.backends.backend_pdf import PdfPages

        self._pdf = PdfPages(path, metadata={"CreationDate": None})
        self._notice, self._footer, self._count = notice, footer, 0
        self._figure: Any = None
        self.page()

    def __enter__(self) -> Sheets:
        return self

    def __exit__(self, *_: object) -> None:
        self._close_sheet()
        self._pdf.close()

    def page(self) -> None:
        """Begin a new sheet."""
        from matplotlib.figure import Figure

        self._close_sheet()
        self._figure, self._count = Figure(figsize=(WIDTH / 25.4, HEIGHT / 25.4)), self._count + 1
        self._top = MARGIN
        notice = textwrap.wrap(self._notice, self._letters(INNER - 4, SMALL * BOLD))
        height = self._line(SMALL) * len(notice) + 3
        self._box(MARGIN, self._top, INNER, height, linewidth=1.4)
        self._lines(notice, MARGIN + 2, self._top + 1.2, SMALL, weight="bold")
        self._put(f"{self._footer} Page {self._count}", MARGIN, HEIGHT - MARGIN + 2, SMALL, color=SOFT)
        self._top += height + GAP

    def title(self, text: str, subtitle: str) -> None:
        self._top += GAP
        self._flow([text], 16, weight="bold")
        self._flow(textwrap.wrap(subtitle, self._letters(INNER, 9)), 9, color=SOFT)

    def heading(self, text: str, *, small: bool = False) -> None:
        """With room for something below it on the same sheet."""
        size = 9.5 if small else 12.0
        self._need(35.0)
        self._top += 2 * GAP
        self._flow(textwrap.wrap(text, self._letters(INNER, size * BOLD)), size, weight="bold")
        if not small:
            self._rule(INK)

    def paragraph(self, text: str) -> None:
        self._flow(textwrap.wrap(text, self._letters(INNER, SMALL)), SMALL, color=SOFT)

    def bullets(self, texts: Iterable[str]) -> None:
        for text in texts:
            first, *rest = textwrap.wrap(text, self._letters(INNER - 4, PLAIN)) or [""]
            self._flow([first], PLAIN)
            self._flow(rest, PLAIN, indent=4)

    def listing(self, entries: Iterable[tuple[str, str]]) -> None:
        """Terms at the left, their texts beside them."""
        indent = 34.0
        for term, text in entries:
            lines = [part for line in text.split("\n") for part in textwrap.wrap(line, self._letters(INNER - indent, PLAIN))]
            self._need(self._line(PLAIN) * min(len(lines), 12))
            self._put(term, MARGIN, self._top, PLAIN, color=SOFT)
            self._flow(lines, PLAIN, indent=indent)

    def boxed(self, title: str, heading: str, lines: Sequence[str], *, heavy: bool) -> None:
        """A frame with a heading, a large title and lines."""
        titles = textwrap.wrap(title, self._letters(INNER - 8, 11 * BOLD))
        texts = [part for line in lines for part in textwrap.wrap(f"• {line}", self._letters(INNER - 8, PLAIN))]
        height = self._line(SMALL) + self._line(11) * len(titles) + self._line(PLAIN) * len(texts) + 5
        self._need(height + GAP)
        self._top += GAP
        self._box(MARGIN, self._top, INNER, height, linewidth=2.6 if heavy else 0.8)
        self._top += 2
        for text, size, style in (([heading], SMALL, {"color": SOFT}), (titles, 11, {"weight": "bold"}), (texts, PLAIN, {})):
            self._flow(text, size, indent=4, **style)
        self._top += 3

    def colours(self, entries: Iterable[tuple[str, str]]) -> None:
        """A legend: swatches with their texts, flowing."""
        left = MARGIN
        for colour, text in entries:
            width = 6 * bool(colour) + len(text) * LETTER * SMALL * POINT + 4
            if left + width > WIDTH - MARGIN:
                left, self._top = MARGIN, self._top + self._line(SMALL)
            if colour:
                self._box(left, self._top + 0.4, 4.5, 1.8, facecolor=colour, linewidth=0.3)
            self._put(text, left + 6 * bool(colour), self._top, SMALL)
            left += width
        self._top += self._line(SMALL) + GAP

    def images(self, images: Sequence[tuple[str, np.ndarray]]) -> None:
        """Below each other in what is left of the sheet, each with its caption, all of one scale."""
        captions = len(images) * (self._line(SMALL) + GAP)
        room = HEIGHT - MARGIN - self._top - captions
        scale = min(INNER / max(a.shape[1] for _, a in images), room / sum(a.shape[0] for _, a in images))
        for caption, array in images:
            height, width = (side * scale for side in array.shape[:2])
            axes = self._axes(MARGIN, self._top, width, height)
            axes.imshow(array, aspect="auto")
            axes.set_axis_off()
            self._top += height
            self._flow([caption], SMALL, color=SOFT)
            self._top += GAP

    def axes(self, height: float) -> Axes:
        """Axes with room for tick labels below and at the left, and a legend at the right."""
        self._need(height)
        axes = self._axes(MARGIN + 11, self._top + 4, INNER - 48, height - 16)
        axes.tick_params(labelsize=7)
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set_fontsize(8)
        self._top += height
        return axes

    def table(self, table: Table) -> None:
        """Columns as wide as their texts; the heads again on every sheet."""
        rows = [[_broken(cell) for cell in row] for row in table.rows]
        heads = [head.split("\n") for head in table.heads]
        needed = [
            max(map(len, [*heads[n], *(line for row in rows for line in row[n])]), default=1) + 2 for n in range(len(heads))
        ]
        edges = MARGIN + INNER * np.cumsum([0, *needed]) / sum(needed)
        size = min(PLAIN, INNER / (sum(needed) * LETTER * POINT))
        self._row(heads, edges, table.left, size, color=SOFT, weight="bold")
        self._rule(INK)
        for row, cells in zip(rows, table.rows, strict=True):
            if self._row_height(row, size) + self._top > HEIGHT - MARGIN:
                self.page()
                self._row(heads, edges, table.left, size, color=SOFT, weight="bold")
                self._rule(INK)
            self._row(row, edges, table.left, size, bold={n for n, cell in enumerate(cells) if cell.kind in ("look", "stop")})
            self._rule(RULE)

    def _row(
        self, cells: Sequence[Sequence[str]], edges: np.ndarray, left: frozenset[int], size: float,
        bold: set[int] | None = None, **style: Any,
    ) -> None:  # fmt: skip
        for column, lines in enumerate(cells):
            at_left = column in left
            x = edges[column] + 1 if at_left else edges[column + 1] - 1
            weight = {"weight": "bold"} if bold and column in bold else {}
            self._lines(lines, x, self._top + 0.8, size, ha="left" if at_left else "right", **{**weight, **style})
        self._top += self._row_height(cells, size)

    def _row_height(self, cells: Sequence[Sequence[str]], size: float) -> float:
        return max(len(lines) for lines in cells) * self._line(size) + 1.4

    def _flow(self, lines: Sequence[str], size: float, *, indent: float = 0.0, **style: Any) -> None:
        """Lines at the cursor, which moves on."""
        for line in lines:
            self._need(self._line(size))
            self._put(line, MARGIN + indent, self._top, size, **style)
            self._top += self._line(size)

    def _lines(self, lines: Sequence[str], left: float, top: float, size: float, **style: Any) -> None:
        for number, line in enumerate(lines):
            self._put(line, left, top + number * self._line(size), size, **style)

    def _put(self, text: str, left: float, top: float, size: float, **style: Any) -> None:
        style = {"color": INK, "va": "top", "parse_math": False, **style}
        self._figure.text(left / WIDTH, 1 - top / HEIGHT, text, fontsize=size, **style)

    def _box(self, left: float, top: float, width: float, height: float, **style: Any) -> None:
        from matplotlib.patches import Rectangle

        style = {"edgecolor": INK, "facecolor": "none", **style}
        corner = (left / WIDTH, 1 - (top + height) / HEIGHT)
        self._figure.add_artist(Rectangle(corner, width / WIDTH, height / HEIGHT, transform=self._figure.transFigure, **style))

    def _rule(self, colour: str) -> None:
        self._box(MARGIN, self._top, INNER, 0, edgecolor=colour, linewidth=0.5)
        self._top += 0.6

    def _axes(self, left: float, top: float, width: float, height: float) -> Axes:
        return self._figure.add_axes((left / WIDTH, 1 - (top + height) / HEIGHT, width / WIDTH, height / HEIGHT))

    def _need(self, height: float) -> None:
        if self._top + height > HEIGHT - MARGIN:
            self.page()

    def _close_sheet(self) -> None:
        if self._figure is not None:
            self._pdf.savefig(self._figure)

    @staticmethod
    def _line(size: float) -> float:
        return size * LEADING * POINT

    @staticmethod
    def _letters(width: float, size: float) -> int:
        """How many letters fit into a width, in mm."""
        return int(width / (size * LETTER * POINT))


def _broken(cell: Cell) -> list[str]:
    return [part for line in (cell.text, *cell.below) for part in textwrap.wrap(line, WIDEST_CELL)] or [""]


def _longest(lines: Sequence[str]) -> int:
    """Letters of the longest line."""
    return max(map(len, lines), default=0)
