"""What every page stands in: its head, a line of links and a section for each part, with the style beside them."""

from collections.abc import Iterable, Sequence
from importlib import resources
from itertools import count

from antehoc.report.html import Html, tag


def kicker(text: str) -> Html:
    """The line above a title: what kind of page it is."""
    return tag("p", f"antehoc · {text}", class_="eyebrow")


_STYLES = ("colors.css", "page.css", "blocks.css", "single.css", "print.css")  # later ones overrule earlier ones


def document(title: str, head: Iterable[Html], parts: Sequence[tuple[str, Html]], *, kind: str | None = None) -> str:
    """The page: head, a line of links, and a section for each part.

    Args:
        title: in the browser's tab.
        head: what stands above the parts.
        parts: under their titles.
        kind: of the page, for its style; a page of the kind `single` is short and has no line of links.
    """
    anchors = [f"part-{number}" for _, number in zip(parts, count(1), strict=False)]
    links = [tag("li", tag("a", name, href=f"#{anchor}")) for anchor, (name, _) in zip(anchors, parts, strict=True)]
    body = [
        tag("section", tag("h2", name), part, id=anchor) for anchor, (name, part) in zip(anchors, parts, strict=True)
    ]
    links_of_page = [] if kind == "single" else [tag("nav", tag("ul", *links), aria_label="Contents")]
    document = tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("title", f"{title} · antehoc"),
            tag("style", Html(stylesheet(*_STYLES))),
        ),
        tag(
            "body",
            tag("main", tag("header", *head, *links_of_page), *body, class_=kind),
        ),
        lang="en",
        class_="antehoc",
    )
    return f"<!doctype html>\n{document}\n"


def stylesheet(*files: str) -> str:
    """Files of this package one after the other."""
    folder = resources.files("antehoc.report")
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in files)
