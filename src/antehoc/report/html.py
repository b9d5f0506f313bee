"""Markup that cannot be forgotten to be escaped: only what `tag` made passes as it is."""

import html
from collections.abc import Iterable

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
        children: markup as it is, any other text escaped and, whatever it holds, in printable characters.
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


def table(head: Iterable[str], rows: Iterable[Iterable[str]], *, caption: str = "", class_: str = "numbers") -> Html:
    """A table whose first column names each row. A group of rows may begin with a row of one cell."""
    heads = list(head)
    body = []
    for row in rows:
        first, *rest = row
        if rest:
            body.append(tag("tr", tag("th", first, scope="row"), *(tag("td", cell) for cell in rest)))
        else:
            body.append(tag("tr", tag("th", first, scope="colgroup", colspan=len(heads)), class_="group"))
    columns = tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in heads)))
    title = [tag("caption", caption)] if caption else []
    return tag("div", tag("table", *title, columns, tag("tbody", *body), class_=class_), class_="scroll")


def _text(child: str, *, keep: bool = False) -> str:
    if isinstance(child, Html):
        return child
    if keep:
        return html.escape("\n".join(shown(line) if line else "" for line in child.splitlines()))
    return html.escape(shown(child))
