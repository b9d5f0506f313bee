"""The page of `explain`: images with their decisions, those to look at first; a single image has a page of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from antehoc.errors import AntehocError
from antehoc.evaluation.reading import reading
from antehoc.model import Model
from antehoc.report import blocks_html, cases, single
from antehoc.report.document import document, kicker
from antehoc.report.html import Html, join, tag
from antehoc.report.shared import card, doubts, few, seen
from antehoc.types import Decision

_THUMBNAIL_PX, _FULL_SIZE = 320, 40  # beyond so many images thumbnails shrink, so that a page can still be opened
_FEW = 6  # up to so many images every one is shown in full
_GROUPS = ("questioned", "skipped", "not calibrated", "accepted")  # in the order in which a person should look

Result = tuple[Path, Decision | AntehocError]


class _Item(NamedTuple):
    """One image of the page."""

    path: Path
    item: Decision | AntehocError
    key: str


def decisions(results: Sequence[Result], model: Model) -> str:
    """Images with their decisions, reasons and verdicts; a file that could not be read with its error.

    Questioned images come first, the furthest above the threshold in front; then files that could not be read, then
    accepted images, which are folded where there are many. One image alone is explained in everyday words.
    """
    if len(results) == 1 and isinstance(results[0][1], Decision):
        path, decision = results[0]
        assert isinstance(decision, Decision)
        return single.page(path, decision, model)
    groups: dict[str, list[_Item]] = {name: [] for name in _GROUPS}
    for number_, (path, item) in enumerate(results):
        groups[_outcome(item)].append(_Item(path, item, f"image {number_}"))
    groups["questioned"].sort(key=_excess, reverse=True)
    groups["accepted"].sort(key=lambda one: isinstance(one.item, Decision) and one.item.contradicted_by is None)
    side = int(min(_THUMBNAIL_PX, max(64, _THUMBNAIL_PX * (_FULL_SIZE / max(len(results), 1)) ** 0.5)))
    parts = [
        (f"{name.capitalize()} ({len(own):,})", join([_legend(own), _group(own, model, side, len(results))]))
        for name, own in groups.items()
        if own
    ]
    read = blocks_html.render([reading(model.policy)], "reading")
    parts.append(("How to read this", join([read, tag("h3", "Explanation card"), card(model.system.card)])))
    said = ", ".join(f"{len(own)} {name}" for name, own in groups.items() if own) or "none"
    images = "1 image" if len(results) == 1 else f"{len(results):,} images"
    head = [
        kicker(f"{model.arguments['name']}: {few(model.spec.classes)}"),
        tag("h1", "Decisions and their reasons"),
        tag("p", f"{images}: {said}.", class_="headline"),
    ]
    return document("Decisions and their reasons", head, parts, kind="many-images")


def _outcome(item: Decision | AntehocError) -> str:
    if isinstance(item, AntehocError):
        return "skipped"
    return item.verdict.outcome if item.verdict else "not calibrated"


def _excess(one: _Item) -> float:
    """How far above its threshold the score is; infinite where it is no number."""
    if not isinstance(one.item, Decision) or one.item.verdict is None:
        return 0.0
    excess = one.item.verdict.score - one.item.verdict.threshold
    return excess if excess == excess else float("inf")


def _legend(items: Sequence[_Item]) -> Html:
    explained = [one.item.explanations for one in items if isinstance(one.item, Decision)]
    return cases.legend(explained[0], truth=False) if explained else Html("")


def _group(items: Sequence[_Item], model: Model, side: int, images: int) -> Html:
    """The images of one outcome: accepted ones that nothing contradicts as cards where there are many."""
    full: list[Html] = []
    cards: list[Html] = []
    for one in items:
        if isinstance(one.item, AntehocError):
            full.append(_skipped(one.path, one.item))
        elif images > _FEW and _outcome(one.item) == "accepted" and one.item.contradicted_by is None:
            cards.append(_card(one, one.item, model, side))
        else:
            picture, own, image = seen(one.path, one.item, model, side)
            body = cases.body(own, model.spec, picture, image, one.key)
            full.append(tag("article", tag("h3", str(one.path)), body, doubts(one.item), class_="case"))
    return join([*full, tag("div", *cards, class_="cards") if cards else ""])


def _skipped(path: Path, error: AntehocError) -> Html:
    badge = tag("p", tag("span", "skipped", class_="badge skipped"), class_="decision")
    return tag("article", tag("h3", str(path)), badge, tag("p", str(error)), class_="case")


def _card(one: _Item, decision: Decision, model: Model, side: int) -> Html:
    """A small picture with the decision and the first reason for it; the rest is folded away."""
    picture, own, image = seen(one.path, decision, model, side)
    reasons = [reason for reason in (decision.verdict.reasons if decision.verdict else ()) if reason.agrees][:1]
    why = [tag("p", cases.reason_text(reason, decision.label), class_="why") for reason in reasons]
    said = tag("div", tag("h3", str(one.path)), cases.head(decision), *why)
    explained = cases.explained(own, model.spec, Html(""), image, one.key)
    more = tag("details", tag("summary", "Explanation"), explained, doubts(decision))
    return tag("article", tag("div", picture, said, class_="card-head"), more, class_="case")
