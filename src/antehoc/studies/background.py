"""Background: which attributes are read from the surroundings rather than from the object."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from antehoc.blocks import Block, Note, Table
from antehoc.data import Files, Source
from antehoc.data.altered import Altered
from antehoc.errors import DataError
from antehoc.explanations import plain
from antehoc.figure import Figure, defined, number
from antehoc.metrics import attributes as attribute_metrics
from antehoc.model import Model
from antehoc.studies.base import Finding, files_of, scored_attributes, some
from antehoc.studies.leakage import correlation
from antehoc.studies.pictures import Box, box_alone, box_filled

MEANING = (
    "The box of the object is filled with the background's mean color, so that only the background is left. An "
    "attribute that is still found above chance is read, at least in part, from the surroundings. This cannot tell a "
    "habitat that goes with the class from the attribute itself, and the filled box still shows the object's size and "
    "place."
)
_READ = 0.05  # so far above chance an attribute counts as read at all
_SHOWN = 12  # attributes in the table


@dataclass(frozen=True)
class Reading:
    """How well one attribute is read from the intact image, from the object's box alone and from the rest alone."""

    attribute: str
    measure: str  #: `average precision`, or `correlation` with the intact image where all images or none have it
    chance: float
    intact: float
    object_only: float | None  #: None where the probability is the same for all images
    background_only: float | None
    kept: float | None  #: share of what is above chance that the background keeps; None where hardly read at all


@dataclass(frozen=True)
class Background(Finding):
    """What a model reads from the background, attributes that keep most first; see `MEANING`."""

    images: int
    accuracy: float  #: of the class on intact images
    accuracy_object_only: float
    accuracy_background_only: float
    readings: tuple[Reading, ...]

    title: ClassVar[str] = "What is read from the background?"

    def figures(self) -> list[Figure]:
        """None: what it found is read together, in its table."""
        return []

    def blocks(self) -> list[Block]:
        said = (
            f"Accuracy on {self.images:,} images: {number(self.accuracy)} as they are,"
            f" {number(self.accuracy_object_only)} with the object's box alone, and"
            f" {number(self.accuracy_background_only)} with the background alone."
        )
        head = ("attribute", "measure", "chance", "intact", "object only", "background only", "kept by the background")
        rows = tuple(
            (plain(row.attribute), row.measure, number(row.chance), number(row.intact), number(row.object_only),
             number(row.background_only), number(row.kept))
            for row in self.readings[:_SHOWN]
            if row.kept is not None
        )  # fmt: skip
        table = Table(head, rows, "The attributes of which the background alone keeps most")
        return [Note(said), *([table] if rows else []), Note(MEANING, "aside")]


def run(model: Model, source: Source, *, seed: int, count: int = 500) -> Background:
    """`background` on the test images of a data set.

    Args:
        model: predicts attributes.
        source: its test images are files with `boxes`.
        seed: draws the images.
        count: how many images, at most: the model sees each three times.
    Raises:
        RecipeError: where the model predicts no attributes.
        DataError: where the images are no files or have no boxes.
    """
    return background(model, files_of(source, "background"), seed=seed, count=count)


def background(model: Model, test: Files, *, seed: int, count: int | None = None) -> Background:
    """Compare what a model reads from each image, from the object's box alone, and from all but the box.

    Args:
        model: predicts attributes.
        test: images that trained nothing, with `boxes`.
        seed: draws the images where there are more than `count`.
        count: how many images to look at, at most; None: all.
    Raises:
        RecipeError: where the model predicts no attributes.
        DataError: where the images have no boxes.
    """
    files = some(test, count, seed)
    boxes = _boxes(files)
    intact = scored_attributes(model, files)
    inside = scored_attributes(model, Altered(files, box_alone(boxes), "the object's box alone"))
    outside = scored_attributes(model, Altered(files, box_filled(boxes), "the object's box filled"))
    scored = (intact, inside, outside)
    readings = _readings(model.spec.attributes, files.attributes > 0.5, [s.columns["attributes"] for s in scored])
    accuracy, object_only, background_only = (1 - float(s.wrong.double().mean()) for s in scored)
    readings.sort(key=lambda row: -math.inf if row.kept is None else row.kept, reverse=True)
    return Background(len(files), accuracy, object_only, background_only, tuple(readings))


def _boxes(files: Files) -> list[Box]:
    if files.boxes is None:
        raise DataError("studies: 'background' needs the object's box in every image, and these data give none.")
    return [(round(x0), round(y0), round(x1), round(y1)) for x0, y0, x1, y1 in files.boxes.tolist()]


def _readings(attributes: Sequence[str], truth: Tensor, seen: Sequence[Tensor]) -> list[Reading]:
    """A row per attribute, from its probabilities on the intact images, the objects and the backgrounds."""
    precision = [attribute_metrics.per_attribute(p, truth.float()).average_precision for p in seen]
    alike = [correlation(p, seen[0]) for p in seen]
    prevalence, varied = truth.double().mean(0), truth.any(0) & ~truth.all(0)
    rows = []
    for index, name in enumerate(attributes):
        figures = precision if varied[index] else alike
        intact, inside, outside = (defined(float(figure[index])) for figure in figures)
        chance = float(prevalence[index]) if varied[index] else 0.0
        above = (intact or 0.0) - chance
        kept = (outside - chance) / above if outside is not None and above > _READ else None
        measure = "average precision" if varied[index] else "correlation"
        rows.append(Reading(name, measure, chance, intact or 0.0, inside, outside, kept))
    return rows
