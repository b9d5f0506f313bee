"""What a result shows of itself: a piece of HTML for a notebook, or a Matplotlib figure. The same for all results."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import cast

from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from antehoc.blocks import Block, Note, Section, Told
from antehoc.display import Displayed
from antehoc.errors import OutputError
from antehoc.evaluation import Evaluation
from antehoc.report import blocks_html, cases, figure_tables, plots
from antehoc.report.document import stylesheet
from antehoc.report.html import Html, tag
from antehoc.report.look import styled
from antehoc.types import Decision

_SUFFIXES = (".png", ".pdf", ".svg")
_REASONS = 4  # of each side, below a decision's picture
_SHOWN = (
    "background: var(--paper); color: var(--ink); padding: 12px 16px; border-radius: 8px; max-width: 1000px;"
    " font: 15px/1.5 system-ui, sans-serif;"
)
_NUMBERS = count()  # a notebook is one page: ids of its results must differ


def fragment(result: Displayed) -> Html:
    """A result as HTML for a notebook: its style applies inside of it alone, and nothing is fetched.

    Args:
        result: a decision, an evaluation, a comparison or attributions.
    """
    key = f"shown {next(_NUMBERS)}"
    if isinstance(result, Decision):
        body = cases.body(result, None, Html(""), None, key)
    else:
        blocks = [Note(result.headline(), "headline"), *_blocks(result)]
        body = blocks_html.render(blocks, key, level=4)
    style = f"{stylesheet('colors.css')}\n.antehoc.shown {{\n{_SHOWN}\n{stylesheet('blocks.css')}\n}}"
    return tag("div", tag("style", Html(style)), body, class_="antehoc shown")


def figure(result: Displayed, image: Tensor | Image.Image | None = None) -> Figure:
    """A result as a Matplotlib figure.

    Args:
        result: a decision, an evaluation, a comparison or attributions.
        image: what a decision's masks lie over.
    """
    with styled():
        if isinstance(result, Decision):
            return plots.figure(result.headline(), _panels(result, image), _lines(result))
        return plots.figure(result.headline(), _blocks(result))


def save(result: Displayed, path: Path, image: Tensor | Image.Image | None = None) -> None:
    """Write the figure of a result.

    Raises:
        OutputError: for a path that is no .png, .pdf or .svg, or that cannot be written.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise OutputError(f"{path}: a picture is written as .png, .pdf or .svg; choose another name.")
    drawn = figure(result, image)
    try:
        with styled():
            drawn.savefig(path, dpi=150)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); choose another path.") from error


def _blocks(result: Displayed) -> Sequence[Block]:
    """All blocks of a result but its headline."""
    if isinstance(result, Evaluation):
        rest = [Section(one.title, one.blocks, folded=True) for one in result.sections]
        return [*figure_tables.blocks(result.figures), *rest]
    return cast(Told, result).blocks()


def _panels(decision: Decision, image: Tensor | Image.Image | None) -> list[Section]:
    return cases.panels(decision, None, image=image)


def _lines(decision: Decision) -> list[plots.Line]:
    """The first reasons of a decision; with several labels those of each, behind its name."""
    if not decision.labels:
        return _reasons(decision.label, decision, "")
    return [line for name, one in decision.labels.items() if one.present for line in _reasons(name, one, f"{name}: ")]


def _reasons(label: str, one: object, before: str) -> list[plots.Line]:
    verdict = getattr(one, "verdict", None)
    if verdict is None:
        return []
    lines: list[plots.Line] = []
    for agrees in (verdict.outcome == "accepted", verdict.outcome != "accepted"):
        own = [reason for reason in verdict.reasons if reason.agrees == agrees][:_REASONS]
        lines += [plots.Line(before + cases.reason_text(reason, label), agrees) for reason in own]
    return lines
