"""Reading pages in tests."""

import re
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"img", "meta", "wbr"}


class Checked(HTMLParser):
    """Reads a page and keeps what a test asks for; tags that do not balance are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.said: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)

    def values(self, name: str) -> list[str]:
        return [value or "" for _, key, value in self.attributes if key == name]


def checks(text: str) -> Checked:
    """What holds for every page."""
    found = Checked(text)
    assert text.startswith("<!doctype html>")
    text.encode("utf-8")
    assert "script" not in found.tags
    assert len(text) < 3_000_000
    fetched = [value for name in ("src", "href", "xlink:href", "action", "srcset") for value in found.values(name)]
    assert [value for value in fetched if not value.startswith(("data:image/", "#"))] == []
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []
    ids = found.values("id")
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in fetched if value.startswith("#")} <= set(ids)
    headings = [int(tag[1]) for tag in found.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))
    assert found.tags.count("img") == len([value for value in found.values("alt") if value])
    assert ("html", "lang", "en") in found.attributes
    return found


def rows_of(text: str) -> dict[str, list[str]]:
    """The cells of each row of all tables, by the row's name; the first of a name."""
    found: dict[str, list[str]] = {}
    for row in re.findall(r"<tr><th[^>]*>.*?</tr>", text, re.DOTALL):
        name, *cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        found.setdefault(re.sub(r"<[^>]+>", "", name), cells)
    return found


def plain_text(text: str) -> str:
    """A page as it is read: each cell after the other."""
    return " | ".join(said.strip() for said in Checked(text).said if said.strip())
