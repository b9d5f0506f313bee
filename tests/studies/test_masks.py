"""Studies of masks: where planted masks lie, and the whole of recipe `triangles` on a few scenes."""

import json

import pytest
import torch
import yaml
from antehoc.masks import costs, outline, placed

from antehoc.cli import main
from antehoc.data import Preprocessing, Tensors
from antehoc.errors import DataError
from antehoc.model import Model
from antehoc.recipe import read_recipe, variant
from antehoc.systems import Joint
from antehoc.types import DataSpec

SPEC = DataSpec(("nothing", "fox"), 1, 16, 16, absent="nothing")


def square():
    mask = torch.zeros(4, 1, 16, 16)
    mask[1::2, :, 4:8, 4:8] = 1  # every second image holds an object of 16 pixels
    return mask


def examples(masks=True):
    image = torch.randint(0, 255, (4, 1, 16, 16), dtype=torch.uint8)
    return Tensors(image, torch.tensor([0, 1, 0, 1]), masks=(square() * 255).to(torch.uint8) if masks else None)


def showing(mask):
    """A model whose masks are planted, image by image."""
    system = Joint(SPEC, classifier="tiny", filters=(4, 8)).eval()
    system.explainer = torch.nn.Module()
    system.explainer.forward = lambda image: mask[: len(image)]
    return Model(system, {"name": "joint", "classifier": "tiny"}, Preprocessing(1, 16, 16))


def test_the_perfect_mask_is_perfect():
    found = placed(showing(square()), examples(), examples())
    assert (found.pointing, found.iou, found.iou_half, found.coverage, found.pompom) == (1, 1, 1, 1, 0)
    assert found.energy == pytest.approx(1)
    assert found.object_share == 16 / 256
    assert (found.mask_area, found.mask_area_absent) == (16 / 256, 0)
    assert found.images == 2


def test_a_mask_that_shows_all_has_the_objects_share():
    found = placed(showing(torch.ones(4, 1, 16, 16)), examples(), examples())
    assert found.energy == pytest.approx(found.object_share)
    assert found.iou_half == pytest.approx(found.object_share)
    assert found.pompom == pytest.approx(1, abs=1e-6)


def test_a_mask_elsewhere_misses():
    found = placed(showing(square().flip(3)), examples(), examples())
    assert (found.pointing, found.energy, found.iou_half) == (0, 0, 0)
    assert found.box_iou == pytest.approx(4 / 28), "a box of the object's size in the middle touches its corner"


def test_a_figure_lies_in_its_interval_and_where_all_images_agree_the_interval_is_a_point():
    mask = square()
    mask[1] = mask[1].flip(2)  # one of the two masks on objects lies elsewhere
    found = placed(showing(mask), examples(), examples(), seed=1)
    assert found.intervals()["pointing"] == (0, 1)
    for name, (low, high) in found.intervals().items():
        assert low <= found.figures()[name] <= high, name
    assert placed(showing(square()), examples(), examples()).intervals()["iou"] == (1, 1)


def test_the_band_runs_along_the_outline():
    band = outline(square()[1:2] > 0.5)
    assert band[0, 0, 4, 4]
    assert band[0, 0, 3, 3]
    assert not band[0, 0, 5:7, 5:7].any()
    assert not band[0, 0, 10:].any()
    assert band.sum() == 36 - 4


def test_data_without_object_masks_are_refused():
    with pytest.raises(DataError, match="object masks"):
        placed(showing(square()), examples(masks=False), examples(masks=False))


def test_explaining_costs_time_and_less_so_the_lighter():
    found = costs(images=1, rounds=1)
    assert found.seconds_bare > 0
    assert found.cost_ratio_paper > found.cost_ratio_light > 0
    assert set(found.figures()) == {"cost_ratio_paper", "cost_ratio_half", "cost_ratio_light"}


def test_every_variant_of_the_recipe_can_be_read():
    others = {"small-vgg": {"plain", "hybrid"}, "small-resnet18": {"plain", "hybrid"}, "small-full": set()}
    for scale in ("small", "paper", "paper-vgg", *others):
        recipe, values = read_recipe("triangles", scale=scale)
        if scale in others:
            assert set(recipe.variants) == others[scale]
        else:
            assert {"plain", "hybrid", "cue", "paper", "lambda_none"} <= set(recipe.variants)
        for name in recipe.variants:
            variant(values, name, "triangles")


def test_the_whole_recipe_on_a_few_scenes(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("antehoc.runs", fromlist=["_STUDIED"])._STUDIED, "compare", 2)
    _, values = read_recipe("triangles")
    kept = {name: values["variants"][name] for name in ("hybrid", "plain")}
    for phases in (values["phases"], *(own["phases"] for own in kept.values())):
        for phase in phases:
            phase |= {"epochs": 1, "batch_size": 16}
    values |= {
        "data": values["data"] | {"size": 32, "radius": [4.0, 7.0], "train": 64, "validation": 16, "calibration": 80,
                                  "test": 24},
        "variants": kept, "studies": ["masks"], "unknown": {"kinds": ["noise"], "count": 8},
        "verdict": {"doubts": ["entropy", "whole"], "alpha": 0.2},
    }  # fmt: skip
    values["system"] |= {"classifier": "tiny", "filters": [4, 8]}
    recipe = tmp_path / "few.yaml"
    recipe.write_text(yaml.safe_dump(values))
    found = tmp_path / "found.json"
    assert main(["reproduce", str(recipe), "--out", str(tmp_path / "run"), "--json", str(found), "--quiet"]) == 0
    figures = json.loads(found.read_text())["figures"]
    assert {"accuracy", "plain_accuracy", "pointing", "hybrid_iou", "mask_area", "ood_noise_auroc"} <= set(figures)
    assert not (tmp_path / "run" / "hybrid" / "phase-0").exists(), "what the recipe itself trained is not trained again"
    assert (tmp_path / "run" / "hybrid" / "phase-1").exists()
