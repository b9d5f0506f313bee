"""A few images of a run with what was decided and why, as one PNG."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from PIL import Image
from torch import Tensor

from antehoc.blocks import Bars, Overlay
from antehoc.evaluation import Shown
from antehoc.figure import number, percent
from antehoc.report import pictures
from antehoc.report.bars import COLORS
from antehoc.report.cases import reason_text
from antehoc.report.look import GREEN, GREY, INK, PALE, RED, RULE, short, styled
from antehoc.spec import DataSpec
from antehoc.types import Decision, Verdict

_BARS, _REASONS = 5, 3  # as many are shown
_TOP, _SIDE = 84, 138  # where pictures begin on a card, and how large they are, in pixels


def overview(shown: Sequence[Shown], spec: DataSpec, *, rows: int = 2) -> bytes:
    """Cases with label, verdict, explanation and reasons in words, two in a row, as a PNG.

    Args:
        shown: the cases to choose from; as many as fit are shown.
        spec: of their data.
        rows: of two cases; the picture has 1400 x (14 + 343 * rows) pixels.
    """
    height = 14 + 343 * rows
    with styled():
        figure = Figure(figsize=(14, height / 100), dpi=100, facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, 1400), ylim=(height, 0))  # pixels, from the top left
        axes.axis("off")
        for index, case in enumerate(_telling(shown, 2 * rows)):
            _Card(axes, 14 + index % 2 * 693, 14 + index // 2 * 343).draw(case, spec)
        file = BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _telling(shown: Sequence[Shown], most: int) -> list[Shown]:
    """A few cases that tell most: what is correct and accepted, wrong and questioned, unknown and questioned."""

    def kind(case: Shown) -> tuple[bool, bool, bool]:
        questioned = case.decision.verdict is not None and case.decision.verdict.outcome == "questioned"
        return case.truth is None, case.truth == case.decision.label, questioned

    wanted = [(False, True, False), (False, False, True), (False, False, True), (True, False, True)]
    chosen: list[int] = []
    for want in wanted:
        found = [index for index, case in enumerate(shown) if kind(case) == want and index not in chosen]
        chosen += found[-1:] if want[0] else found[:1]  # of unknown images the user's own, which come last
    chosen += [index for index in range(len(shown)) if index not in chosen]
    return [shown[index] for index in chosen[:most]]


class _Card:
    """One case on a card of 679 x 329 pixels, whose upper left corner is given."""

    def __init__(self, axes: Axes, left: int, top: int) -> None:
        self.axes, self.left, self.top = axes, left, top

    def draw(self, case: Shown, spec: DataSpec) -> None:
        """Everything on it."""
        corner = (self.left, self.top)
        style = "round,pad=0,rounding_size=8"
        frame = FancyBboxPatch(corner, 679, 329, boxstyle=style, facecolor="white", edgecolor=RULE)
        self.axes.add_patch(frame)
        self._head(case.decision, case.truth)
        self._image(pictures.pixels(case.image), 22)
        for block in _drawable(case.decision, spec, case.image):
            if isinstance(block, Bars):
                self._bars(block)
            elif isinstance(block, Overlay):
                self._overlay(block)
        self._reasons(case.decision.verdict, case.decision.label)

    def _write(self, x: int, y: int, text: str, size_px: int = 15, **look: Any) -> None:
        self.axes.text(self.left + x, self.top + y, text, fontsize=0.72 * size_px, va="center", **look)

    def _box(self, x: int | float, y: int, width: int | float, height: int, **look: Any) -> None:
        self.axes.add_patch(Rectangle((self.left + x, self.top + y), width, height, **look))

    def _head(self, decision: Decision, truth: str | None) -> None:
        share = decision.probabilities.get(decision.label)
        said = "none of the classes" if truth is None else f"true class: {truth}"
        said = "correct" if truth == decision.label else said
        self._write(22, 34, short(decision.label or "no label", 24), 20, weight="bold")
        self._write(22, 62, short(said if share is None else f"{percent(share)}, {said}", 46), color=GREY)
        if verdict := decision.verdict:
            color = RED if verdict.outcome == "questioned" else GREEN
            pill = {"boxstyle": "round,pad=0.42,rounding_size=1", "facecolor": "white", "edgecolor": color}
            self._write(644, 34, verdict.outcome, 15, ha="right", color=color, weight="bold", bbox=pill)

    def _image(self, image: Image.Image, x: int) -> None:
        how = "nearest" if max(image.size) <= pictures.CRISP_PX else "antialiased"
        left, top = self.left + x, self.top + _TOP
        extent = (left, left + _SIDE, top + _SIDE, top)
        pixels = np.asarray(image.convert("RGB"))
        self.axes.imshow(pixels, extent=extent, aspect="auto", interpolation=how).set_zorder(1)
        self._box(x, _TOP, _SIDE, _SIDE, facecolor="none", edgecolor=RULE, zorder=2)

    def _bars(self, block: Bars) -> None:
        """The first few bars; those of attributes come in the order of what they tell."""
        if any(row.tick is not None for row in block.rows):
            self._write(652, 69, "bar: probability; tick: expected for the class", 12, ha="right", color=GREY)
        for index, row in enumerate(block.rows[:_BARS]):
            y = 96 + 29 * index
            self._write(392, y, short(row.label, 28), ha="right")
            value = min(max(row.value, 0.0), 1.0) if row.value == row.value else 0.0
            for width, color in ((200, PALE), (200 * value, COLORS[row.mark])):
                self._box(406, y - 6, width, 12, facecolor=color)
            if row.tick is not None:
                self._box(405 + 200 * row.tick, y - 9, 2, 18, facecolor=INK)
            self._write(652, y, number(row.value, "probability"), ha="right")

    def _overlay(self, block: Overlay) -> None:
        """A map over its image, with its colors beside it."""
        self._image(pictures.drawn(block), 190)
        self._write(360, 110, short(block.caption, 40))
        left, top = self.left, self.top
        shades = np.linspace(0, 1, 64)[None]
        colors = pictures.SHADES(shades)
        self.axes.imshow(colors, extent=(left + 360, left + 652, top + 170, top + 154), aspect="auto").set_zorder(1)
        self._write(360, 186, short(block.low, 24), 12, color=GREY)
        self._write(652, 186, short(block.high, 24), 12, ha="right", color=GREY)

    def _reasons(self, verdict: Verdict | None, label: str) -> None:
        for index, reason in enumerate(verdict.reasons[:_REASONS] if verdict else ()):
            y = 248 + 26 * index
            sign, color = ("+", GREEN) if reason.agrees else ("\u2013", RED)
            self._write(22, y, sign, 16, color=color, weight="bold")
            self._write(40, y, short(reason_text(reason, label), 92), 14)


def _drawable(decision: Decision, spec: DataSpec, image: Tensor) -> list[Bars | Overlay]:
    """The first block of the explanations for which a card has room: bars or a map."""
    sections = [section for one in decision.explanations for section in one.blocks(spec, decision.label, image)]
    blocks = [block for section in sections for block in section.blocks]
    return [block for block in blocks if isinstance(block, Bars | Overlay)][:1]
