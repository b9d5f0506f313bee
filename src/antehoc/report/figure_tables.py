"""Figures in tables: headings, what each figure is, its interval and the published value beside it."""

from collections.abc import Mapping, Sequence

from antehoc.blocks import Block, Cell, Code, Section, Table
from antehoc.figure import Figure, grouped, number, span
from antehoc.report import blocks_text

UNMEASURED = "Published, not measured"  #: heading of what was published and has no value

Published = Mapping[str, float | None]


def with_published(figures: Sequence[Figure], published: Published) -> list[Figure]:
    """The figures and, without a value, those that were published and not measured."""
    known = {figure.name for figure in figures}
    return [*figures, *(Figure(name, None, "", UNMEASURED) for name in published if name not in known)]


def by_variant(figures: Sequence[Figure]) -> dict[str, list[Figure]]:
    """Figures by the variant of the recipe that they belong to; the recipe's own stand under the empty name."""
    found: dict[str, list[Figure]] = {"": []}
    for figure in figures:
        found.setdefault(figure.variant, []).append(figure)
    return found


def is_first(figure: Figure, published: Published) -> bool:
    """Whether a figure is shown first: a headline, or one that has been published."""
    return figure.headline or figure.group == UNMEASURED or published.get(figure.name) is not None


def blocks(figures: Sequence[Figure], published: Published | None = None) -> list[Block]:
    """Tables for a page: what is read first, then all others folded away.

    Args:
        figures: of one model.
        published: values by name of figure; without any, the column is left out.
    """
    published = published or {}
    known = any(published.get(figure.name) is not None for figure in figures)
    head = ("figure", "what it is", "measured", "95 % interval", *(("published",) if known else ()))
    first = [figure for figure in figures if is_first(figure, published)]
    others = [figure for figure in figures if not is_first(figure, published)]
    found: list[Block] = [Table(head, _grouped(first, published, known), kind="figures")] if first else []
    if others:
        title = f"{len(others)} more figures: single doubts, single sets of images, further measures"
        table = Table(head, _grouped(others, published, known), kind="figures")
        found.append(Section(title, (table,), folded=True))
    return found


def _grouped(figures: Sequence[Figure], published: Published, known: bool) -> tuple[tuple[Cell, ...], ...]:
    rows: list[tuple[Cell, ...]] = []
    for group, own in grouped(figures).items():
        rows.append((group,))
        rows += [_row(figure, published.get(figure.name), known) for figure in own]
    return tuple(rows)


def _row(figure: Figure, published: float | None, known: bool) -> tuple[Cell, ...]:
    direction = "; lower is better" if figure.better == "lower" else ""
    cells = (Code(figure.name), figure.meaning + direction, str(figure), span(figure.interval))
    return (*cells, _published(figure, published)) if known else cells


def _published(figure: Figure, value: float | None) -> str:
    return "" if value is None else number(value, "count" if figure.written == "count" else "number")


def lines(figures: Sequence[Figure], published: Published | None = None) -> list[str]:
    """Lines for the terminal: what is read first by heading, then how many figures are left out.

    Those of one set of images are not counted: a table of the sets shows them.
    """
    published = published or {}
    first = [figure for figure in figures if is_first(figure, published)]
    rows = {
        group: [_line(figure, published.get(figure.name)) for figure in own] for group, own in grouped(first).items()
    }
    every = [row for own in rows.values() for row in own]
    used = [column for column in range(4) if any(row[column] for row in every)]
    head = ("measured", "95% interval", "published")
    tables = [
        Table(tuple([group, *head][n] for n in used), tuple(tuple(row[n] for n in used) for row in own))
        for group, own in rows.items()
    ]
    return blocks_text.tables(tables) if tables else []


def left_out(figures: Sequence[Figure], published: Published | None = None) -> int:
    """How many figures neither `lines` nor a table of sets shows."""
    return sum(not is_first(figure, published or {}) and figure.of_set is None for figure in figures)


def _line(figure: Figure, published: float | None) -> tuple[str, str, str, str]:
    return f"  {figure.name}", str(figure), span(figure.interval), _published(figure, published)
