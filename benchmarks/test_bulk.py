"""`antehoc explain --out` over many files: memory, speed over a bare loop, and what kills leave.

Sizes are small by default. `ANTEHOC_BULK_FILES` sets the number of files (20000, say) and `ANTEHOC_BULK_IMAGES` names a
folder whose images they repeat, by links; without it they are noise of 64 to 96 pixels.

    ANTEHOC_BULK_FILES=20000 ANTEHOC_BULK_IMAGES=photos pytest benchmarks/test_bulk.py -o addopts= --benchmark-only -q
"""

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from antehoc.data import Preprocessing
from antehoc.data.archives import image_paths
from antehoc.data.images import load_image
from antehoc.model import Model
from antehoc.runs.explain import batch_size, explain_to_file
from benchmarks.test_cost import built

FILES = int(os.environ.get("ANTEHOC_BULK_FILES", "1000"))
FEW = 200
KILLS = 10
ROUNDS = 3
CASES: dict[str, dict[str, Any]] = {
    "small": {"backbone": "small", "mirror": "light", "width": 8},
    "mobilenetv2": {"backbone": "mobilenetv2_100", "mirror": "light"},
}
PEAK = """
import resource, sys
from antehoc.cli import main
code = main(sys.argv[1:])
print(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def model_of(case: str) -> Model:
    system, policy = built(CASES[case], 3, 64)
    arguments = {"name": "mirror", **regrouped_arguments(case)}
    return Model(system, arguments, Preprocessing(3, 64, 64), policy)


def regrouped_arguments(case: str) -> dict[str, Any]:
    from antehoc.systems import Mirror
    from antehoc.systems.settings import regrouped

    return regrouped(CASES[case], Mirror.earlier)


def linked(folder: Path, count: int) -> Path:
    """A folder of so many image files, a few hundred of them different."""
    folder.mkdir()
    if given := os.environ.get("ANTEHOC_BULK_IMAGES"):
        own = image_paths(Path(given))[0]
    else:
        own = [folder.parent / "noise" / f"{number}.jpg" for number in range(100)]
        own[0].parent.mkdir(exist_ok=True)
        generator = torch.Generator().manual_seed(0)
        for path in own:
            side = int(torch.randint(64, 97, (1,), generator=generator))
            pixels = torch.randint(256, (side, side, 3), dtype=torch.uint8, generator=generator)
            Image.fromarray(pixels.numpy()).save(path, quality=85)
    for number in range(count):
        source = own[number % len(own)].resolve()
        (folder / f"{number:06}{source.suffix}").symlink_to(source)
    return folder


def command(model: Path, *more: object) -> list[str]:
    return ["explain", str(model), *map(str, more), "--device", "cpu", "--quiet"]


def peak_mib(model: Path, images: Path, out: Path) -> float:
    """The most memory that a process of its own has held."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *command(model, images, "--out", out)], capture_output=True, text=True, check=True
    )
    code, peak = done.stdout.split()
    assert code == "0", done.stderr
    return int(peak) / 1024


def test_memory_of_many_files_over_few(benchmark: Any, tmp_path: Path) -> None:
    model_of("small").save(tmp_path / "model")
    few, many = linked(tmp_path / "few", FEW), linked(tmp_path / "many", FILES)
    low = statistics.median(peak_mib(tmp_path / "model", few, tmp_path / f"few{n}.jsonl") for n in range(ROUNDS))
    found: list[float] = []
    benchmark.pedantic(lambda: found.append(peak_mib(tmp_path / "model", many, tmp_path / "many.jsonl")), rounds=1)
    benchmark.extra_info |= {
        "files": FILES, "few_files": FEW, "peak_mib": round(found[0], 1), "few_peak_mib": round(low, 1),
        "memory_ratio": round(found[0] / low, 3),
    }  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_speed_over_a_bare_loop(benchmark: Any, tmp_path: Path, case: str) -> None:
    model = model_of(case)
    images = linked(tmp_path / "images", min(FILES, 2000))
    paths, size = sorted(images.iterdir()), batch_size(model)
    classifier, number = model.system.as_classifier(), iter(range(1000))
    beside: list[float] = []
    busy: dict[str, list[float]] = {"bare": [], "explain": []}  # processor seconds of the main thread alone

    def bare() -> None:
        """Decode a batch, classify it, keep the class."""
        start, began, classes = time.perf_counter(), time.thread_time(), []
        with torch.no_grad():
            for first in range(0, len(paths), size):
                batch = [load_image(path, model.preprocessing) for path in paths[first : first + size]]
                classes += classifier(torch.stack(batch)).argmax(1).tolist()
        beside.append(time.perf_counter() - start)
        busy["bare"].append(time.thread_time() - began)

    def explained() -> None:
        began = time.thread_time()
        explain_to_file(model, images, tmp_path / f"{next(number)}.jsonl")
        busy["explain"].append(time.thread_time() - began)

    benchmark.pedantic(explained, setup=bare, rounds=ROUNDS, warmup_rounds=1)
    if benchmark.stats:
        seconds = benchmark.stats.stats.median
        bare_seconds = statistics.median(beside[-ROUNDS:])
        benchmark.extra_info |= {
            "files": len(paths), "images_per_second": len(paths) / seconds, "bare_seconds": bare_seconds,
            "speed_over_bare": round(bare_seconds / seconds, 3),
            # what it would be where other processes leave the decoding threads a core of their own
            "speed_of_main_thread": round(
                statistics.median(busy["bare"][-ROUNDS:]) / statistics.median(busy["explain"][-ROUNDS:]), 3
            ),
        }  # fmt: skip


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_rows_after_ten_kills(benchmark: Any, tmp_path: Path, suffix: str) -> None:
    model_of("small").save(tmp_path / "model")
    images, out = linked(tmp_path / "images", FILES), tmp_path / f"d.{suffix}"
    arguments = command(tmp_path / "model", images, "--out", out)
    draws = random.Random(0)
    found: dict[str, int] = {}

    def killed() -> None:
        found["kills"] = sum(kill_after(arguments, out, draws.uniform(0.0, 0.5)) for _ in range(KILLS))
        subprocess.run([sys.executable, "-m", "antehoc.cli", *arguments], check=True)
        counts = Counter(paths_in(out))
        found["rows_lost"] = FILES - len(counts)
        found["rows_duplicated"] = sum(counts.values()) - len(counts)

    benchmark.pedantic(killed, rounds=1)
    benchmark.extra_info |= {"files": FILES, **found}
    assert (found["rows_lost"], found["rows_duplicated"]) == (0, 0)


def kill_after(arguments: list[str], out: Path, seconds: float) -> bool:
    """Start the command and kill it so long after it has begun to write; whether it was still running then."""
    before = out.stat().st_size if out.exists() else 0
    process = subprocess.Popen([sys.executable, "-m", "antehoc.cli", *arguments])
    while process.poll() is None and (not out.exists() or out.stat().st_size <= before):
        time.sleep(0.005)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def paths_in(out: Path) -> list[str]:
    lines = out.read_text(encoding="utf-8").splitlines()[1:]
    return [line.split(",")[0] if out.suffix == ".csv" else json.loads(line)["path"] for line in lines]
