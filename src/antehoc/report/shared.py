"""Parts that pages of decisions have in common: the picture with its maps, the doubts, the explanation card."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from antehoc.cards import Card
from antehoc.data.images import read_image
from antehoc.errors import AntehocError
from antehoc.figure import number
from antehoc.model import Model
from antehoc.report import blocks_html, masks
from antehoc.report.cases import similar
from antehoc.report.html import Html, join, pairs, tag
from antehoc.types import Decision


def card(card: Card) -> Html:
    """The explanation card, every field of it."""
    return pairs((field.name.replace("_", " "), str(getattr(card, field.name))) for field in dataclasses.fields(card))


def few(names: Sequence[str], most: int = 6) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def seen(path: Path, decision: Decision, model: Model, side: int) -> tuple[Html, Decision, Image.Image | None]:
    """The picture of an image, its decision with maps at the picture's pixels, and what they lie over."""
    try:
        image = read_image(path)
    except AntehocError as error:  # it could be read a moment ago: the decision still stands
        return tag("figure", tag("p", f"No picture: {error}", class_="note")), decision, None
    own = masks.at_source(decision, model.preprocessing, image.height, image.width)
    image.thumbnail((side, side))
    drawn = blocks_html.image(image, f"the image {path.name}", width_px=side, side_px=side)
    return tag("figure", drawn), own, image


def doubts(decision: Decision) -> Html:
    """The most similar training images and all doubts of a decision, a line each."""
    near = tag("p", text, class_="doubts") if (text := similar(decision)) else Html("")
    if not decision.doubts:
        return near
    said = " · ".join(f"{name} {number(value, 'quantity')}" for name, value in decision.doubts.items())
    return join([near, tag("p", f"Doubts (higher: decision and explanation disagree more): {said}", class_="doubts")])
