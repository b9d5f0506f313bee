"""Tables in Markdown, and numbers as they stand in them."""

from collections.abc import Iterable, Sequence

from antehoc import figure

_NUMERIC = {
    "published",
    "measured",
    "as coded",
    "to reach",
    "median",
    "fastest",
    "verdict",
    "maximum softmax",
    "seconds",
}


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells may hold any text; the first column to the left, those of numbers to the right."""
    right = [cell in _NUMERIC for cell in head]
    lines = [list(head), ["---:" if at_right else "---" for at_right in right], *map(list, rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def number(value: float | None, name: str = "") -> str:
    """A figure's value as the report writes it."""
    counts = name.endswith(("twins_across_roles", "attributes_unseen", "_decided"))
    return figure.number(value, "count" if counts else "difference" if name.endswith("_minus_msp") else "number")
