"""Activations of a frozen part in place of the images: computed once, kept in memory or on disk."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from antehoc.data.augmentation import Versions
from antehoc.data.examples import Examples, Fetched, Files
from antehoc.errors import RecipeError
from antehoc.systems.base import Trainable
from antehoc.training.phases import DRAWN, Phase, set_modes, view, views
from antehoc.training.precision import precision
from antehoc.training.store import Store, cache_folder, key
from antehoc.types import Batch

log = logging.getLogger(__name__)
_CACHE_LIMIT = 4 * 2**30  # bytes of activations; beyond it a phase computes them in every step


class Cached:
    """Examples with the frozen part's activations, one set per view, in place of the images."""

    def __init__(self, learner: Trainable[Any], examples: Examples, phase: Phase, *, views: int, seed: int = 0) -> None:
        self.count = len(examples)
        self.labels, self.attributes = examples.labels, examples.attributes
        self.empty = examples.batch([0]).image[:0]
        drawn = phase.augment in DRAWN and views > 1
        source: Fetched = Versions(examples, phase.augment, seed) if drawn else examples
        device = next(learner.parameters()).device
        computed = precision(phase.cache_in, device.type, "cached activations")

        def compute(number: int, rows: Sequence[int]) -> tuple[Tensor, ...]:
            parts = []
            for start in range(0, len(rows), phase.batch_size):
                own = rows[start : start + phase.batch_size]
                image = source.batch([row + number * self.count for row in own] if drawn else own).image.to(device)
                image = image if drawn else view(image, phase.augment, number)
                with torch.autocast(device.type, torch.bfloat16, enabled=computed == "bfloat16"):
                    parts.append(tuple(activation.cpu() for activation in learner.activations(image)))
                if phase.cache_in != computed:
                    parts[-1] = tuple(activation.to(torch.bfloat16) for activation in parts[-1])
            return tuple(torch.cat(column) for column in zip(*parts, strict=True))

        found = []
        for number in range(views):
            if phase.cache == "disk":
                version = (phase.augment, seed, number) if number else ("plain", 0, 0)
                own = (*version, phase.cache_in, computed)
                found.append(_stored(learner, examples, own, compute, phase.batch_size))
            else:
                found.append(compute(number, range(self.count)))
        self.activations = tuple(torch.cat(column) for column in zip(*found, strict=True))

    def __len__(self) -> int:
        return self.count

    def batch(self, indices: Sequence[int]) -> Batch:
        rows = torch.as_tensor(indices)
        images = rows % self.count
        chosen = tuple(activation[rows].float() for activation in self.activations)
        return Batch(self.empty, self.labels[images], self.attributes[images], chosen)


def _stored(
    learner: Trainable[Any],
    examples: Examples,
    version: tuple[str, int, int, str, str],
    compute: Callable[[int, Sequence[int]], tuple[Tensor, ...]],
    at_once: int,
) -> tuple[Tensor, ...]:
    """One view's activations from disk, where the missing ones are put."""
    if not isinstance(examples, Files):
        raise RecipeError("cache: 'disk' is for image files, and these images are in memory; take `cache: true`.")
    store = Store(cache_folder() / key(learner.frozen_part(), *version, examples.preprocessing))
    names = [digest.hex() for digest in examples.content_hashes()]
    return store.rows(names, lambda rows: compute(version[2], rows), at_once=at_once)


def cached(
    system: Trainable[Any], learner: Trainable[Any], train: Examples, validation: Examples, phase: Phase, seed: int
) -> tuple[Fetched, Fetched]:
    """The two sets with cached activations; with the images where they would not fit the limit."""
    if not system.cacheable(phase.train):
        raise RecipeError(
            f"a phase that trains {', '.join(phase.train)} has no frozen part whose activations could be cached; "
            "leave `cache` out."
        )
    _check_looks(learner)
    set_modes(system, ())
    count = phase.views if phase.augment in DRAWN else views(phase.augment)
    with torch.no_grad():
        one = learner.activations(train.batch([0]).image.to(next(learner.parameters()).device))
        size = sum(a.numel() * a.element_size() for a in one) * len(train) * count
        if size > _CACHE_LIMIT:
            log.warning("activations of %.1f GiB are computed in every step instead of cached", size / 2**30)
            return (Versions(train, phase.augment, seed) if phase.augment in DRAWN else train), validation
        cached = Cached(learner, train, phase, views=count, seed=seed)
        return cached, (Cached(learner, validation, phase, views=1, seed=seed) if len(validation) else validation)


def _check_looks(learner: Trainable[Any]) -> None:
    """A cache holds no images, so a model that looks at them again cannot be run from it."""
    if type(learner).look is not Trainable.look:
        raise RecipeError("this system looks at its images again, and a cache holds none; leave `cache` out.")


@torch.no_grad()
def with_activations(system: Trainable[Any], examples: Examples, phases: Sequence[Phase]) -> Fetched:
    """Examples with the frozen part's activations from disk, where a phase of the training kept them there."""
    phase = next((phase for phase in phases if phase.cache == "disk"), None)
    if phase is None or not len(examples) or type(system).look is not Trainable.look:  # a look needs the images
        return examples
    return Cached(system, examples, replace(phase, cache_in="float32"), views=1)
