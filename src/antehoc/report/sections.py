"""The sections of a page: tables, charts and words about one evaluation, its verdict and its explanation card."""

import dataclasses
from collections.abc import Iterable

from antehoc.blocks import Block, Lines, Matrix, Note, Section, Strips, Strong, Table
from antehoc.cards import Card
from antehoc.evaluation import Evaluation
from antehoc.evaluation import reading as reading_of
from antehoc.model import Model
from antehoc.report import cases, figures
from antehoc.report.html import Html, join, table, tag
from antehoc.report.meanings import Group, Row, is_shown, number

_UNKNOWN_CASES = 5  # unknown images that are shown
_FREE = 1e308  # a threshold that stands for none


def headline(evaluation: Evaluation) -> Html:
    """What was found, in two or three sentences made from the figures."""
    return tag("p", evaluation.headline(), class_="headline")


def figure_table(groups: Iterable[Group], *, published: bool, prefix: str = "") -> Html:
    """Every figure by name, measured beside published; what is not read first is folded away below."""
    head = ["figure", "what it is", "measured", "95 % interval", *(["published"] if published else [])]
    rows: list[list[str]] = []
    folded: list[list[str]] = []
    for group in groups:
        own = [row for row in group.rows if is_shown(row, prefix)]
        rows += [[group.title], *(_figure(row, published=published) for row in own)] if own else []
        folded += [_figure(row, published=published) for row in group.rows if row not in own]
    parts = [table(head, rows, class_="figures")]
    if folded:
        summary = tag(
            "summary",
            f"{len(folded)} figures more: single doubts, single sets of images, more measures",
        )
        parts.append(tag("details", summary, table(head, folded, class_="figures")))
    return join(parts)


def _figure(row: Row, *, published: bool) -> list[str]:
    interval = "" if row.interval is None else " to ".join(map(number, row.interval))
    known = [] if not published else ["" if row.published is None else number(row.published)]
    *first, last = row.name.split("_")
    name = tag("code", *(piece for part in first for piece in (f"{part}_", tag("wbr"))), last)
    return [name, row.meaning, number(row.measured, row.name), interval, *known]


def evaluation_sections(evaluation: Evaluation, model: Model, name: str = "") -> Html:
    """All that an evaluation shows but its list of figures; the name tells its charts from those of another."""
    blocks = [*evaluation.blocks(name), reading_of(model.policy)]
    return join([_cases(evaluation, model), *(_block(block, name) for block in blocks)])


def reading(model: Model) -> Html:
    """How the verdict is to be read."""
    return _block(reading_of(model.policy))


def _block(block: Block, name: str = "", level: int = 3) -> Html:
    """A block as HTML; the name tells its charts from those of another."""
    match block:
        case Section():
            inside = [_block(part, name, level + 1) for part in block.blocks]
            if block.folded:
                return tag("details", tag("summary", block.title), *inside)
            return join([tag(f"h{level}", block.title), *inside])
        case Note():
            return tag("p", block.text, class_="note" if block.kind == "aside" else None)
        case Table():
            rows = [[_cell(cell) for cell in row] for row in block.rows]
            return table(block.head, rows, caption=block.caption, class_=block.kind)
        case Matrix():
            return _chart(figures.confusion(block.counts, block.names, name), block.caption)
        case Strips():
            threshold = _FREE if block.threshold is None else block.threshold
            return _chart(figures.histogram(block.sets, threshold, name), block.caption)
        case Lines():
            return _chart(figures.risk_coverage(block.series, name), block.caption)
        case _:
            raise TypeError(f"no evaluation has a block of the type {type(block).__name__}")


def _cell(cell: object) -> str:
    return tag("b", cell.text) if isinstance(cell, Strong) else str(cell)


def _chart(svg: str, caption: str) -> Html:
    return tag("figure", Html(svg), tag("figcaption", caption))


def _cases(evaluation: Evaluation, model: Model) -> Html:
    if not evaluation.shown:
        return Html("")
    kind = evaluation.shown[0].decision.explanations[0].kind
    said = {
        "attributes": "Images of this run. The class probabilities come from the classifier; the classes by the"
        " attributes alone from what the mirror sees and the table of what each class asks for; the confidence of a"
        " class by support is the share of its attributes that are seen.",
        "mask": "Images of this run. The class probabilities come from the classifier, which sees the image through"
        " the mask.",
    }[kind]
    known: list[Html] = []
    others: list[Html] = []
    for each in evaluation.shown:
        (known if each.of_set is None else others).append(cases.case(each, model.spec))
    if len(others) > _UNKNOWN_CASES:
        summary = tag("summary", f"{len(others)} cases more: one of each set of unknown or altered images")
        others = [tag("details", summary, *others)]
    return join([tag("h3", "Cases"), tag("p", said, class_="note"), cases.legend(kind), *known, *others])


def card(card: Card) -> Html:
    """The explanation card, every field of it."""
    rows = []
    for field in dataclasses.fields(card):
        rows += [tag("dt", field.name.replace("_", " ")), tag("dd", str(getattr(card, field.name)))]
    return tag("dl", *rows)


def pairs(values: Iterable[tuple[str, str]]) -> Html:
    """Names and values, one pair to a line."""
    return tag("dl", *(part for name, value in values for part in (tag("dt", name), tag("dd", value))))
