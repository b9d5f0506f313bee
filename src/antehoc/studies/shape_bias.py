"""Shape bias: does a model that was trained on cue-conflict stimuli go by shape or by texture?"""

import math
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor

from antehoc.blocks import Block, Note, Table
from antehoc.data import Source
from antehoc.data.examples import Examples
from antehoc.data.sets.cue_conflict import Stimuli
from antehoc.errors import DataError
from antehoc.evaluation import score
from antehoc.figure import Figure, number, percent, span
from antehoc.metrics import shape_bias
from antehoc.model import Model
from antehoc.studies.base import Finding

_TRAINED = (
    "Training by shape labels alone moves a classifier towards shape, with or without a mask. The same classifier "
    "without a mask, trained as long (variant `plain`), shows what gating adds. On so few images, a difference inside "
    "the intervals proves nothing."
)
_GROUP = "Shape or texture"


@dataclass(frozen=True)
class Bias:
    """How often one classifier goes by shape on cue conflicts, shares in 0..1."""

    images: int  #: cue conflicts
    decided: int  #: those that are given the class of their shape or of their texture
    shape_bias: float | None  #: share of these that go by shape; None for none
    interval: tuple[float, float] | None  #: 95 %, Wilson
    accuracy_shape: float  #: share of all that are given the class of their shape
    accuracy_texture: float  #: share of all that are given the class of their texture


class Measured(NamedTuple):
    """What a row of biases is of, and the meanings of its two figures."""

    stimuli: str
    share: str
    decided: str


@dataclass(frozen=True)
class Biases(Finding, ABC):
    """Shape biases by the name of their figure, and what they mean."""

    rows: dict[str, Bias]
    means: str
    mask_area: float | None = None  #: mean of the masks, where the model draws any

    measured: ClassVar[Mapping[str, Measured]]  #: what each row is

    def figures(self) -> list[Figure]:
        """Each share, of how many images it is, and the mean of the masks."""
        shares = [
            Figure(name, row.shape_bias, self.measured[name].share, _GROUP, None, row.interval, headline=True)
            for name, row in self.rows.items()
        ]
        counts = [
            Figure(f"{name}_decided", float(row.decided), self.measured[name].decided, _GROUP, headline=True,
                   written="count")
            for name, row in self.rows.items()
        ]  # fmt: skip
        says = "mean of the mask over the image"
        area = Figure("mask_area", self.mask_area, says, "Explanations", headline=True)
        return [*shares, *counts, *([] if self.mask_area is None else [area])]

    def blocks(self) -> list[Block]:
        said = (
            "Each stimulus has the shape of one class and the texture of another. The share by shape is of those that"
            " are given one of these two classes."
        )
        if self.mask_area is not None:
            said += f" Masks are {percent(self.mask_area)} on average."
        head = ("", "stimuli", "given either", "of these by shape", "95 % interval", "of all by shape",
                "of all by texture")  # fmt: skip
        rows = tuple(
            (self.measured[name].stimuli, f"{row.images:,}", f"{row.decided:,}", number(row.shape_bias),
             span(row.interval), number(row.accuracy_shape), number(row.accuracy_texture))
            for name, row in self.rows.items()
        )  # fmt: skip
        note = f"Chance is 0.5. The interval is Wilson's, over the stimuli. {self.means.replace('`', '')}"
        return [Note(said), Table(head, rows), Note(note, "aside")]


@dataclass(frozen=True)
class TrainedBias(Biases):
    """The shape bias of a trained model."""

    title: ClassVar[str] = "Does it go by shape or by texture?"
    measured: ClassVar[Mapping[str, Measured]] = {
        "shape_bias": Measured(
            "test stimuli",
            "of the cue conflicts decided by shape or by texture, those decided by shape",
            "cue conflicts decided by shape or by texture: what that share is of",
        )
    }


def run(model: Model, source: Source, *, seed: int) -> TrainedBias:
    """`of_model` on the test images of a data set.

    Args:
        model: trained on cue-conflict stimuli.
        source: cue-conflict stimuli.
        seed: changes nothing: all stimuli are looked at.
    Raises:
        DataError: where the data are no cue-conflict stimuli.
    """
    return of_model(model, source.roles["test"])


def of_model(model: Model, test: Examples) -> TrainedBias:
    """The shape bias of a model that was trained on cue-conflict stimuli, and how much its masks show.

    Raises:
        DataError: where the data are no cue-conflict stimuli.
    """
    images, scored = stimuli_of(test), score(model.system, test)
    area = float(scored.columns["mask_area"].mean()) if "mask_area" in scored.columns else None
    return TrainedBias({"shape_bias": bias(scored.predicted, images)}, _TRAINED, area)


def bias(predicted: Tensor, images: Stimuli) -> Bias:
    """The shape bias of decisions (n,) on as many stimuli."""
    found = shape_bias.shape_bias(predicted, images.shapes, images.textures)
    share, low, high = found.shape_bias
    undefined = math.isnan(share)
    return Bias(
        images=int((images.shapes != images.textures).sum()),
        decided=found.decided,
        shape_bias=None if undefined else share,
        interval=None if undefined else (low, high),
        accuracy_shape=found.accuracy_shape,
        accuracy_texture=found.accuracy_texture,
    )


def stimuli_of(test: Examples) -> Stimuli:
    """The examples, if they are cue-conflict stimuli.

    Raises:
        DataError: where they are not.
    """
    if not isinstance(test, Stimuli):
        raise DataError("studies: `shape_bias` needs cue-conflict stimuli, whose names tell shape and texture.")
    return test
