"""What all studies share: the finding that each returns, and what they need of a model and its data."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import torch

from antehoc.blocks import Block
from antehoc.data import Files, Source
from antehoc.data.examples import Examples
from antehoc.errors import DataError, RecipeError
from antehoc.evaluation import Scored, score
from antehoc.figure import Figure
from antehoc.model import Model
from antehoc.systems import System


@dataclass(frozen=True)
class Finding(ABC):
    """What a study found: figures for the record of a run, and blocks for a report."""

    title: ClassVar[str]  #: the question that it answers

    @abstractmethod
    def figures(self) -> list[Figure]:
        """The figures that it adds to those of a run; none where its tables say it all."""

    @abstractmethod
    def blocks(self) -> list[Block]:
        """What a report shows below the title, with what the figures can and cannot prove."""

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON: all that was found, except what only a picture needs."""
        return asdict(self)


@dataclass(frozen=True)
class Context:
    """What a run knows beside model and data: for a study whose `run` has a parameter `context`."""

    unknown: Mapping[str, Examples] = field(default_factory=dict)  #: images of no known class, by name of the set
    train: Callable[[int], System[Any]] | None = None  #: trains the recipe once more, by a number from 1 on


def files_of(source: Source, study: str) -> Files:
    """The test images of a data set that is made of image files.

    Raises:
        DataError: where its images are in memory.
    """
    test = source.roles["test"]
    if not isinstance(test, Files):
        raise DataError(f"studies: {study!r} needs image files, and these images are in memory.")
    return test


def some(files: Files, count: int | None, seed: int) -> Files:
    """At most so many of the images, drawn from the seed and in their order; None: all."""
    if count is None or count >= len(files):
        return files
    drawn = torch.randperm(len(files), generator=torch.Generator().manual_seed(seed))[:count]
    return files.select(drawn.sort().values.tolist())


def check_one_label(model: Model, study: str) -> None:
    """Refuse a model of several labels, where a study compares the class predicted with the true one.

    Raises:
        RecipeError: for a model that gives an image several labels.
    """
    if model.spec.task != "single-label":
        raise RecipeError(f"studies: {study!r} needs one label per image, and this model gives an image several.")


def scored_attributes(model: Model, examples: Examples) -> Scored:
    """Decisions on examples, with the attributes that the model predicts in the column `attributes`.

    Raises:
        RecipeError: where the system predicts no attributes.
    """
    scored = score(model.system, examples)
    if "attributes" not in scored.columns:
        raise RecipeError("this study reads attributes, and the system names none; use one that does.")
    return scored
