"""Paths that are locked, too long or not what they should be: one sentence from every command, and no traceback."""

import builtins
import io
import os
import shutil
from pathlib import Path

import pytest

from antehoc.cli import main

LONG = {"a deep path": "/".join(["a" * 99] * 50), "a long name": "b" * 5000}


@pytest.fixture
def lock(monkeypatch):
    """Let a file or folder, and all in it, answer as without permission: root could open what is truly locked."""

    def lock(place: Path) -> Path:
        def guarded(function):
            def call(path=".", *given, **more):
                if isinstance(path, str | os.PathLike) and Path(os.fspath(path)).is_relative_to(place):
                    raise PermissionError(13, "Permission denied", os.fspath(path))
                return function(path, *given, **more)

            return call

        for module, names in ((os, ("listdir", "scandir", "mkdir")), (io, ("open",)), (builtins, ("open",))):
            for name in names:
                monkeypatch.setattr(module, name, guarded(getattr(module, name)))
        if place.is_dir():  # the name of a file shows in its folder, whatever the file's own permissions
            plain, stat = os.stat, guarded(os.stat)
            monkeypatch.setattr(os, "stat", lambda path, **more: (plain if path == place else stat)(path, **more))
        return place

    return lock


def commands(tiny_run, png, out, model=None) -> dict[str, list]:
    """A call of every command, by its name."""
    model, recipe = model or tiny_run.model, tiny_run.recipe
    return {
        "explain": ["explain", model, png],
        "evaluate": ["evaluate", model],
        "compare": ["compare", model, "--count", 1],
        "train": ["train", recipe, "--out", out],
        "reproduce": ["reproduce", recipe, "--out", out],
    }


OPTIONS = {
    "explain": ("--json", "--html"),
    "evaluate": ("--recipe", "--data", "--ood", "--json", "--html"),
    "compare": ("--recipe", "--data", "--json", "--html"),
    "train": ("--out", "--data", "--weights", "--json"),
    "reproduce": ("--out", "--data", "--weights", "--ood", "--json", "--html"),
}
CASES = [(command, option) for command, options in OPTIONS.items() for option in options]


@pytest.fixture
def with_option(refused, tiny_run, png, tmp_path):
    def with_option(command, option, path):
        ending = {"--weights": ".safetensors", "--recipe": ".yaml"}.get(option, "")
        value = f"strange={path}" if option == "--ood" else f"{path}{ending}"
        calls = commands(tiny_run, png, tmp_path / "out")
        said = refused(*calls[command], option, value, "--device", "cpu", "--quiet")
        assert str(path) in said
        return said

    return with_option


@pytest.mark.parametrize("path", LONG.values(), ids=LONG)
@pytest.mark.parametrize(("command", "option"), CASES)
def test_a_path_that_is_too_long_is_refused(with_option, command, option, path):
    assert "(File name too long); " in with_option(command, option, path)


@pytest.mark.parametrize(("command", "option"), CASES)
def test_a_path_in_a_locked_folder_is_refused(with_option, lock, tmp_path, command, option):
    (tmp_path / "locked").mkdir()
    assert "(Permission denied); " in with_option(command, option, lock(tmp_path / "locked") / "new")


@pytest.mark.parametrize("path", LONG.values(), ids=LONG)
@pytest.mark.parametrize("command", ["explain", "evaluate", "compare"])
def test_a_model_at_a_path_that_is_too_long_is_refused(refused, tiny_run, png, tmp_path, command, path):
    said = refused(*commands(tiny_run, png, tmp_path, model=path)[command], "--device", "cpu")
    assert said.endswith("the model cannot be read (File name too long); check the path and its permissions.")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "."])
@pytest.mark.parametrize("command", ["explain", "evaluate", "compare"])
def test_a_model_that_may_not_be_read_is_refused(refused, tiny_run, png, tmp_path, lock, command, name):
    shutil.copytree(tiny_run.model, tmp_path / "m")
    lock(tmp_path / "m" / name)
    said = refused(*commands(tiny_run, png, tmp_path, model=tmp_path / "m")[command], "--device", "cpu")
    assert said.startswith(f"antehoc: {tmp_path / 'm'}")
    assert "cannot be read (Permission denied); check " in said


@pytest.mark.parametrize("path", LONG.values(), ids=LONG)
def test_an_image_at_a_path_that_is_too_long_is_refused(refused, tiny_run, path):
    said = refused("explain", tiny_run.model, path, "--device", "cpu")
    assert said.endswith("it cannot be read (File name too long); give the path of a readable image.")


def test_an_image_in_a_locked_folder_is_refused(refused, tiny_run, png, lock):
    said = refused("explain", tiny_run.model, lock(png.parent) / "other.png", "--device", "cpu")
    assert said.endswith("other.png: it cannot be read (Permission denied); give the path of a readable image.")


def test_one_image_that_cannot_be_reached_leaves_the_others(call, tiny_run, png):
    code, printed, complaint = call("explain", tiny_run.model, LONG["a long name"], png, "--device", "cpu")
    assert code == 2
    assert "square.png" in printed
    assert "Traceback" not in complaint


def test_a_run_whose_files_are_locked_is_not_resumed(refused, tiny_run, tmp_path, lock):
    shutil.copytree(tiny_run.folder, tmp_path / "run")
    lock(tmp_path / "run" / "main" / "data.txt")
    said = refused("reproduce", tiny_run.recipe, "--out", tmp_path / "run", "--resume", "--device", "cpu", "--quiet")
    assert said.startswith(f"antehoc: {tmp_path}/run/main/data.txt: cannot be read and written (Permission denied); ")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(28, "No space left on device", "a/last.ckpt"),
            "a/last.ckpt: cannot be used (No space left on device)",
        ),
        (OSError("the hub does not answer.\nnot now"), "a file or folder: cannot be used (the hub does not answer)"),
    ],
)
def test_a_disk_that_fails_in_the_middle_is_a_sentence(capsys, tiny_run, monkeypatch, error, said):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("antehoc.runs.train.train_run", fail)
    assert main(["train", str(tiny_run.recipe), "--device", "cpu"]) == 2
    complaint = capsys.readouterr().err
    assert complaint == f"antehoc: {said}; check the path, its permissions and the space on its disk.\n"
