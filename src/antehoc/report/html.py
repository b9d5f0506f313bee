"""Markup that cannot be forgotten to be escaped: only what `tag` made passes as it is."""

import html
from collections.abc import Collection, Iterable

from antehoc.data.images import shown

_VOID = {"img", "meta", "wbr"}
_KEEPS_LINES = {"pre", "style"}


class Html(str):
    """Text that is markup already. All other text is escaped where it enters a tag."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str | int | None) -> Html:
    """An element.

    Args:
        name: of the element.
        children: markup as it is, any other text escaped, with only printable characters.
        attributes: `class_` for `class`, `aria_label` for `aria-label`; None leaves one out.
    Example:
        >>> tag("p", "a < b ", tag("b", "c"), class_="note")
        '<p class="note">a &lt; b <b>c</b></p>'
    """
    named = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value is not None}
    written = "".join(f' {key}="{html.escape(shown(value))}"' for key, value in named.items())
    if name in _VOID:
        return Html(f"<{name}{written}>")
    inside = "".join(_text(child, keep=name in _KEEPS_LINES) for child in children)
    return Html(f"<{name}{written}>{inside}</{name}>")


def join(parts: Iterable[str]) -> Html:
    """Several pieces one after the other."""
    return Html("\n".join(_text(part) for part in parts if part))


def table(
    head: Iterable[str],
    rows: Iterable[Iterable[str]],
    *,
    caption: str = "",
    class_: str = "numbers",
    left: Collection[int] = (),
) -> Html:
    """A table whose first column names each row. A group of rows may begin with a row of one cell.

    Args:
        head: of the columns.
        rows: of cells.
        caption: above it.
        class_: names its style.
        left: numbers of the columns that begin at the left.
    """
    heads = list(head)
    sides = ["left" if column in left and column else None for column in range(len(heads))]
    body = []
    for row in rows:
        first, *rest = row
        if rest:
            cells = (tag("td", cell, class_=side) for cell, side in zip(rest, sides[1:], strict=True))
            body.append(tag("tr", tag("th", first, scope="row"), *cells))
        else:
            body.append(tag("tr", tag("th", first, scope="colgroup", colspan=len(heads)), class_="group"))
    named = (tag("th", cell, scope="col", class_=side) for cell, side in zip(heads, sides, strict=True))
    columns = tag("thead", tag("tr", *named))
    title = [tag("caption", caption)] if caption else []
    return tag("div", tag("table", *title, columns, tag("tbody", *body), class_=class_), class_="scroll")


def pairs(values: Iterable[tuple[str, str]]) -> Html:
    """Names and values, one pair to a line."""
    return tag("dl", *(part for name, value in values for part in (tag("dt", name), tag("dd", value))))


def _text(child: str, *, keep: bool = False) -> str:
    if isinstance(child, Html):
        return child
    if keep:
        return html.escape("\n".join(shown(line) if line else "" for line in child.splitlines()))
    return html.escape(shown(child))
