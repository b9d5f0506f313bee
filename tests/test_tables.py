"""The tables of the documentation are up to date, and on made-up runs they say what they should."""

import importlib
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from antehoc.comparison import GRID

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    """The generator of the tables, which is no part of the package."""
    sys.path.insert(0, str(DOCS))
    try:
        return importlib.import_module("tables")
    finally:
        sys.path.remove(str(DOCS))


def test_every_table_is_up_to_date(tables, capsys):
    assert tables.main(["--check"]) == 0, capsys.readouterr().out


def a_run(seed: int, **figures: float | None) -> dict[str, Any]:
    """What `antehoc reproduce shapes --json` writes, with these figures over ones that reach everything."""
    reached = {"accuracy": 0.996, "verdict_auroc": 0.99, "msp_auroc": 0.98, "ood_noise_questioned": 1.0}
    return {
        "recipe": "shapes", "scale": "small", "seed": seed, "seconds": 100.0 + seed, "figures": reached | figures,
        "meanings": {}, "published": {"accuracy": 0.991}, "intervals": {}, "notes": [], "parts": {},
        "environment": {"torch": "2", "python": "3", "machine": "a", "threads": "2"},
    }  # fmt: skip


@pytest.fixture
def measured(tables, tmp_path, monkeypatch):
    """Takes runs into a folder of measured runs that is not the repository's."""
    (tmp_path / "measured").mkdir()
    monkeypatch.setattr("tabled.measured.MEASURED", tmp_path / "measured")

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
    assert row(tables.small("shapes"), "seconds") == ["", "101 (100 to 102)", "<= 120"]
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


def test_a_measured_run_is_taken_in_without_the_machine_s_name(tables, measured, tmp_path):
    stats = {"median": 0.5, "min": 0.25, "data": [0.5]}
    extra = {"ratio_to_bare": 1.3, "batch": 8}
    bench = {"name": "test_cost[whole-resnet18-light]", "fullname": "x", "stats": stats, "extra_info": extra}
    measured({"machine_info": {"node": "secret", "cpu": {"brand_raw": "A"}}, "commit_info": {}, "benchmarks": [bench]})
    text = (tmp_path / "measured" / "benchmarks.json").read_text()
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
def test_a_target_of_birds_may_depend_on_another_figure(tables, measured, figures, figure, said):
    measured(birds(0, **figures))
    assert row(tables.small("birds", tables.BIRDS), figure)[-1] == said


def test_birds_have_their_own_figures_and_the_readme_the_first_of_them(tables, measured):
    measured(birds(0), birds(1, accuracy=0.83))
    assert row(tables.small("birds"), "accuracy") == ["0.8103", "0.8200 (0.8100 to 0.8300)", ">= 0.8"]
    assert "`near_verdict_auroc`" not in tables.small("birds")
    assert "over_draws_standard_error` |" in tables.small("birds")
    assert "over_draws_standard_error` |" not in tables.small("birds", tables.BIRDS)
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
        "recipe": "triangles", "published": {}, "figures": reached | {"compared_energy": energy} | figures,
        "meanings": {"energy": "share of the map that lies on the object"},
        "studies": {"triangles": {"compare": {"table": table}}},
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
def test_a_target_of_triangles_may_depend_on_another_figure(tables, measured, figures, figure, said):
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


def test_published_aopc_stands_beside_ours_of_the_same_share_of_the_side(tables, measured, tmp_path):
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
    assert "somewhere" not in (tmp_path / "measured" / "compare-triangles-seed0.json").read_text()


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


def test_every_group_of_a_system_s_arguments_has_a_table_with_what_it_inherits(tables):
    keys = tables.recipe_keys()
    _, _, after = keys.partition("#### `distance` of `mirror`")
    own = after.partition("####")[0].partition("### ")[0]
    assert [line.split("|")[1].strip() for line in own.splitlines() if line.startswith("| `")] == [
        "`covariance`", "`shrinkage`", "`of`"
    ]  # fmt: skip
    for group in ("backbone", "gating", "explainer", "distance"):
        assert f"#### `{group}` of `joint`" in keys
    assert all(f"`studies: {{{name}: ...}}`" in keys for name in ("leakage", "compare", "cost"))


def test_the_page_on_extending_shows_the_files_that_the_tests_run(tables, monkeypatch, tmp_path):
    page = (tables.HERE / "howto/extend.md").read_text()
    extend = tables.HERE.parent / "tests/extend"
    for name in ("channels", "recall", "flatness", "squares"):
        assert (extend / f"{name}.py").read_text() in page
    assert tables.registered().count("patch.setitem(") == 4
    assert "system: {name: channels}" in tables.recipe()
