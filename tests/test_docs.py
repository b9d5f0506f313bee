"""The documentation holds what it says: it builds, its tables are those of the code and the runs, its examples work."""

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import timm
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from antehoc import cli
from antehoc.comparison import GRID
from antehoc.data import DATASETS
from antehoc.data.drawn import draw
from antehoc.data.sets.folder import folder
from antehoc.data.sets.manifest import manifest
from antehoc.data.sets.shapes import spec as shapes_spec
from antehoc.model import build_system
from antehoc.recipe import Recipe, known_recipes, merge
from antehoc.schema import build, check_arguments

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


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    """The generator of the tables, which is no part of the package."""
    found = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path):
    for needed in ("mkdocs", "material", "mkdocstrings"):
        if not importlib.util.find_spec(needed):
            pytest.skip(f"{needed} is not installed; pip install 'antehoc[docs]'")
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


def test_every_table_is_up_to_date(tables, capsys):
    assert tables.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(("_", "text"), blocks("bash", "sh", pages=[*PAGES, ROOT / "README.md"]))
def test_every_command_line_parses(_, text):
    commands = re.split(r"\n|&&", text.replace("\\\n", " "))
    for command in commands:
        if not command.strip().startswith("antehoc "):
            continue
        arguments = shlex.split(command, comments=True)[1:]
        if "--help" in arguments:
            with pytest.raises(SystemExit) as stopped:
                cli._parser().parse_args(arguments)
            assert stopped.value.code == 0
            continue
        options = cli._parser().parse_args(arguments)
        recipe = getattr(options, "recipe", None)
        assert recipe is None or recipe.endswith(".yaml") or recipe in known_recipes()


@pytest.mark.parametrize(("_", "text"), blocks("yaml"))
def test_every_recipe_is_one(_, text):
    values = yaml.safe_load(text)
    shipped = yaml.safe_load((ROOT / "src/antehoc/recipes/shapes.yaml").read_text())
    whole = "system" in values  # else a part, to be laid over a recipe
    scales = values.pop("scales", {})
    shipped.pop("scales")
    base = values if whole else merge(shipped, values)
    for over in ({}, *scales.values(), *values.get("variants", {}).values()):
        checked = merge(base, over)
        recipe = build(Recipe, checked, "docs")
        data, system = dict(recipe.data), recipe.system
        check_arguments(DATASETS[data.pop("name")], data, "docs, data", {"seed": 0})
        spec = shapes_spec(data.get("size", 64))
        built = build_system(spec, system, "docs, system", weights=False)
        parts = {name for name, _ in built.named_children()}
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
    """Noisy pictures, each name in a colour of its own."""
    generator = np.random.default_rng(0)
    for number, name in enumerate(names):
        (top / name).mkdir(parents=True)
        colour = np.roll([200, 60, 60], number)
        for index in range(1, each + 1):
            pixels = (colour + generator.normal(0, 20, (72, 64, 3))).clip(0, 255).astype(np.uint8)
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
    values["system"] |= {"backbone": "test_resnet", "weights": "test_resnet.safetensors", "options": {}}
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
    assert "with the background alone" in capsys.readouterr().out


def test_the_first_example_leaves_a_model(place):
    assert (place / "my-model" / "model.safetensors").exists()
    assert (place / "antehoc-runs" / "shapes-small-seed0" / "model").is_dir()


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md", ROOT / "CHANGELOG.md"], ids=lambda path: path.name)
def test_pages_name_no_place_on_one_machine(page):
    assert re.findall(r"(?<![\w.])/(?:work|home|tmp|root|Users)/\S+", page.read_text(encoding="utf-8")) == []


# The generator, on runs made up for these tests.


def a_run(seed: int, **figures: float | None) -> dict[str, Any]:
    """What `antehoc reproduce shapes --json` writes, with these figures over ones that reach everything."""
    reached = {"accuracy": 0.996, "verdict_auroc": 0.99, "msp_auroc": 0.98, "ood_noise_questioned": 1.0}
    return {
        "recipe": "shapes", "scale": "small", "seed": seed, "seconds": 100.0 + seed, "figures": reached | figures,
        "published": {"accuracy": 0.991}, "intervals": {}, "notes": [], "parts": {},
        "environment": {"torch": "2", "python": "3", "machine": "a", "threads": "2"},
    }  # fmt: skip


@pytest.fixture
def measured(tables, tmp_path, monkeypatch):
    """Takes runs into a folder of measured runs that is not the repository's."""
    (tmp_path / "measured").mkdir()
    monkeypatch.setattr(tables, "MEASURED", tmp_path / "measured")

    def take(*contents: dict[str, Any]) -> None:
        for number, content in enumerate(contents):
            path = tmp_path / f"{number}.json"
            path.write_text(json.dumps(content))
            tables.add(path)

    return take


def row(table: str, figure: str) -> list[str]:
    """The cells of a figure's row."""
    line = next(line for line in table.splitlines() if line.startswith(f"| `{figure}`"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_a_table_shows_mean_and_range_beside_published_and_target(tables, measured):
    measured(a_run(0), a_run(1, accuracy=0.998), a_run(2, accuracy=1.0))
    assert row(tables.small("shapes"), "accuracy") == ["0.9910", "0.9980 (0.9960 to 1.0000)", ">= 0.995"]
    assert row(tables.small("shapes"), "seconds") == ["", "101 (100 to 102)", "<= 180"]
    assert "seeds 0, 1, 2" in tables.small("shapes")


@pytest.mark.parametrize(
    ("figures", "figure", "said"),
    [
        ({"accuracy": 0.99}, "accuracy", ">= 0.995 **missed**"),
        ({"verdict_auroc": 0.97}, "verdict_auroc", ">= `msp_auroc` **missed**"),
        ({"ood_noise_questioned": None}, "ood_noise_questioned", ">= 0.99 **missed**"),
    ],
)
def test_a_missed_target_is_said_to_be_missed(tables, measured, figures, figure, said):
    measured(a_run(0, **figures))
    assert row(tables.small("shapes"), figure)[-1] == said


def test_a_target_that_one_seed_misses_names_the_seed(tables, measured):
    measured(a_run(0), a_run(1, accuracy=0.9949), a_run(2))
    assert row(tables.small("shapes"), "accuracy")[-1] == ">= 0.995 (missed by seed 1)"


def test_what_was_not_measured_says_what_would(tables, measured):
    nothing = tables.small("shapes")
    assert "Not measured yet" in nothing
    assert all(f"antehoc reproduce shapes --seed {seed} --json" in nothing for seed in (0, 1, 2))
    measured(a_run(1))
    assert "--seed 0" in tables.small("shapes")
    assert "--seed 1" not in tables.small("shapes")


def test_the_paper_scale_stands_beside_what_was_published_and_what_was_coded(tables, measured):
    figures = {"as_coded_accuracy": 0.985, "as_coded_verdict_auroc": 0.5, "ood_noise_support_questioned_paired": 0.75}
    measured(a_run(0, **figures) | {"scale": "paper"})
    assert row(tables.paper("shapes"), "accuracy") == ["0.9910", "0.9960", "0.9850"]
    assert row(tables.fault("fault-noise"), "ood_noise_support_questioned_paired") == ["", "0.7500", "-"]
    assert "Not measured yet" in tables.small("shapes")


def test_a_measured_run_is_taken_in_without_the_machine_s_name(tables, measured):
    stats = {"median": 0.5, "min": 0.25, "data": [0.5]}
    extra = {"ratio_to_bare": 1.3, "batch": 8}
    bench = {"name": "test_cost[whole-resnet18-light]", "fullname": "x", "stats": stats, "extra_info": extra}
    measured({"machine_info": {"node": "secret", "cpu": {"brand_raw": "A"}}, "commit_info": {}, "benchmarks": [bench]})
    text = (tables.MEASURED / "benchmarks.json").read_text()
    assert "secret" not in text
    assert "ratio <= 1.20 **missed**" in tables.benchmarks()
    lime = {"name": "test_cost[lime]", "stats": stats, "extra_info": {"ratio": 2.0, "options": {"samples": 20}}}
    measured({"benchmarks": [lime]}, {"benchmarks": [bench | {"extra_info": {"ratio_to_bare": 1.1}}]})
    assert "ratio <= 1.20 |" in tables.benchmarks(), "it is replaced, and the other stays"
    assert "lime" not in tables.benchmarks()
    assert "| ratio 2, samples 20 |" in tables.benchmarks(explanations=True)


def birds(seed: int, **figures: float) -> dict[str, Any]:
    """What `antehoc reproduce birds --json` writes, shortened; without figures it reaches what is to be reached."""
    reached = {
        "accuracy": 0.81, "attribute_accuracy": 0.97, "all_zeros_accuracy": 0.92, "majority_accuracy": 0.94,
        "verdict_questioned_wrong_at_1506": 0.75, "msp_questioned_wrong_at_1506": 0.69,
        "verdict_auroc": 0.9, "msp_auroc": 0.88, "verdict_auroc_minus_msp": 0.02,
        "verdict_aurc": 0.045, "msp_aurc": 0.05,
        "ood_near_auroc": 0.8, "msp_ood_near_auroc": 0.79, "peer_ood_near_auroc": 0.81, "near_verdict_auroc": 0.9,
        "near_ood_left_out_auroc": 0.8, "near_msp_ood_left_out_auroc": 0.79, "near_peer_ood_left_out_auroc": 0.81,
        "verdict_questioned_correct_over_draws": 0.053,
        "verdict_questioned_correct_over_draws_standard_error": 0.0015,
    }  # fmt: skip
    return a_run(seed) | {
        "recipe": "birds", "figures": reached | figures, "published": {"accuracy": 0.8103},
        "intervals": {"verdict_auroc_minus_msp": [0.003, 0.04]},
        "peers": {"near": {"ViM": {"left_out": 0.81}, "KNN": {"left_out": 0.7}}},
        "studies": {"birds": {"leakage": {"images": 300, "follows_decided": 0.5 + seed / 10, "edits": []}}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("figures", "figure", "said"),
    [
        ({}, "verdict_questioned_wrong_at_1506", ">= 0.72 and >= `msp_questioned_wrong_at_1506` + 0.06"),
        ({"msp_auroc": 0.881}, "verdict_auroc", ">= `msp_auroc` + 0.02 **missed**"),
        ({}, "verdict_auroc_minus_msp_low", ">= 0"),
        ({"verdict_aurc": 0.0451}, "verdict_aurc", "<= 0.9 x `msp_aurc` **missed**"),
        (
            {"majority_accuracy": 0.98},
            "attribute_accuracy",
            ">= `all_zeros_accuracy` and >= `majority_accuracy` **missed**",
        ),
        ({}, "ood_near_auroc", ">= `msp_ood_near_auroc` and >= `peer_ood_near_auroc` **missed**"),
        ({}, "ood_far_auroc", ">= `msp_ood_far_auroc` and >= `peer_ood_far_auroc` **missed**"),  # nobody measured it
        (
            {},
            "verdict_questioned_correct_over_draws",
            "<= 2 x `verdict_questioned_correct_over_draws_standard_error` + 0.05",
        ),
    ],
)
def test_a_target_of_birds_may_hang_on_another_figure(tables, measured, figures, figure, said):
    measured(birds(0, **figures))
    assert row(tables.small("birds", tables.BIRDS), figure)[-1] == said


def test_birds_have_their_own_figures_and_the_readme_the_first_of_them(tables, measured):
    measured(birds(0), birds(1, accuracy=0.83))
    assert row(tables.small("birds"), "accuracy") == ["0.8103", "0.8200 (0.8100 to 0.8300)", ">= 0.8"]
    assert "`near_verdict_auroc`" not in tables.small("birds")
    assert "over_draws_standard_error`<br>" in tables.small("birds")
    assert "over_draws_standard_error`<br>" not in tables.small("birds", tables.BIRDS)
    assert "--seed 2 --json" in tables.small("birds")


def test_unknown_birds_stand_beside_the_best_peer_and_the_studies_below(tables, measured):
    measured(birds(0), birds(1))
    assert "| left out | - | 0.8000 | 0.7900 | 0.8100 | ViM |" in tables.unknown_birds()
    assert "| leakage, follows decided | 0.5500 (0.5000 to 0.6000) |" in tables.studied("birds")


def test_ways_to_train_stand_side_by_side(tables, measured):
    measured(birds(0), birds(1), birds(0, accuracy=0.7) | {"scale": "joint"})  # seed 1 has no partner
    assert row(tables.TABLES["birds-training"](), "accuracy") == ["0.8100", "0.7000"]
    assert "(seed 0)" in tables.TABLES["birds-training"]()
    assert "(seeds 0, 1)" not in tables.TABLES["birds-training"]()
    assert "--scale two-step --data CUB" in tables.TABLES["birds-training"]()


@pytest.mark.parametrize("name", ["birds-main", "birds-small", "birds-paper", "birds-unknown", "birds-training"])
def test_what_was_not_measured_of_birds_says_what_would(tables, measured, name):
    assert "antehoc reproduce birds " in tables.TABLES[name]()
    assert "--ood coco=PATH --seed 0 --json" in tables.TABLES[name]()


def triangles(seed: int, energy: float = 0.6, **figures: float) -> dict[str, Any]:
    """What `antehoc reproduce triangles --json` writes, shortened."""

    def explained(name: str, kind: str, value: float | None) -> dict[str, Any]:
        estimate = None if value is None else {"estimate": value, "interval": [value, value]}
        return {"name": name, "kind": kind, "values": {"energy": estimate}, "valid": 0.5, "forward": 2.0}

    table = {
        "measures": {"energy": {"direction": "higher"}},
        "rows": [explained("own mask", "own", energy), explained("lrp", "post hoc", None if seed else 0.3)],
    }
    reached = {
        "accuracy": 0.99, "plain_accuracy": 0.994, "energy": energy, "posthoc_energy": 0.3, "hybrid_energy": 0.8,
        "paper_energy": 0.04, "paper_verdict_auroc": 0.9, "verdict_auroc": 0.9, "msp_auroc": 0.9,
        "aopc_coarse_blur": 0.2, "posthoc_aopc_coarse_blur": 0.1,
    }  # fmt: skip
    return a_run(seed) | {
        "recipe": "triangles", "published": {}, "figures": reached | figures,
        "studies": {"triangles": {"compare": {"table": table, "own": {"energy": energy}}}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("figures", "figure", "said"),
    [
        ({}, "accuracy", ">= `plain_accuracy` - 0.005"),
        ({"accuracy": 0.9889}, "accuracy", ">= `plain_accuracy` - 0.005 **missed**"),
        ({}, "energy", ">= 0.5"),
        ({}, "compared_energy", ">= `posthoc_energy`"),
        ({"posthoc_energy": 0.7}, "compared_energy", ">= `posthoc_energy` **missed**"),
        ({"hybrid_energy": 0.5}, "hybrid_energy", ">= `energy` **missed**"),
    ],
)
def test_a_target_of_triangles_may_hang_on_another_figure(tables, measured, figures, figure, said):
    measured(triangles(0, **figures))
    assert row(tables.small("triangles"), figure)[-1] == said


def test_what_is_undefined_on_a_seed_is_not_missed_there(tables, measured):
    measured(triangles(0), triangles(1, verdict_auroc=None), triangles(2, verdict_auroc=0.89))
    said = row(tables.small("triangles"), "verdict_auroc")[-1]
    assert said == ">= `msp_auroc` **missed**"
    measured(triangles(0, verdict_auroc=0.92))
    said = row(tables.small("triangles"), "verdict_auroc")[-1]
    assert said == ">= `msp_auroc` (missed by seed 2; undefined on seed 1)"


def test_scales_stand_side_by_side_and_one_not_measured_says_what_would(tables, measured):
    measured(triangles(0), triangles(1, energy=0.8), triangles(0, energy=0.7) | {"scale": "small-full"})
    text = tables.TABLES["triangles-explainers"]()
    assert text.startswith("| figure | the recipe's light explainer (seed 0) | one of full size (seed 0) |")
    assert row(text, "energy") == ["0.6000", "0.7000"]
    assert "antehoc reproduce triangles --scale small-vgg --seed 0 --json" in tables.TABLES["triangles-classifiers"]()


def test_a_figure_of_a_variant_says_which(tables, measured):
    measured(triangles(0))
    assert "`paper_energy`<br>share of the map that lies on the object: the paper's loss and settings |" in (
        tables.small("triangles")
    )
    assert "`energy`<br>share of the map that lies on the object |" in tables.small("triangles")


def test_explanations_stand_on_one_table_as_means_of_what_is_defined(tables, measured):
    measured(triangles(0, energy=0.5), triangles(1, energy=0.7))
    assert "| own mask | own | 0.6000 | 0.5000 | 2.0000 |" in tables.compared()
    assert "| lrp | post hoc | 0.3000 | 0.5000 | 2.0000 |" in tables.compared()


def test_published_aopc_stands_beside_ours_of_the_same_share_of_the_side(tables, measured):
    row = {"kind": "post hoc", "valid": 1.0, "values": {}}
    rows = [
        row | {"name": "own mask", "kind": "own"}, row | {"name": "saliency"}, row | {"name": "lrp", "valid": 0.4},
        row | {"name": "occlusion"}, row | {"name": "random", "kind": "control"},
    ]  # fmt: skip
    for seed, best in ((0, 0.25), (1, 0.15)):
        means = {"own mask": 0.2 + seed / 10, "saliency": 0.2, "occlusion": best, "lrp": 0.9, "random": 0.8}
        grid = {kind: means for kind in GRID}
        content = {"model": "/somewhere/model", "data": "triangles", "seed": seed, "images": 8, "rows": rows}
        content["notes"] = ["all rows are measured on 5", "lrp: flat"][seed:]
        measured(content | {"aopc_grid": grid})
    assert "| blur | 1/7 | 0.340 | 0.350 | 0.217 | 0.2500 | 0.2250 | occlusion, saliency |" in tables.aopc()
    assert "Ours: 8 test scenes of seed 0 (all rows are measured on 5); 8 test scenes of seed 1. Made" in tables.aopc()
    assert "somewhere" not in (tables.MEASURED / "compare-triangles-seed0.json").read_text()


def test_shape_biases_come_with_their_intervals_and_the_variant_in_front(tables, measured):
    own = {
        "images": 40, "decided": 20, "shape_bias": 0.5, "interval": [0.3, 0.7],
        "accuracy_shape": 0.25, "accuracy_texture": 0.25,
    }  # fmt: skip
    none = own | {"decided": 0, "shape_bias": None, "interval": None}
    studies = {
        "cue-conflict": {"shape_bias": {"rows": {"shape_bias": own}}},
        "plain": {"x": {"rows": {"shape_bias": none}}},
    }
    measured(a_run(0) | {"recipe": "cue-conflict", "published": {}, "studies": studies})
    assert row(tables.biases(), "shape_bias") == ["0", "40", "20", "0.5000", "0.3000 to 0.7000", "0.2500", "0.2500"]
    assert row(tables.biases(), "plain_shape_bias")[:5] == ["0", "40", "0", "-", ""]
    everywhere = {"cue-conflict": {"x": {"rows": {"shape_bias": own, "shape_bias_all": own}}}}
    for seed in (0, 1):
        measured(a_run(seed) | {"recipe": "cue-conflict", "published": {}, "studies": everywhere})
    found = [line.split("|")[1:3] for line in tables.biases().splitlines()[2:]]
    assert [[cell.strip() for cell in cells] for cells in found] == [
        ["`shape_bias_all`", "0"], ["`shape_bias`", "0"], ["`shape_bias`", "1"],
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["triangles-main", "triangles-small", "triangles-compare", "triangles-aopc"])
def test_what_was_not_measured_of_triangles_says_what_would(tables, measured, name):
    assert "antehoc reproduce triangles --seed 2 --json" in tables.TABLES[name]()


@pytest.mark.parametrize("name", ["cue-conflict-small", "cue-conflict-bias"])
def test_what_was_not_measured_of_cue_conflicts_says_what_would(tables, measured, name):
    assert "antehoc reproduce cue-conflict --data CUE --weights FILE --seed 2 --json" in tables.TABLES[name]()


def test_the_check_finds_a_table_that_is_out_of_date(tables, tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    page.write_text("# Page\n<!-- table: metrics -->\nold\n<!-- end -->\nend\n")
    monkeypatch.setattr(tables, "files", lambda: [page])
    monkeypatch.setattr(tables, "HERE", tmp_path / "docs")
    assert tables.main(["--check"]) == 1
    assert "old" in page.read_text()
    assert tables.main([]) == 0
    assert "`auroc`" in page.read_text()
    assert page.read_text().endswith("<!-- end -->\nend\n")
    assert tables.main(["--check"]) == 0
    page.write_text("<!-- table: metrix -->\n<!-- end -->")
    with pytest.raises(SystemExit, match="no table is called 'metrix'"):
        tables.main([])
    assert capsys.readouterr().out


def test_every_key_of_a_recipe_says_what_it_is(tables):
    silent = [line for line in tables.recipe_keys().splitlines() if re.fullmatch(r"\| `\w+` .*\|  \|", line)]
    assert silent == []
