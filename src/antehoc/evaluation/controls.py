"""A model's masks beside control masks, on validation images: is a mask of its own worth having?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from antehoc import task
from antehoc.data.examples import Examples
from antehoc.figure import listed, percent
from antehoc.metrics import placement
from antehoc.systems.base import System

_MOST = 500  # images that are looked at: their masks are kept
_BATCH = 64
_HALF = 0.5  # from here on a pixel belongs to the object
_COST = 0.02  # of the accuracy: what masks may cost before a person is told
BOX, OTHER, WHOLE = "a centered box of the same area", "another image's mask", "the whole image"


@dataclass(frozen=True)
class BesideControls:
    """What masks reach on validation images, and what control masks reach.

    Where the data say where objects are: the share of the mask that lies on the object. Elsewhere: the share of the
    decisions that are correct, of a classifier that sees only what the mask shows.
    """

    images: int  #: that were looked at; with object masks, those that hold an object
    placed: bool  #: whether the data say where objects are
    mask: float
    controls: Mapping[str, float]  #: `BOX`, `OTHER` and `WHOLE`
    decided: float | None = None  #: the share of the model's own decisions that are correct; None with object masks

    def worse_than(self) -> list[str]:
        """The controls that are better than the masks.

        Without object masks, the whole image is one where decisions lose more than `_COST` of its accuracy to the mask.
        """
        limits = {} if self.decided is None else {WHOLE: self.decided + _COST}
        return [name for name, one in self.controls.items() if one > limits.get(name, self.mask)]

    def sentence(self) -> str:
        """What a person should know; empty where no control is better."""
        if not (better := self.worse_than()):
            return ""
        others = listed([f"{percent(self.controls[name])} with {name}" for name in better])
        if self.placed:
            return (
                f"The masks are worse than a control: on {self.images:,} validation images {percent(self.mask)} of the"
                f" mask lies on the object, and {others}."
            )
        return (
            f"The masks are worse than a control: of {self.images:,} validation images the classifier decides"
            f" {percent(self.mask)} correctly through the mask, and {others}."
        )


@torch.no_grad()
def beside_controls(system: System[Any], examples: Examples) -> BesideControls | None:
    """Compare the masks of a system with a centered box of the same area, another image's mask, and the whole image.

    Args:
        system: in eval mode.
        examples: validation images; of more than 500, these are so many in even steps.
    Returns:
        None where the system has no masks, or they show everything, or there are no images (or no objects) to ask.
    """
    step = max(1, -(-len(examples) // _MOST))
    numbers = torch.split(torch.arange(0, len(examples), step), _BATCH)
    masks, decided, device = [], 0.0, next(system.parameters()).device
    for part in numbers if len(examples) else ():
        batch = examples.batch(part.tolist())
        output = system(batch.image.to(device))
        if (shown := system.shown(output)) is None:
            return None
        masks.append(shown.cpu())
        decided += float(task.accuracy(system.spec.task, output.logits, batch.label.to(device))) * len(part)
    if not masks or bool((mask := torch.cat(masks)).eq(1).all()):
        return None
    every = {"": mask, BOX: _boxes(mask), OTHER: mask.roll(len(mask) // 2, 0), WHOLE: torch.ones_like(mask)}
    objects = examples.object_masks(torch.cat(numbers).tolist())
    if objects is not None:
        return _on_objects(every, objects >= _HALF)
    found = {name: _accuracy(system, examples, numbers, one) for name, one in every.items()}
    return BesideControls(len(mask), False, found.pop(""), found, decided / len(mask))


def _accuracy(system: System[Any], examples: Examples, numbers: Sequence[Tensor], mask: Tensor) -> float:
    """The share of the decisions through masks (n, 1, H, W) that are correct."""
    correct, device = 0.0, next(system.parameters()).device
    for part, own in zip(numbers, torch.split(mask, _BATCH), strict=True):
        batch = examples.batch(part.tolist())
        logits = system.through(batch.image.to(device), own.to(device))
        correct += float(task.accuracy(system.spec.task, logits, batch.label.to(device))) * len(part)
    return correct / len(mask)


def _on_objects(every: Mapping[str, Tensor], inside: Tensor) -> BesideControls | None:
    there = inside.flatten(1).any(1)
    if not there.any():
        return None
    found = {name: float(placement.energy(one[there], inside[there]).nanmean()) for name, one in every.items()}
    return BesideControls(int(there.sum()), True, found.pop(""), found)


def _boxes(mask: Tensor) -> Tensor:
    """Of each mask (n, 1, H, W) a centered box of the image's form that shows as much."""
    side = mask.mean((1, 2, 3)).sqrt()[:, None, None, None]
    rows, columns = (((2 * torch.arange(length) + 1) / length - 1).abs() for length in mask.shape[2:])
    return (torch.maximum(rows[:, None], columns) <= side).to(mask.dtype)
