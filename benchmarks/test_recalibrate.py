"""`antehoc recalibrate` for `shapes` on images with hard edges: what is questioned before and after. Minutes a seed."""

import math
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from antehoc.data.drawn import draw
from antehoc.data.labelled import labelled_images
from antehoc.data.sets.shapes import CLASSES
from antehoc.evaluation import Scored, score
from antehoc.model import Model
from antehoc.runs.recalibrate import recalibrate
from antehoc.runs.train import train
from antehoc.studies.repeated_calibration import repeated_calibration

IMAGES, OTHERS = 500, 1000  # to recalibrate on, and to measure on
SERIES = 1000  # seeds of the drawings, apart from those of the trained models


def hard_edged(folder: Path, seed: int, start: int, count: int) -> Path:
    """Class folders of drawn images."""
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        images = draw(name, seed=seed, start=start, count=count // len(CLASSES), edges="hard").image
        for number, image in enumerate(images):
            Image.fromarray(image).save(folder / name / f"{number}.png")
    return folder


def questioned(model: Model, scored: Scored) -> dict[str, float]:
    """The shares of correct and of wrong decisions that are questioned."""
    assert model.policy is not None
    found = (model.policy.score(scored.doubts) > model.policy.thresholds(scored.about)).double()
    return {"correct": float(found[~scored.wrong].mean()), "wrong": float(found[scored.wrong].mean())}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_recalibrate_shapes(benchmark: Any, tmp_path: Path, seed: int) -> None:
    model = train("shapes", seed=seed, out=tmp_path / "run")
    assert model.policy is not None
    alpha = model.policy.asked_alpha
    own = hard_edged(tmp_path / "own", SERIES + seed, 0, IMAGES)
    others = hard_edged(tmp_path / "others", SERIES + seed, IMAGES, OTHERS)
    results = []
    benchmark.pedantic(lambda: results.append(recalibrate(model, own, alpha=alpha)), rounds=3)
    again = results[-1]
    scored = score(model.system, labelled_images(others, model.spec, model.preprocessing).examples)
    before, after = questioned(model, scored), questioned(again.model, scored)
    correct = int((~scored.wrong).sum())
    draws = repeated_calibration(
        again.policy, scored.doubts, scored.wrong, rows=IMAGES, alpha=alpha, draws=200, seed=seed
    )
    benchmark.extra_info |= {
        "accuracy": correct / OTHERS,
        "alpha": alpha,
        "questioned_correct_before": before["correct"],
        "questioned_correct": after["correct"],
        "standard_error": math.sqrt(after["correct"] * (1 - after["correct"]) / correct),
        "questioned_wrong_before": before["wrong"],
        "questioned_wrong": after["wrong"],
        "questioned_correct_over_draws": draws.questioned_correct,
        "differs_most": again.shift.doubt if again.shift else "-",
        "statistic": again.shift.statistic if again.shift else math.nan,
        "p_value": again.shift.p_value if again.shift else math.nan,
    }
