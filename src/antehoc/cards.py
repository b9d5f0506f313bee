"""Explanation cards: what an explanation explains, how it is made, and how it may and may not be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Stage = Literal["ante hoc", "post hoc"]
Scope = Literal["local", "global"]


@dataclass(frozen=True)
class Card:
    """What a person must know before reading an explanation.

    Source:
        "Towards interpretable models for computer vision" (the dissertation), chapter 3.
    """

    explanandum: str  #: what is explained
    process: str  #: how the explanation is made from the model and the image
    explanation: str  #: what explains it
    requirement: str  #: the non-functional requirement that it probes
    may_read: str  #: what a person may conclude from it
    may_not_read: str  #: what a person must not conclude from it
    explainer: str  #: the part that makes it
    explanee: str  #: whom it is for
    stage: Stage  #: made by the model itself, or added afterwards
    scope: Scope  #: about one decision, or about the model as a whole


def upgraded_card(values: Mapping[str, Any]) -> dict[str, Any]:
    """A card's plain values under today's keys: the explanation was called `explanans` before."""
    return {"explanation" if key == "explanans" else key: value for key, value in values.items()}
