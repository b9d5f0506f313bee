"""Cost of every post-hoc method as a ratio to the bare forward pass of the same images: ResNet-18, 224 px, 4 images.

`pytest benchmarks/test_posthoc.py -o addopts= --benchmark-only -q` times them; `extra_info` holds ratio and
counted passes.
"""

import time
from typing import Any

import pytest
import torch
import torchvision

from antehoc.posthoc import METHODS, attributions

ONE = ("score-cam", "occlusion")  # on one image: hundreds of passes each
FEWER: dict[str, dict[str, object]] = {  # the ratio grows with these: the default's is the factor times larger
    "lime": {"samples": 20},
    "rise": {"masks": 20},
    "extremal-perturbation": {"steps": 10},
}


@pytest.fixture(scope="module")
def net() -> torch.nn.Module:
    torch.manual_seed(0)
    return torchvision.models.resnet18().eval()


@pytest.mark.parametrize("method", METHODS)
def test_cost(benchmark: Any, net: torch.nn.Module, method: str) -> None:
    images = torch.rand(1 if method in ONE else 4, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    settings = FEWER.get(method, {})

    def bare() -> float:
        start = time.perf_counter()
        with torch.no_grad():
            net(images)
        return time.perf_counter() - start

    bare()
    before = bare()
    found = benchmark.pedantic(
        lambda: attributions(net, images, method=method, target=0, **settings), rounds=1, iterations=1
    )
    benchmark.extra_info |= {
        "ratio": benchmark.stats.stats.min / min(before, bare(), bare()),
        "passes": found.passes,
        "options": found.options,
    }
    assert found.maps.shape == (len(images), 1, 224, 224)
