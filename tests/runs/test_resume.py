"""What a real kill does not change: a run that goes on gives the same figures."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from antehoc.runs.reproduce import reproduce
from antehoc.training.loop import Runner

CPU = Runner("cpu")


def command(recipe: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "antehoc.cli", "reproduce", str(recipe), "--out", str(out), "--device", "cpu",
            "--quiet", *more]  # fmt: skip


def kill_at(sign: Path, after: float, recipe: Path, out: Path, *more: str) -> None:
    """Start a run in a process of its own and kill it (SIGKILL) when a file appears, or some seconds later."""
    with subprocess.Popen(
        command(recipe, out, *more), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as run:
        deadline = time.monotonic() + 300
        while not sign.exists() and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(after)
        died = run.poll() is None
        run.kill()
        assert died, f"it ended before it could be killed: {run.stderr.read()}"
    assert run.returncode == -9
    assert not (out / "figures.json").exists()


def finish(recipe: Path, out: Path) -> dict:
    done = subprocess.run(command(recipe, out, "--resume"), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "a resumed run has nothing to complain of"
    return json.loads((out / "figures.json").read_text())


def without_time(summary: dict) -> dict:
    return {name: value for name, value in summary.items() if name not in ("seconds", "parts")}


MOMENTS = {
    "at once": ("run.json", 0.0),
    "in the first epoch": ("main/phase-0", 0.0),
    "between epochs": ("main/phase-0/best.ckpt", 0.0),
    "in the last epoch": ("main/phase-0/last.ckpt", 0.2),
    "between phases": ("main/phase-0/history.pt", 0.0),  # just before its mark
    "after the first phase": ("main/phase-0/done.safetensors", 0.0),
    "in the second phase": ("main/phase-1/last.ckpt", 0.0),
    "after the second phase": ("main/phase-1/done.safetensors", 0.0),
    "while the model is saved": ("main/model/model.safetensors", 0.0),
    "in the evaluation": ("main/model/README.md", 0.02),
}


def check_kill(tiny_run, out: Path, moment: str) -> None:
    sign, after = MOMENTS[moment]
    kill_at(out / sign, after, tiny_run.recipe, out)
    assert without_time(finish(tiny_run.recipe, out)) == without_time(tiny_run.result.summary())


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_a_killed_run_goes_on_to_the_same_figures(tiny_run, tmp_path):
    kill_at(tmp_path / "run/main/phase-0/last.ckpt", 0.0, tiny_run.recipe, tmp_path / "run")
    assert not (tmp_path / "run/main/phase-1/done.safetensors").exists()
    again = reproduce(str(tiny_run.recipe), out=tmp_path / "run", runner=CPU, resume=True)  # the slow tests: a process
    assert without_time(again.summary()) == without_time(tiny_run.result.summary())
    models = [folder / "main/model/model.safetensors" for folder in (tmp_path / "run", tiny_run.folder)]
    assert models[0].read_bytes() == models[1].read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_killed_at_any_moment_goes_on_to_the_same_figures(tiny_run, tmp_path, moment):
    check_kill(tiny_run, tmp_path / "run", moment)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_a_run_killed_again_and_again_goes_on_to_the_same_figures(tiny_run, tmp_path):
    out = tmp_path / "run"
    kill_at(out / "main/phase-0/last.ckpt", 0.0, tiny_run.recipe, out)
    kill_at(out / "main/phase-0/done.safetensors", 0.0, tiny_run.recipe, out, "--resume")
    kill_at(out / "main/phase-1/last.ckpt", 0.0, tiny_run.recipe, out, "--resume")
    assert without_time(finish(tiny_run.recipe, out)) == without_time(tiny_run.result.summary())


def test_a_finished_run_can_be_resumed_too(tiny_run, tmp_path):
    # the mark holds the recipe's own values, so a copy of the folder is a run of the same recipe
    shutil.copytree(tiny_run.folder, tmp_path / "run")
    again = reproduce(str(tiny_run.recipe), out=tmp_path / "run", runner=CPU, resume=True)
    assert again.folder == tmp_path / "run"
    assert again.figures == tiny_run.result.figures
    assert again.history == tiny_run.result.history
