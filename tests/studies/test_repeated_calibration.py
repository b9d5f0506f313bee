"""The guarantee of a threshold over many calibration sets, each draw by hand."""

import dataclasses

import numpy as np
import pytest
import torch

from antehoc.blocks import Histogram
from antehoc.calibration import Policy
from antehoc.data import Source
from antehoc.errors import DataError, RecipeError
from antehoc.evaluation import Scored, score
from antehoc.figure import value_of
from antehoc.seeds import mix
from antehoc.studies import STUDIES
from antehoc.studies.repeated_calibration import MEANING, RepeatedCalibration, of_scored, repeated_calibration
from studies.wired import POLICY, SIZE, SPEC, codes, decide_by, files, first_pixel, said, tables, wired

FOUND = RepeatedCalibration(3, 100, 0.05, 400, 40, 0.0444, 0.002, 0.009, 0.03, 0.06, 0.6, (0.03, 0.0432, 0.06))


def test_the_promise_holds_over_draws_and_each_draw_is_what_it_says():
    generator = torch.Generator().manual_seed(0)
    doubt, wrong = torch.rand(500, generator=generator), torch.arange(500) >= 420
    doubt[wrong] += 0.5
    found = repeated_calibration(POLICY, {"doubt": doubt}, wrong, rows=150, alpha=0.1, seed=3)
    assert (found.draws, found.rows, found.correct, found.wrong, found.alpha) == (100, 150, 420, 80, 0.1)
    # of n correct calibration rows the threshold is the ceil((n + 1) * .9)-th, so n + 1 less that lie above, of n + 1
    assert 0.085 < found.questioned_correct < 0.1 + 2 * found.standard_error
    assert found.questioned_wrong == pytest.approx(0.6, abs=0.1)
    order = torch.randperm(500, generator=torch.Generator().manual_seed(3))
    own, rest = order[:150], order[150:]
    correct = np.sort(doubt[own][~wrong[own]].numpy())
    threshold = correct[int(np.ceil((len(correct) + 1) * 0.9 - 1e-9)) - 1]
    assert found.each[0] == pytest.approx(np.mean(doubt[rest][~wrong[rest]].numpy() > threshold))
    assert (found.least, found.most) == (min(found.each), max(found.each))
    assert found.questioned_correct == pytest.approx(np.mean(found.each))
    assert found.standard_error == pytest.approx(np.std(found.each, ddof=1) / 10)
    share = found.questioned_correct
    assert found.pool_standard_error == pytest.approx((share * (1 - share) / 420) ** 0.5)
    assert found.pool_standard_error > found.standard_error


def test_a_promise_that_too_few_rows_cannot_keep_is_told():
    doubt, wrong = torch.arange(50.0), torch.zeros(50, dtype=torch.bool)
    found = repeated_calibration(POLICY, {"doubt": doubt}, wrong, rows=9, alpha=0.01, draws=5, seed=0)
    assert found.alpha == pytest.approx(0.1)
    assert found.questioned_wrong is None
    with pytest.raises(DataError, match="more images with correct decisions than the rows"):
        repeated_calibration(POLICY, {"doubt": doubt}, doubt > 8, rows=9, alpha=0.1, seed=0)


def test_it_draws_from_the_calibration_and_test_images_of_a_source(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    decided = np.where(rng.random(60) < 0.8, labels, (labels + 1) % 3)
    test = files(tmp_path, codes(decided, rng.integers(0, 255, 60), rng.integers(0, 255, 60)), labels.tolist())
    policy = Policy("softmax", ("softmax",), (), (1.0,), 0.0, 0.4, 0.4, "expected", 0, 0, 0)
    model = wired(decide_by(0, sure=1.0), first_pixel, policy=policy)
    roles = {"calibration": test.select(range(20)), "test": test.select(range(20, 60))}
    found = STUDIES["repeated_calibration"](model, Source(SPEC, roles, SIZE), seed=4, draws=6)
    scored = score(model.system, test)
    by_hand = repeated_calibration(policy, scored.doubts, scored.wrong, rows=20, alpha=0.4, draws=6, seed=mix(4, 5))
    assert found == by_hand
    with pytest.raises(RecipeError, match="calibrated"):
        of_scored(wired(decide_by(0), first_pixel), scored, scored, seed=0)


def test_thresholds_of_classes_are_set_again_in_each_draw():
    generator = torch.Generator().manual_seed(0)
    about = torch.arange(400) % 2
    doubt = torch.rand(400, generator=generator) + 10 * about  # the second class doubts more than the first
    wrong = torch.rand(400, generator=generator) < 0.2
    policy = dataclasses.replace(POLICY, class_thresholds=(0.0, None))
    found = repeated_calibration(policy, {"doubt": doubt}, wrong, rows=200, alpha=0.1, about=about, draws=3, seed=3)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(3))
    own, rest = order[:200], order[200:]
    questioned = torch.zeros(400, dtype=torch.bool)
    for label in (0, 1):
        correct = np.sort(doubt[own][~wrong[own] & (about[own] == label)].numpy())
        questioned |= (about == label) & (doubt > correct[int(np.ceil((len(correct) + 1) * 0.9 - 1e-9)) - 1])
    assert found.each[0] == pytest.approx(float(questioned[rest][~wrong[rest]].float().mean()))
    assert found.per_class
    assert "Each class has a threshold of its own" in said(found.blocks())
    assert "Each class has a threshold of its own" not in said(FOUND.blocks())


def test_images_are_drawn_with_all_their_labels():
    generator = torch.Generator().manual_seed(0)
    doubt, wrong = torch.rand(100, 3, generator=generator), torch.rand(100, 3, generator=generator) < 0.2
    found = repeated_calibration(POLICY, {"doubt": doubt}, wrong, rows=40, alpha=0.1, draws=4, seed=3)
    assert (found.rows, found.correct, found.wrong) == (40, int((~wrong).sum()), int(wrong.sum()))
    order = torch.randperm(100, generator=torch.Generator().manual_seed(3))
    own, rest = order[:40], order[40:]
    correct = np.sort(doubt[own][~wrong[own]].numpy())
    threshold = correct[int(np.ceil((len(correct) + 1) * 0.9 - 1e-9)) - 1]
    assert found.each[0] == pytest.approx(np.mean(doubt[rest][~wrong[rest]].numpy() > threshold))
    share, images = found.questioned_correct, int((~wrong).any(1).sum())
    assert found.pool_standard_error == pytest.approx((share * (1 - share) / images) ** 0.5)
    with pytest.raises(DataError, match="100 rows from 100 images"):
        repeated_calibration(POLICY, {"doubt": doubt}, wrong & False, rows=100, alpha=0.1, seed=3)


def test_scored_images_of_several_labels_count_as_images():
    label, logits = torch.zeros(30, 2), torch.linspace(-3, 1, 60).reshape(30, 2)
    scored = Scored(label, torch.zeros(30, 0), logits, {"doubt": torch.rand(30, 2)}, {}, "multi-label")
    policy = dataclasses.replace(POLICY, class_thresholds=(0.0, 0.0))
    found = of_scored(wired(decide_by(0), first_pixel, policy=policy), scored, scored, seed=0, draws=2)
    assert (found.rows, found.correct + found.wrong, found.per_class) == (30, 120, True)


def test_its_figures_say_which_direction_is_better():
    named = {figure.name: figure for figure in FOUND.figures()}
    correct, wrong = named["verdict_questioned_correct_over_draws"], named["verdict_questioned_wrong_over_draws"]
    assert (correct.value, correct.better, correct.headline) == (0.0444, "lower", True)
    assert (wrong.value, wrong.better) == (0.6, "higher")
    assert value_of(FOUND.figures(), "verdict_questioned_correct_over_draws_standard_error") == 0.002
    assert {figure.group for figure in FOUND.figures()} == {"Verdicts on errors"}


def test_its_page_has_a_chart_of_all_draws():
    (chart,) = [block for block in FOUND.blocks() if isinstance(block, Histogram)]
    assert (chart.values, chart.line) == (FOUND.each, 0.05)
    text = said(FOUND.blocks())
    assert "0.0444 of the correct decisions are questioned on average (guaranteed: at most 5.0 %)" in text
    assert "0.0090 for new images" in text
    assert MEANING in text
    assert tables(FOUND.blocks()) == []
