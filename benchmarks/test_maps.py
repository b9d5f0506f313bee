"""Measures of maps against Quantus (same maps, classifier, batch and steps), and over the bare forward passes.

`pytest benchmarks/test_maps.py -o addopts= --benchmark-only -q` times ours; `extra_info` holds the largest difference
to Quantus, how many times faster ours is, and the time over that of the forward passes that the definition needs.
"""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from antehoc.metrics.controls import controls
from antehoc.metrics.faithfulness import deletion, morf, morf_many
from antehoc.metrics.maps import PIXELS_AT_ONCE
from benchmarks.test_cost import ratio

BATCH = 4


class Case(NamedTuple):
    """One measure, ours and theirs; a patch of 1 pixel is deletion, with so many pixels a step."""

    side: int  # pixels
    patch: int  # pixels
    steps: int


CASES = {
    "patches-32-of-224": Case(224, 32, 20),
    "patches-8-of-64": Case(64, 8, 64),
    "pixels-of-192": Case(192, 1, 36),
    "pixels-of-48": Case(48, 1, 36),
}


def inputs(side: int) -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    """ResNet-18 with new weights, noise as images and as maps, and targets."""
    torch.manual_seed(0)
    images, maps = torch.rand(BATCH, 3, side, side), torch.rand(BATCH, 1, side, side)
    return timm.create_model("resnet18", num_classes=10).eval(), images, maps, torch.arange(BATCH)


def bare(classifier: nn.Module, side: int, passes: int) -> Callable[[], object]:
    """So many images through the classifier, in batches as the measures make them."""
    batch = torch.rand(max(1, PIXELS_AT_ONCE // side**2), 3, side, side)

    @torch.no_grad()
    def run() -> None:
        for first in range(0, passes, len(batch)):
            classifier(batch[: passes - first])

    return run


def by_quantus(case: Case, classifier: nn.Module, images: Tensor, maps: Tensor, target: Tensor) -> Callable[[], Tensor]:
    """Quantus on the same input; its pixel flipping flips values, three for each pixel."""
    quantus = pytest.importorskip("quantus", reason="quantus is not installed")
    fixed = {"normalize": False, "perturb_baseline": 0.0, "disable_warnings": True}
    if case.patch > 1:
        measure = quantus.RegionPerturbation(patch_size=case.patch, regions_evaluation=case.steps, **fixed)
    else:
        measure = quantus.PixelFlipping(features_in_step=3 * case.side**2 // case.steps, **fixed)
    arrays = images.numpy(), target.numpy(), maps.numpy()

    def run() -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = measure(classifier, *arrays, channel_first=True, softmax=True, device="cpu", batch_size=BATCH)
        return torch.from_numpy(np.array(found))

    return run


@pytest.mark.parametrize("name", CASES)
def test_against_quantus(benchmark: Any, name: str) -> None:
    case = CASES[name]
    given = inputs(case.side)
    theirs = by_quantus(case, *given)

    def ours() -> Tensor:
        measure = morf if case.patch > 1 else deletion
        return measure(*given, patch=case.patch, perturbation="black", steps=case.steps)

    curve = ours()
    same = curve[:, :1] - curve[:, 1:] if case.patch > 1 else curve[:, 1:]
    benchmark.extra_info["largest_difference"] = float((same - theirs()).abs().max())
    benchmark.extra_info["times_faster_than_quantus"] = ratio(theirs, ours, 5)
    benchmark.extra_info["ratio_to_bare"] = ratio(ours, bare(given[0], case.side, BATCH * (case.steps + 1)), 5)
    benchmark.pedantic(ours, rounds=3)


def test_several_maps_at_once(benchmark: Any) -> None:
    """Seven control maps of one batch, together against one by one."""
    classifier, images, _, target = inputs(112)
    maps = controls(images, images[:, :1] > 0.9)

    def together() -> dict[str, Tensor]:
        return morf_many(classifier, images, maps, target)

    def one_by_one() -> list[Tensor]:
        return [morf(classifier, images, own, target) for own in maps.values()]

    benchmark.extra_info["times_faster_than_one_by_one"] = ratio(one_by_one, together, 3)
    benchmark.pedantic(together, rounds=3)
