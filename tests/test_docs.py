"""The documentation holds what it says: it builds, its tables are those of the code and the runs, its examples work."""

import importlib.util
import json
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from antehoc import cli
from antehoc.data import DATASETS
from antehoc.data.drawn import draw
from antehoc.data.sets.folder import folder
from antehoc.data.sets.manifest import manifest
from antehoc.data.sets.shapes import spec as shapes_spec
from antehoc.doubts import DOUBTS
from antehoc.model import build_system
from antehoc.recipe import build_recipe
from antehoc.recipes import known_recipes, merge
from antehoc.runs.studied import study_options
from antehoc.schema import check_arguments
from antehoc.studies import STUDIES
from antehoc.systems import SYSTEMS

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))
TINY = [  # the recipe `shapes` in seconds
    "data.train=400",
    "data.validation=100",
    "data.calibration=400",
    "data.test=100",
    "phases=[{train: [main], epochs: 8, learning_rate: 0.01}, "
    "{train: [mirror], epochs: 2, learning_rate: 0.01, weights: {label: 0.0}}]",
]
BLOCK = re.compile(r"(?:^<!-- (runnable.*?) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(*languages: str, pages: Sequence[Path] = PAGES) -> list[Any]:
    """Code blocks of a language: mark, text; named after their page and place in it."""
    found = []
    for page in pages:
        own = [block for block in BLOCK.findall(page.read_text(encoding="utf-8")) if block[1] in languages]
        name = page.relative_to(ROOT).as_posix().removeprefix("docs/")
        found += [pytest.param(mark, text, id=f"{name}-{number}") for number, (mark, _, text) in enumerate(own, 1)]
    return found


def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path):
    for needed in ("mkdocs", "material", "mkdocstrings"):
        if not importlib.util.find_spec(needed):
            pytest.skip(f"{needed} is not installed; pip install '.[docs]'")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],  # --quiet undoes --strict
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},  # what the theme says of its own future
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > len(PAGES)  # the page for what is not found comes on top
    for page in pages:
        fetched = re.findall(r'<(?:script|link|img|iframe)\b[^>]*(?:src|href)="(?:https?:)?//[^"]*', page.read_text())
        assert fetched == [], page.name


@pytest.mark.parametrize(("_", "text"), blocks("bash", "sh", pages=[*PAGES, ROOT / "README.md"]))
def test_every_command_line_parses(_, text):
    commands = re.split(r"\n|&&", text.replace("\\\n", " "))
    for command in commands:
        if not command.strip().startswith("antehoc "):
            continue
        arguments = shlex.split(command, comments=True)[1:]
        if {"--help", "--version"} & set(arguments):
            with pytest.raises(SystemExit) as stopped:
                cli.build_parser().parse_args(arguments)
            assert stopped.value.code == 0
            continue
        options = cli.build_parser().parse_args(arguments)
        recipe = getattr(options, "recipe", None)
        images = arguments[0] == "train"  # takes labelled images as well
        assert recipe is None or recipe.endswith(".yaml") or recipe in known_recipes() or images


@pytest.fixture
def examples(monkeypatch):
    """The examples of the page on extending, registered."""
    monkeypatch.syspath_prepend(ROOT / "tests" / "extend")
    monkeypatch.setitem(DATASETS, "squares", import_module("squares").squares)
    monkeypatch.setitem(DOUBTS, "flatness", import_module("flatness").FLATNESS)
    monkeypatch.setitem(SYSTEMS, "channels", import_module("channels").Channels)
    monkeypatch.setitem(STUDIES, "recall", import_module("recall").run)


@pytest.mark.parametrize(("_", "text"), blocks("yaml"))
def test_every_recipe_is_one(_, text, examples):
    values = yaml.safe_load(text)
    shipped = yaml.safe_load((ROOT / "src/antehoc/recipes/shapes.yaml").read_text())
    whole = "system" in values  # else a part, to be laid over a recipe
    scales = values.pop("scales", {})
    shipped.pop("scales")
    base = values if whole else merge(shipped, values)
    for over in ({}, *scales.values(), *values.get("variants", {}).values()):
        checked = merge(base, over)
        recipe = build_recipe(checked, "docs")
        study_options(recipe, "docs")
        data, system = dict(recipe.data), recipe.system
        check_arguments(DATASETS[data.pop("name")], data, "docs, data", {"seed": 0})
        spec = shapes_spec(data.get("size", 64))
        built = build_system(spec, system, "docs, system", weights=False)
        parts = {name for name, _ in built.named_children()}
        assert set(recipe.verdict.doubts) <= set(DOUBTS)
        for phase in recipe.phases:
            assert set(phase.train) <= parts
            assert set(phase.weights) <= set(built.weights)


@pytest.mark.parametrize(("_", "text"), blocks("csv"))
def test_every_table_of_a_user_can_be_read(_, text, tmp_path):
    def picture(place: str, level: int) -> None:
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (level, 0, 0)).save(path)

    (tmp_path / "table.csv").write_text(text)
    first = [line.split(",")[0] for line in text.splitlines()[1:]]
    if text.startswith("path"):
        for level, place in enumerate(first):
            picture(place, level)
        source = manifest(tmp_path / "table.csv", size=8)
    else:
        for number, label in enumerate(first):
            for index in range(20):
                picture(f"{label}/{index}.png", 20 * number + index)
        source = folder(tmp_path, size=8, attributes="table.csv", shares=(0.4, 0.2, 0.2, 0.2))
    assert source.spec.attributes
    assert len(source.spec.exclusive) == 1


@pytest.mark.parametrize(("_", "text"), blocks("python"))
def test_every_example_compiles(_, text):
    compile(text, "docs", "exec")


def exists(name: str) -> bool:
    """Whether a dotted name of the package leads to a module or to something in one."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda path: path.name)
def test_names_of_the_package_exist(page):
    text = page.read_text(encoding="utf-8")
    named = {name.rstrip(".") for name in re.findall(r"`(antehoc\.[\w.]+)", text)}
    for module, names in re.findall(r"^ *(?:>>> )?from (antehoc[\w.]*) import (.+)$", text, re.MULTILINE):
        named |= {f"{module}.{name.strip()}" for name in names.split(",")}
    assert [name for name in sorted(named) if not exists(name)] == []


def run(mark: str, text: str) -> None:
    """Run an example; its mark may say what to put in another's place, so that it is done in seconds."""
    if ":" in mark:
        old, new = mark.split(":", 1)[1].split("->")
        assert old.strip() in text
        text = text.replace(old.strip(), new.strip())
    exec(compile(text, "docs", "exec"), {"TINY": TINY, "__name__": "docs"})


RUNNABLE = [block for block in blocks("python") if block.values[0]]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with an image and the model that the first example of `start/python.md` makes."""
    where = tmp_path_factory.mktemp("docs")
    Image.fromarray(draw("square", seed=1, count=1).image[0]).save(where / "drawing.png")
    before = Path.cwd()
    os.chdir(where)
    try:
        run(*next(block for block in RUNNABLE if block.id == "start/python.md-1").values)
    finally:
        os.chdir(before)
    return where


@pytest.mark.parametrize(("mark", "text"), [block for block in RUNNABLE if block.id != "start/python.md-1"])
def test_examples_marked_as_runnable_run(mark, text, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    run(mark, text)
    assert capsys.readouterr().out.strip()


def photographs(top: Path, names: Sequence[str], each: int) -> None:
    """Noisy pictures, each name in a color of its own."""
    generator = np.random.default_rng(0)
    for number, name in enumerate(names):
        (top / name).mkdir(parents=True)
        color = np.roll([200, 60, 60], number)
        for index in range(1, each + 1):
            pixels = (color + generator.normal(0, 20, (72, 64, 3))).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(top / name / f"{index:03}.jpg")


def test_your_own_attributes_from_table_to_study_as_the_page_says(tmp_path, monkeypatch, capsys):
    page = [ROOT / "docs/howto/your-own-attributes.md"]
    images = blocks("csv", pages=page)[1].values[1]
    values, other = (yaml.safe_load(block.values[1]) for block in blocks("yaml", pages=page))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTEHOC_CACHE", str(tmp_path / "cache"))
    head, *rows = images.replace("split,", "").splitlines()
    kinds = {row.split(",")[1]: row.split(",")[3:] for row in rows}  # the attributes and box of each class
    photographs(tmp_path / "garden", list(kinds), each=50)
    lines = [",".join([f"{name}/{i:03}.jpg", name, *own]) for name, own in kinds.items() for i in range(1, 51)]
    (tmp_path / "garden/images.csv").write_text("\n".join([head, *lines]))
    values = merge(values, other)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(timm.create_model("test_resnet").state_dict(), "test_resnet.safetensors")
    values["data"] |= {"size": 64, "resize": 64, "shares": [0.35, 0.05, 0.4, 0.2]}  # small, and as short as can be
    network = {"name": "test_resnet", "weights": "test_resnet.safetensors", "options": {}}
    values["system"]["backbone"] |= network
    values["phases"][0] |= {"epochs": 3, "views": 2, "batch_size": 4, "learning_rate": 0.01, "backbone_rate": 1.0}
    values |= {"unknown": {"kinds": ["noise", "dark"], "count": 8}, "draws": 5}
    values["verdict"]["folds"] = 2
    Path("garden.yaml").write_text(yaml.safe_dump(values))
    command = blocks("bash", pages=page)[0].values[1]
    assert cli.main([*shlex.split(command)[1:], "--quiet", "--device", "cpu"]) == 0
    figures = json.loads(Path("garden-run/figures.json").read_text())
    assert figures["studies"]["garden.yaml"].keys() >= {"repeated_calibration", *values["studies"]}
    assert "verdict_questioned_wrong_at_1" in figures["figures"]
    assert list((tmp_path / "cache").rglob("*.safetensors"))
    capsys.readouterr()
    shared: dict[str, Any] = {}
    for block in blocks("python", pages=page):
        exec(compile(block.values[1], "docs", "exec"), shared)
    assert shared["corrected"].corrected["has_bill_shape::dagger"] == 1
    assert "with the background alone" in " ".join(capsys.readouterr().out.split())


def test_the_first_example_leaves_a_model(place):
    assert (place / "my-model" / "model.safetensors").exists()
    assert (place / "antehoc-runs" / "shapes-small-seed0" / "model").is_dir()


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md", ROOT / "CHANGELOG.md"], ids=lambda path: path.name)
def test_pages_name_no_place_on_one_machine(page):
    assert re.findall(r"(?<![\w.])/(?:work|home|tmp|root|Users)/\S+", page.read_text(encoding="utf-8")) == []
