"""What a run says of its data before it trains."""

import logging

import pytest

from antehoc.calibration import least_alpha, least_rows
from antehoc.recipe import read_recipe
from antehoc.runs.sources import load_source

DATA = "data={{name: shapes, side: 32, train: 40, validation: 20, calibration: {}, test: 40}}"


def said(tiny_run, caplog, calibration, *overrides):
    """The level and the sentence of what is logged about alpha."""
    recipe, _ = read_recipe(str(tiny_run.recipe), overrides=[DATA.format(calibration), *overrides])
    with caplog.at_level(logging.INFO, "antehoc"):
        load_source(recipe, "tiny", 0)
    (record,) = [record for record in caplog.records if record.getMessage().startswith("verdict: alpha")]
    return record.levelname, record.getMessage()


def test_enough_images_are_said_to_be_enough(tiny_run, caplog):
    assert said(tiny_run, caplog, 100) == (
        "INFO",
        "verdict: alpha 0.05 needs 19 correct decisions, and one half of the 100 calibration images, 50, can set the "
        "threshold.",
    )


def test_too_few_images_are_warned_of_with_what_to_change(tiny_run, caplog):
    assert said(tiny_run, caplog, 100, "verdict.alpha=0.01") == (
        "WARNING",
        "verdict: alpha 0.01 needs 99 correct decisions, and one half of the 100 calibration images, 50, can set the "
        "threshold: too few. The smallest alpha that they can keep is 0.02; set verdict.alpha to it or more, use "
        "verdict.folds, or give more calibration images.",
    )


@pytest.mark.parametrize(
    ("overrides", "level", "words"),
    [
        (["verdict.folds=2"], "INFO", "needs 99 correct decisions, and the 100 calibration images can set"),
        (["verdict.method=margin"], "INFO", "the 100 calibration images can set the threshold."),
        (["verdict.folds=2", "verdict.alpha=0.005"], "WARNING", "use verdict.threshold: cross, or give more"),
        (["verdict.folds=2", "verdict.alpha=0.002", "verdict.threshold=cross"], "WARNING", "keep is 0.008; set"),
        (["verdict.folds=2", "verdict.alpha=0.008", "verdict.threshold=cross"], "INFO", "the 140 training and"),
        (["verdict.folds=2", "verdict.guarantee=binomial"], "WARNING", "alpha 0.01 needs 299 correct decisions"),
    ],
)
def test_what_sets_the_threshold_is_what_is_counted(tiny_run, caplog, overrides, level, words):
    found = said(tiny_run, caplog, 100, "verdict.alpha=0.01", *overrides)
    assert found[0] == level
    assert words in found[1]


def test_few_calibration_images_are_enough_where_training_images_set_the_threshold_too(tiny_run, caplog):
    assert said(tiny_run, caplog, 10, "verdict.folds=2", "verdict.threshold=cross")[0] == "INFO"


@pytest.mark.parametrize("guarantee", ["expected", "binomial"])
def test_the_smallest_alpha_needs_just_these_rows(guarantee):
    for rows in (1, 18, 19, 99, 300):
        alpha = least_alpha(rows, guarantee)
        assert least_rows(alpha * (1 + 1e-9), guarantee) <= rows < least_rows(alpha * (1 - 1e-6), guarantee)
