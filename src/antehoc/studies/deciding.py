"""Deciding: which attributes separate two classes."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from antehoc.blocks import Block, Note, Table
from antehoc.data import Source
from antehoc.data.examples import Examples
from antehoc.doubts import likelihood
from antehoc.errors import DataError, RecipeError, choose
from antehoc.explanations import plain
from antehoc.figure import Figure, listed, number
from antehoc.model import Model
from antehoc.studies.base import Finding, check_one_label, scored_attributes

MEANING = (
    "What each attribute adds, on average, to the log-likelihood ratio of the true class over the other, in nats, on "
    "test images of the two. It says which attributes separate the classes by the predicted attributes. It cannot say "
    "what the classifier itself decided by."
)
_HELP, _MISLEAD = 10, 3  # attributes in the table, at most
_NAMED = 3  # in the sentence


@dataclass(frozen=True)
class Contribution:
    """What one attribute adds to the log-likelihood ratio of the true class over the other, in nats."""

    attribute: str
    mean: float  #: of the two below
    on_a: float  #: mean over images of class a; negative: it speaks for class b
    on_b: float  #: mean over images of class b; negative: it speaks for class a


@dataclass(frozen=True)
class Deciding(Finding):
    """Which attributes decide between two classes, those that help most first; see `MEANING`."""

    a: str
    b: str
    images: tuple[int, int]  #: of each class
    contributions: tuple[Contribution, ...]

    title: ClassVar[str] = "Which attributes decide between two classes?"

    def figures(self) -> list[Figure]:
        """None: what it found is read together, in its table."""
        return []

    def blocks(self) -> list[Block]:
        helping = [row for row in self.contributions[:_HELP] if row.mean > 0]
        misleading = [row for row in self.contributions[-_MISLEAD:] if row.mean < 0]
        said = f"{self.a} ({self.images[0]:,} images) or {self.b} ({self.images[1]:,} images)"
        best = listed(plain(row.attribute) for row in helping[:_NAMED])
        rows = tuple(
            (plain(row.attribute), *(number(value, "difference") for value in (row.mean, row.on_a, row.on_b)))
            for row in helping + misleading
        )
        table = Table(("attribute", "mean", f"on {self.a}", f"on {self.b}"), rows)
        note = Note(f"{said}: {f'{best} help most' if best else 'no attribute helps'}.")
        return [note, *([table] if rows else []), Note(MEANING, "aside")]


def run(model: Model, source: Source, *, seed: int, a: str, b: str) -> Deciding:
    """`deciding` on the test images of a data set.

    Args:
        model: predicts attributes and gives each image one label.
        source: has test images of both classes.
        seed: changes nothing: all images of the two classes are looked at.
        a: name of a class.
        b: name of another.
    Raises:
        RecipeError: where a class is unknown, both are the same, or the model predicts no attributes.
        DataError: where one has no test image.
    """
    return deciding(model, source.roles["test"], a, b)


def deciding(model: Model, test: Examples, a: str, b: str) -> Deciding:
    """Which attributes decide between two classes, on the test images of both.

    An attribute counts with the sign by which it speaks for the image's true class: over images of both classes what it
    adds to one fixed ratio would cancel.

    Args:
        model: predicts attributes and gives each image one label.
        test: images that trained nothing.
        a: name of a class.
        b: name of another.
    Raises:
        RecipeError: where a class is unknown, both are the same, or the model predicts no attributes.
        DataError: where one has no test image.
    """
    check_one_label(model, "deciding")
    numbers = {name: number for number, name in enumerate(model.spec.classes)}
    pair = [choose("class", name, numbers) for name in (a, b)]
    if a == b:
        raise RecipeError(f"attributes decide between two different classes; got {a!r} twice.")
    rows = [(test.labels == number).nonzero()[:, 0].tolist() for number in pair]
    for name, found in zip((a, b), rows, strict=True):
        if not found:
            raise DataError(f"class {name!r} has no test image; name another or give more images.")
    on_a, on_b = _contributions(model, test.select(rows[0] + rows[1]), pair)
    each = [Contribution(name, (x + y) / 2, x, y) for name, x, y in zip(model.spec.attributes, on_a, on_b, strict=True)]
    return Deciding(a, b, (len(rows[0]), len(rows[1])), tuple(sorted(each, key=lambda row: -row.mean)))


def _contributions(model: Model, test: Examples, pair: list[int]) -> list[list[float]]:
    """For each of two classes, what each attribute adds on average over its images."""
    scored = scored_attributes(model, test)
    other = torch.where(scored.label == pair[0], pair[1], pair[0])
    added = likelihood.contributions(
        scored.columns["attributes"],
        torch.tensor(model.spec.class_attributes),
        scored.label,
        other,
        model.spec.exclusive,
        at_most_one=model.spec.at_most_one,
    )
    return [added[scored.label == number].double().mean(0).tolist() for number in pair]
