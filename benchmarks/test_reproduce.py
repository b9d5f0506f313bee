"""`antehoc reproduce shapes` by part, in seconds; everything included. Minutes: run it alone."""

from pathlib import Path
from typing import Any

from antehoc.runs.reproduce import reproduce


def test_reproduce_shapes(benchmark: Any, tmp_path: Path) -> None:
    results = []
    benchmark.pedantic(
        lambda: results.append(reproduce("shapes", seed=0, out=tmp_path / f"run{len(results)}")), rounds=1
    )
    benchmark.extra_info["parts"] = results[-1].parts
