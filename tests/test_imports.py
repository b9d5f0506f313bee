"""What is light stays light: help, wrong words, reports and decisions load no library that they do not need."""

import subprocess
import sys

import pytest

from antehoc.saved import FILES

HEAVY = ("torch", "numpy", "PIL", "lightning", "timm", "matplotlib")
TRAINING = ("lightning", "captum", "pytorch_grad_cam", "pytorch_ood", "antehoc.training.loop")


def loaded(code: str, names: tuple[str, ...]) -> list[str]:
    """Which of the modules a process has loaded after some code."""
    ends = "import sys\ntry:\n" + "".join(f"    {line}\n" for line in code.splitlines()) + "except SystemExit: pass\n"
    ends += f"sys.stderr.write(chr(10) + ' '.join(name for name in {names!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", ends], capture_output=True, text=True, check=True)
    return done.stderr.split("\n")[-1].split()


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["reproduce", "--help"], ["explain", "--help"], ["improve"], []],
    ids=" ".join,
)
def test_help_and_wrong_commands_load_no_torch(arguments):
    assert loaded(f"from antehoc.cli import main\nmain({arguments!r})", HEAVY) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["reproduce", "shape"],
        ["train", "shape"],
        ["train", "shapes", "--scale", "papers"],
        ["train", "shapes", "--set", "seed"],
        ["train", "shapes", "--device", "tpu"],
        ["train", "shapes", "--devices", "0"],
        ["reproduce", "shapes", "--ood", "mnist=none"],
        ["reproduce", "birds", "--data", "none"],
        ["reproduce", "birds", "--weights", "none.safetensors"],
        ["train", "none.yaml"],
        ["explain", "none", "none.png"],
        ["explain", "SAVED", "none.png"],
        ["evaluate", "none"],
        ["evaluate", "SAVED", "--recipe", "shape"],
        ["evaluate", "SAVED", "--data", "none"],
        ["compare", "none"],
        ["compare", "SAVED", "--device", "tpu"],
    ],
    ids=" ".join,
)
def test_bad_input_is_reported_before_anything_heavy_loads(arguments, tmp_path):
    for name in FILES:
        (tmp_path / name).touch()
    arguments = [str(tmp_path) if part == "SAVED" else part for part in arguments]
    code = f"from antehoc.cli import main\nassert main({arguments!r}) == 2"
    assert loaded(code, HEAVY) == []


def test_reports_and_decisions_load_no_training_and_no_other_explanations():
    code = (
        "import pkgutil, importlib, antehoc.model, antehoc.report, antehoc.results, antehoc.runs.explain\n"
        "for found in pkgutil.iter_modules(antehoc.report.__path__):\n"
        "    importlib.import_module(f'antehoc.report.{found.name}')"
    )
    drawn = "antehoc.report.page"  # is loaded, so that an empty answer could be told from a wrong one
    assert loaded(code, (*TRAINING, "antehoc.runs.train", "antehoc.recipe", drawn)) == [drawn]
