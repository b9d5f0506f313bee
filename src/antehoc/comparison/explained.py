"""The maps of every row of a comparison, before they are measured: own masks, post-hoc methods and controls."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from antehoc.comparison.cost import Cost, Peak, timed
from antehoc.comparison.table import OWN, Kind
from antehoc.errors import ModelError, RecipeError
from antehoc.metrics.controls import controls
from antehoc.posthoc import Mapped, judge, maps_of
from antehoc.task import Task

log = logging.getLogger(__name__)

Explain = Callable[[Tensor], Tensor]


class Decided(NamedTuple):
    """The images that are explained, with the class of each that is explained, and how the classifier is asked."""

    classifier: nn.Module
    images: Tensor  #: (B, C, H, W)
    mask: Tensor | None  #: (B, 1, H, W) bool
    target: Tensor  #: (B,)
    chunk: int
    seed: int
    task: Task = "single-label"

    @property
    def with_object(self) -> Tensor | None:
        """(B,) on the CPU: which images hold an object; None where no image says so."""
        return None if self.mask is None else self.mask.flatten(1).any(1).cpu()


class Explained(NamedTuple):
    """The maps of one row."""

    kind: Kind
    maps: Tensor  #: (B, 1, H, W)
    valid: Tensor  #: (B,)
    why: tuple[str, ...]  #: what is wrong with each map; empty where it is valid
    cost: Cost
    again: Callable[[Tensor, Tensor], Tensor] | None = None  #: images and their classes to maps


def explained(decided: Decided, methods: Sequence[str], own: Explain | None) -> dict[str, Explained]:
    """The maps of every row, by its name.

    Args:
        decided: what is explained.
        methods: names in `antehoc.posthoc.METHODS`.
        own: images to the classifier's own masks (B, 1, H, W), if it has any.
    """
    images, mask = decided.images, decided.mask
    found = {OWN: _own(own, images, decided.chunk)} if own else {}
    for method in dict.fromkeys(methods):
        log.info("%s: %d images", method, len(images))
        found[method] = _posthoc(decided, method)
    everywhere = torch.ones(len(images), dtype=torch.bool)
    for name, maps in controls(images, mask, seed=decided.seed).items():
        valid = decided.with_object if name == "perfect" and mask is not None else everywhere
        assert valid is not None
        why = tuple("" if one else "the image has no object." for one in valid.tolist())
        found[name] = Explained("control", maps, valid, why, Cost())
    return found


def common(rows: Mapping[str, Explained], images: int) -> Tensor:
    """(B,) the images on which rows are compared: where the own mask is valid, if there is one and it ever is."""
    own = rows.get(OWN)
    return own.valid if own is not None and own.valid.any() else torch.ones(images, dtype=torch.bool)


def _own(own: Explain, images: Tensor, chunk: int) -> Explained:
    @torch.no_grad()
    def run(images: Tensor) -> Tensor:
        return torch.cat([own(part) for part in torch.split(images, chunk)])

    with Peak() as peak:
        run(images[:1])
    maps, milliseconds = timed(lambda: run(images), images)
    valid, _, why = judge(maps, {})
    cost = Cost(1.0, 0.0, milliseconds, peak.mib)
    return Explained("own", maps, valid.cpu(), why, cost, lambda images, _: run(images))


def _posthoc(decided: Decided, method: str) -> Explained:
    """A method's maps; none of them is valid where it cannot be used on this classifier."""
    classifier, images, _, target, chunk, seed, task = decided

    def run(images: Tensor, target: Tensor) -> Mapped:
        return maps_of(classifier, images, target, method=method, task=task, chunk=chunk, seed=seed)

    try:
        with Peak() as peak:
            run(images[:1], target[:1])
        made, milliseconds = timed(lambda: run(images, target), images)
    except (ModelError, RecipeError) as error:
        nothing = images.new_full((len(images), 1, *images.shape[2:]), torch.nan)
        nowhere = torch.zeros(len(images), dtype=torch.bool)
        return Explained("post hoc", nothing, nowhere, (str(error),) * len(images), Cost())
    cost = Cost(made.passes.forward, made.passes.backward, milliseconds, peak.mib)
    again = lambda images, target: run(images, target).maps  # noqa: E731
    return Explained("post hoc", made.maps, made.valid.cpu(), made.why, cost, again)
