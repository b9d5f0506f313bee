"""Cost of decide, explain and doubt over the bare classifier's forward pass, both timed in turn.

`pytest benchmarks -o addopts= --benchmark-only -q` times them. The bare pass is timed before each round: `extra_info`
has its median and the ratio of the two medians.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from antehoc.calibration import Policy, calibrate
from antehoc.data.sets.shapes import ATTRIBUTES, CLASS_ATTRIBUTES, CLASSES, EXCLUSIVE
from antehoc.model.decision import decide
from antehoc.schema import build
from antehoc.systems import Mirror
from antehoc.systems.settings import regrouped
from antehoc.types import DataSpec

PAPER: dict[str, Any] = {
    "backbone": "paper-shapes", "mirror": "paper-shapes", "join": "concat", "head": "flatten",
    "covariance": "class", "watch_stages": True,
}  # fmt: skip
CASES: dict[str, tuple[dict[str, Any], int, int, int]] = {  # arguments, channels, side in pixels, batch
    "paper-shapes": (PAPER, 1, 64, 256),
    "resnet18-light": ({"backbone": "resnet18", "mirror": "light"}, 3, 224, 8),
    "resnet18-full": ({"backbone": "resnet18", "mirror": "full"}, 3, 224, 8),
}


def built(arguments: dict[str, Any], channels: int, side: int) -> tuple[Mirror, Policy]:
    """A system with new weights and a policy from random doubts: costs do not depend on what was learned."""
    torch.manual_seed(0)
    matrix = tuple(tuple(float(value) for value in row) for row in CLASS_ATTRIBUTES)
    spec = DataSpec(CLASSES, channels, side, side, ATTRIBUTES, matrix, EXCLUSIVE)
    system = build(Mirror, regrouped(arguments, Mirror.earlier), "benchmark", spec=spec).eval()
    dense = system.dense(system(torch.rand(2, channels, side, side)))
    assert dense is not None
    kept = torch.rand(1000, dense[0].shape[1])  # as many training images as a model keeps at most
    system.training_images.fit(kept, torch.arange(1000) % len(spec.classes))
    names = ("margin", "likelihood", "distance")
    doubts = {name: torch.randn(1000) for name in names}
    wrong = torch.rand(1000) < 0.1
    return system, calibrate(doubts, wrong, names=names, alpha=0.05, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def whole(system: Mirror, policy: Policy, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Decision, explanans, every doubt and the verdict's score: all that a decision needs, as tensors."""
    output = system(image)
    score = policy.score(system.all_doubts(output))
    return output.logits.softmax(1), system.attribute_probabilities(output), score, score > policy.threshold


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("what", ["whole", "objects"])
def test_cost(benchmark: Any, case: str, what: str) -> None:
    arguments, channels, side, batch = CASES[case]
    system, policy = built(arguments, channels, side)
    image = torch.rand(batch, channels, side, side)

    def bare() -> torch.Tensor:
        with torch.no_grad():
            logits: torch.Tensor = system.main(image).logits
            return logits

    calls: dict[str, Callable[[], object]] = {
        "whole": lambda: whole(system, policy, image),
        "objects": lambda: decide(system, policy, image),  # typed decisions with reasons in words
    }
    beside: list[float] = []

    def time_bare() -> None:
        start = time.perf_counter()
        bare()
        beside.append(time.perf_counter() - start)

    benchmark.pedantic(calls[what], setup=time_bare, rounds=15, warmup_rounds=2)
    benchmark.extra_info["batch"] = batch
    if benchmark.stats:
        benchmark.extra_info["bare_seconds"] = statistics.median(beside[-15:])
        benchmark.extra_info["ratio_to_bare"] = benchmark.stats.stats.median / benchmark.extra_info["bare_seconds"]
