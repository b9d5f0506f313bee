"""The loss terms of the joint system. Each is a mean over the images; their weights belong to the recipe."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from antehoc import task
from antehoc.doubts import certainty
from antehoc.errors import DataError
from antehoc.types import Batch

_TINY = 1e-6  # of the share of the mask outside the object, as published


class Looked(NamedTuple):
    """What the terms read: the decision, what the classifier is gated by, and the further looks."""

    logits: Tensor  #: (B, K) of what the mask shows
    shown: Tensor  #: (B, 1, H, W) what the classifier is gated by
    whole: Tensor | None  #: (B, K) of the whole image
    removed: Tensor | None  #: (B, K) with everything hidden that the mask shows
    damaged: Tensor | None  #: (B // 2, K) after damage beside what the mask shows
    erased: Tensor | None  #: (B // 2,) bool: of which what the mask shows was erased as well
    absent: int | None  #: number of the class that means nothing is there
    budget: tuple[float, float]  #: smallest and largest share of the image that an object covers

    @property
    def nothing(self) -> Tensor:
        """The value of a term whose look was skipped."""
        return self.logits.new_zeros(())


def label(look: Looked, batch: Batch) -> Tensor:
    """Cross-entropy of what the mask shows."""
    return task.loss("single-label", look.logits, batch.label)


def area(look: Looked, batch: Batch) -> Tensor:
    """Mean of the mask: the L1 budget."""
    return look.shown.mean()


def area_sum(look: Looked, batch: Batch) -> Tensor:
    """Sum of the mask over the pixels."""
    return look.shown.sum((1, 2, 3)).mean()


def budget(look: Looked, batch: Batch) -> Tensor:
    """How far the mask's mean lies outside the budget, except for the absent class."""
    mean, (low, high) = look.shown.mean((1, 2, 3)), look.budget
    beyond = (low - mean).relu() + (mean - high).relu()
    return beyond.mean() if look.absent is None else (beyond * (batch.label != look.absent)).mean()


def variation(look: Looked, batch: Batch) -> Tensor:
    """Mean absolute difference of neighboring pixels of the mask, down plus across."""
    return look.shown.diff(dim=2).abs().mean() + look.shown.diff(dim=3).abs().mean()


def outside(look: Looked, batch: Batch) -> Tensor:
    """The share of what lies outside the object that the mask shows: `share_outside`.

    Raises:
        DataError: where the data have no object masks.
    """
    if batch.mask is None:
        raise DataError("the loss `outside` needs object masks or boxes, and these data have none; leave it out.")
    return share_outside(look.shown, batch.mask)


def whole(look: Looked, batch: Batch) -> Tensor:
    """Cross-entropy on the whole image: the classifier must not learn the mask's shape instead of what it shows.

    In training it is 0 while the classifier is frozen.
    """
    return look.nothing if look.whole is None else task.loss("single-label", look.whole, batch.label)


def removed(look: Looked, batch: Batch) -> Tensor:
    """With everything hidden that the mask shows: how far the decision is from "nothing there". Teaches the explainer.

    Cross-entropy with the absent class or, without one, how far from uniform the class probabilities are, in nats.
    """
    logits = look.removed
    if logits is None:
        return look.nothing
    if look.absent is not None:
        return F.cross_entropy(logits, torch.full((len(logits),), look.absent, device=logits.device))
    uniform: Tensor = math.log(logits.shape[1]) - certainty.entropy("single-label", logits)
    return uniform.mean()


def damaged(look: Looked, batch: Batch) -> Tensor:
    """Cross-entropy on damaged images: neither damage nor what is shown of it may look like something.

    Their label counts where what the mask shows was left, the absent class where it was erased. It teaches the
    classifier alone: it is 0 while that is frozen, and in validation.
    """
    if look.damaged is None or look.erased is None:
        return look.nothing
    if not look.damaged.numel():  # a batch of one image has no first half
        return look.damaged.sum()
    assert look.absent is not None
    return F.cross_entropy(look.damaged, batch.label[: len(look.erased)].where(~look.erased, look.absent))


def empty(look: Looked, batch: Batch) -> Tensor:
    """Mean of the mask on images of the absent class."""
    return (look.shown.mean((1, 2, 3)) * (batch.label == look.absent)).mean()


TERMS: Mapping[str, Callable[[Looked, Batch], Tensor]] = {
    "label": label,
    "area": area,
    "area_sum": area_sum,
    "budget": budget,
    "variation": variation,
    "outside": outside,
    "whole": whole,
    "removed": removed,
    "damaged": damaged,
    "empty": empty,
}
NEED_ABSENT = ("empty", "damaged")  #: terms for data with a class that means nothing is there


def share_outside(mask: Tensor, inside: Tensor) -> Tensor:
    """The share of what lies outside the object that a mask shows, as a mean over the images.

    Args:
        mask: (B, 1, H, W) in 0..1.
        inside: (B, 1, H, W) in 0..1, 1 on the object.
    Source:
        The authors' PyTorch code: the term gamma of the hybrid loss.
    Differs: theirs divides the sums over a whole batch; ours weighs every image alike.
    """
    beyond = 1 - inside
    return ((beyond * mask).sum((1, 2, 3)) / (beyond.sum((1, 2, 3)) + _TINY)).mean()


def energy(mask: Tensor, inside: Tensor) -> Tensor:
    """(B,) the share of each mask (B, 1, H, W) that lies on the object."""
    return (mask * inside).flatten(1).sum(1) / mask.flatten(1).sum(1).clamp(min=_TINY)
