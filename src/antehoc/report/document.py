"""What every page stands in: its head, a line of links and a section for each part, with the style beside them."""

from collections.abc import Iterable, Sequence
from importlib import resources
from itertools import count

from antehoc.report.html import Html, tag


def kicker(text: str) -> Html:
    """The line above a title: what kind of page it is."""
    return tag("p", f"antehoc · {text}", class_="eyebrow")


def document(title: str, head: Iterable[Html], parts: Sequence[tuple[str, Html]]) -> str:
    """The page: head, a line of links, and a section for each part."""
    anchors = [f"part-{number}" for _, number in zip(parts, count(1), strict=False)]
    links = [tag("li", tag("a", name, href=f"#{anchor}")) for anchor, (name, _) in zip(anchors, parts, strict=True)]
    body = [
        tag("section", tag("h2", name), part, id=anchor) for anchor, (name, part) in zip(anchors, parts, strict=True)
    ]
    style = (resources.files("antehoc.report") / "style.css").read_text(encoding="utf-8")
    document = tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("title", f"{title} · antehoc"),
            tag("style", Html(style)),
        ),
        tag(
            "body",
            tag("main", tag("header", *head, tag("nav", tag("ul", *links), aria_label="Contents")), *body),
        ),
        lang="en",
    )
    return f"<!doctype html>\n{document}\n"
