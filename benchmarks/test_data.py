"""Images per second: drawing shapes, fetching batches from memory and from files."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from antehoc.data import Files, Preprocessing, Tensors
from antehoc.data.drawn import draw


def per_second(benchmark: Any, call: Any, images: int) -> None:
    """Time a call that makes so many images."""
    benchmark.pedantic(call, rounds=7, warmup_rounds=1)
    if benchmark.stats:
        benchmark.extra_info["images_per_second"] = images / benchmark.stats.stats.median


@pytest.mark.parametrize("kind", ["rectangle", "star"])
def test_draw(benchmark: Any, kind: str) -> None:
    per_second(benchmark, lambda: draw(kind, seed=0, count=5000), 5000)


def test_from_memory(benchmark: Any) -> None:
    examples = Tensors(torch.from_numpy(draw("circle", seed=0, count=6000).image)[:, None])
    batches = torch.randperm(6000).split(64)
    per_second(benchmark, lambda: [examples.batch(rows.tolist()) for rows in batches], 6000)


@pytest.mark.parametrize(("side", "count"), [(64, 512), (500, 64)])
def test_from_files(benchmark: Any, tmp_path: Path, side: int, count: int) -> None:
    noise = torch.randint(256, (side, side, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    paths = [tmp_path / f"{number}.jpg" for number in range(count)]
    for path in paths:
        Image.fromarray(noise.numpy()).resize((side, side)).save(path, quality=85)
    examples = Files(paths, Preprocessing(3, 224, 224))
    per_second(benchmark, lambda: examples.batch(range(count)), count)
