"""Whatever is wrong in a recipe is said in a sentence before anything is trained."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from antehoc.data import Source, Tensors
from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import DataError
from antehoc.recipe import build_recipe, variant
from antehoc.runs.checks import check_run, check_same_data
from antehoc.runs.studied import study_options
from antehoc.types import DataSpec
from damaged import damaged, said

VALUES: dict[str, Any] = {
    "data": {"name": "shapes", "side": 32, "train": 80, "validation": 20, "calibration": 100, "test": 20},
    "phases": [{"train": ["main"], "epochs": 1, "keep": "best", "monitor": "accuracy", "weights": {"label": 1.0}}],
    "verdict": {"alpha": 0.05, "doubts": ["margin", "distance"], "late": ["margin"], "folds": 2},
    "unknown": {"kinds": ["noise", "star"], "count": 10, "only": {"a": ["*.png"]}, "means": {"far": ["noise"]}},
    "operating_points": [0.1],
    "studies": {"compare": {"count": 4}},
    "published": {"accuracy": 0.99, "verdict_auroc": None},
    "targets": {"accuracy": ">= 0.9"},
    "variants": {"wide": {"system": {"look_again": False}}},
    "aliases": {"a": "accuracy"},
}
RESNET = {"name": "resnet18", "options": {"channels": [8, 8, 16, 16], "stem_width": 8}}
SYSTEMS = {
    "mirror": {"name": "mirror", "backbone": {"name": "tiny", "batch_norm": "auto"}, "mirror": {"kind": "light"}},
    "vgg": {
        "name": "joint",
        "backbone": {"name": "vgg", "options": {"filters": [4, 8], "norm": True}},
        "gating": {"at": "image", "kind": "hard", "hidden": 0.5},
        "explainer": {"name": "unet", "filters": [4, 8]},
        "budget": [0.1, 0.5],
        "losses": ["label", "area", "budget"],
        "distance": {"covariance": "shared", "shrinkage": 0.1},
    },
    "resnet": {"name": "joint", "backbone": RESNET, "gating": {"at": "blocks"}, "explainer": {"filters": [4, 8]}},
}


def recipe(system: str) -> dict[str, Any]:
    part = "main" if system == "mirror" else "classifier"
    phases = [{**VALUES["phases"][0], "train": [part]}]
    return {
        **VALUES,
        "system": SYSTEMS[system],
        "phases": phases,
        "variants": {} if system == "mirror" else VALUES["variants"],
    }


def check(values: Any) -> None:
    """All that is asked of a recipe before it trains."""
    parsed = build_recipe(values, "mine.yaml")
    study_options(parsed, "mine.yaml")
    for name in parsed.variants:
        variant(values, name, "mine.yaml")
    check_run(parsed, source(repr(parsed.data), lambda: parsed.source("mine.yaml", 0)), "mine.yaml", 0, ood={})


KNOWN: dict[str, Source] = {}


def source(key: str, make: Any) -> Source:
    """The data, drawn once."""
    if key not in KNOWN:
        KNOWN[key] = make()
    return KNOWN[key]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_recipes_that_are_damaged_below_are_good(system):
    assert said(lambda: check(recipe(system))) is None


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@settings(max_examples=150)
@given(st.sampled_from(sorted(SYSTEMS)).flatmap(lambda name: damaged(recipe(name))))
def test_a_recipe_with_one_thing_wrong_is_refused_in_a_sentence_or_is_good(values):
    said(lambda: check(values))


def test_groups_are_part_of_the_data_that_a_run_began_with(tmp_path):
    images = Tensors(torch.zeros(4, 1, 2, 2, dtype=torch.uint8))
    images.groups = ("a", "a", "b", "")
    source = Source(DataSpec(("one", "other"), 1, 2, 2), {"train": images}, Preprocessing(1, 2, 2))
    check_same_data(tmp_path, source, "here")
    check_same_data(tmp_path, source, "here")
    images.groups = ("a", "b", "b", "")
    with pytest.raises(DataError, match=r"here: the data are not those that the run in .* began with"):
        check_same_data(tmp_path, source, "here")
