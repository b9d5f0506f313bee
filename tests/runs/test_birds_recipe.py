"""The whole of recipe `birds` on drawn birds: folds, the variant of unknown species, peers, studies, resume."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from antehoc.figure import values
from antehoc.recipe import read_recipe
from antehoc.runs import folds, phases
from antehoc.runs.job import Job
from antehoc.runs.reproduce import reproduce
from antehoc.training.loop import Runner

NAMES = ("Red_Finch", "Green_Finch", "Blue_Finch", "Red_Gull", "Green_Gull", "Blue_Gull")
COLOURS = ((200, 40, 40), (40, 180, 40), (60, 60, 210))
ATTRIBUTES = (
    *("has_wing_color::red", "has_wing_color::green", "has_wing_color::blue"),
    *("has_size::small", "has_size::large"),
)
TRAIN, TEST, SIDE = 30, 12, 40


def table(*rows: object) -> str:
    return "".join(f"{' '.join(map(str, row))}\n" for row in rows)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def birds(tmp_path_factory) -> Path:
    """Six species in the layout of CUB-200-2011: three colors, two sizes, on grounds of any color."""
    top, draw = tmp_path_factory.mktemp("cub") / "CUB_200_2011", np.random.default_rng(0)
    species = [f"{number:03}.{name}" for number, name in enumerate(NAMES, 1)]
    images, labels, splits, boxes, parts = [], [], [], [], []
    for number in range(len(NAMES)):
        (top / "images" / species[number]).mkdir(parents=True)
        for place in range(TRAIN + TEST):
            picture = Image.new("RGB", (SIDE + 8, SIDE), tuple(int(c) for c in draw.integers(90, 170, 3)))
            radius, x, y = (5 if number < 3 else 9), *(int(c) for c in draw.integers(12, SIDE - 12, 2))
            color = tuple(int(c) for c in np.clip(np.array(COLOURS[number % 3]) + draw.integers(-60, 60, 3), 0, 255))
            box = (x - radius, y - radius, x + radius, y + radius)
            ImageDraw.Draw(picture).ellipse(box, fill=color)
            key = 1 + len(images)
            name = f"{species[number]}/{key}.jpg"
            picture.save(top / "images" / name, "PNG")
            images.append((key, name))
            labels.append((key, number + 1))
            splits.append((key, int(place < TRAIN)))
            boxes.append((key, *box[:2], 2 * radius, 2 * radius))
            parts.append((key, 1, x, y, 1))
    percent = np.zeros((200, len(ATTRIBUTES)))
    for number in range(len(NAMES)):
        percent[number, [number % 3, 3 + number // 3]] = 100
    (top / "parts").mkdir()
    (top / "attributes").mkdir()
    for name, text in {
        "images.txt": table(*images),
        "classes.txt": table(*enumerate(species, 1)),
        "image_class_labels.txt": table(*labels),
        "train_test_split.txt": table(*splits),
        "bounding_boxes.txt": table(*boxes),
        "parts/parts.txt": "1 left wing\n",
        "parts/part_locs.txt": table(*parts),
        "attributes/attributes.txt": table(*enumerate(ATTRIBUTES, 1)),
        "attributes/class_attribute_labels_continuous.txt": table(*percent),
    }.items():
        (top / name).write_text(text)
    return top


@pytest.fixture(scope="module")
def overrides(birds) -> list[str]:
    phase = (
        "{train: [main, mirror], epochs: 6, batch_size: 8, optimizer: adamw, learning_rate: 0.01, augment: crops, "
        "views: 2, cache: disk}"
    )
    return [
        *(f"data.path={birds}", "data.size=32", "data.resize=null", "data.calibration=0.4"),
        "system.backbone={replace: true, name: small, frozen_stages: 1}",
        *(f"phases=[{phase}]", "unknown.count=20", "draws=10", "operating_points=[0.2]"),
        *("unknown.exclude={far: ['*Blue*']}", "variants.near.data.leave_out=['002', '005']"),
    ]


@pytest.fixture(scope="module")
def found(overrides, birds, tmp_path_factory):
    pytest.importorskip("pytorch_ood", reason="the peers need the extra `ood`")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANTEHOC_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield run(overrides, birds, tmp_path_factory.mktemp("birds") / "run")


def run(overrides, birds, out, **how):
    return reproduce("birds", out=out, ood={"far": birds / "images"}, overrides=overrides, runner=Runner("cpu"), **how)


def test_every_figure_of_the_recipe_is_there(found):
    figures = values(found.figures)
    for name in ("ood_near_auroc", "ood_far_auroc", "ood_noise_auroc", "ood_blurred_auroc"):
        assert 0 <= figures[name] <= 1
    for name in ("near", "far"):
        assert {f"msp_ood_{name}_auroc", f"peer_ood_{name}_auroc"} <= set(figures)
    assert figures["accuracy"] > 0.5, "chance is 0.17"
    assert {"verdict_questioned_wrong_at_2", "msp_questioned_wrong_at_2", "attribute_group_accuracy"} <= set(figures)
    assert figures["attribute_map"] > 0.6, "two in five attributes are present"
    assert figures["near_twins_across_roles"] == 0


def test_what_is_left_out_is_unknown_in_the_variant_alone(found):
    near = found.evaluations["near"]
    assert [row[:2] for row in near.sets.rows] == [("left out", str(2 * TEST))]
    assert len(found.models["near"].spec.classes) == 4
    assert "left out" not in {row[0] for row in found.evaluations["birds"].sets.rows}


def test_patterns_leave_files_of_a_named_set_out(found):
    (images,) = [row[1] for row in found.evaluations["birds"].sets.rows if row[0] == "far"]
    assert images == str(4 * (TRAIN + TEST)), "two of six species are blue"


def test_the_score_is_fitted_on_folds_and_the_threshold_on_all_calibration_rows(found):
    policy = found.models["birds"].policy
    train, calibration = (TRAIN - 12) * 6, 12 * 6
    assert policy.fit_rows == train
    assert policy.threshold_rows <= calibration
    assert policy.threshold_rows > calibration / 2


def test_studies_and_peers_go_into_the_summary_as_plain_values(found):
    summary = json.loads(json.dumps(found.summary()))
    assert set(summary["studies"]["birds"]) == {"leakage", "background", "repeated_calibration"}
    assert set(summary["peers"]) == {"birds", "near"}
    assert summary["figures"]["verdict_questioned_correct_over_draws"] is not None


def test_a_finished_run_can_be_resumed(found, overrides, birds):
    again = run(overrides, birds, found.folder, resume=True)
    assert again.figures == found.figures


def test_no_image_is_scored_by_a_network_that_it_trained(overrides, tmp_path, monkeypatch):
    recipe, _ = read_recipe("birds", overrides=overrides)
    source = recipe.source("birds", 0)
    trained, scored = [], []

    def run_phase(system, phase, roles, part, **_):
        trained.append(set(roles["train"].names(range(len(roles["train"])))))
        return []

    def score(system, examples):
        scored.append(set(examples.names(range(len(examples)))))
        return found_by(system, examples)

    found_by = folds.score
    monkeypatch.setattr(phases, "run_phase", run_phase)
    monkeypatch.setattr(folds, "score", score)
    uncached = tuple(replace(phase, cache=False) for phase in recipe.phases)
    rows = folds.out_of_fold(replace(recipe, phases=uncached), source, Job("birds", tmp_path, 0))
    everything = source.roles["train"].names(range(len(source.roles["train"])))
    assert len(rows.label) == len(everything) == sum(map(len, scored))
    assert set().union(*scored) == set(everything)
    for own, held in zip(trained, scored, strict=True):
        assert not own & held
        assert own | held == set(everything)


def test_folds_share_out_each_class_evenly():
    labels = torch.arange(5).repeat_interleave(torch.tensor([7, 3, 9, 1, 4]))
    fold = folds.shared_out(labels, 3, seed=5)
    assert fold.bincount().tolist() == [8, 8, 8]
    for label in range(5):
        counts = fold[labels == label].bincount(minlength=3)
        assert counts.max() - counts.min() <= 1
    assert not fold.equal(folds.shared_out(labels, 3, seed=6))
