"""Intervals against a slow bootstrap of the same draws, their own coverage, and numbers from elsewhere."""

from math import isnan, nan
from time import process_time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from antehoc.errors import DataError, RecipeError
from antehoc.metrics import bootstrap
from antehoc.metrics.bootstrap import (
    SINGLE_TAILS,
    Interval,
    Resamples,
    mean_interval,
    paired_interval,
    ratio_interval,
    share_interval,
)
from antehoc.metrics.resampled import weighted_aurc
from antehoc.metrics.selective import augrc, aurc, auroc

SLOW = {"auroc": auroc, "aurc": aurc, "augrc": augrc}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def example(seed, n, values=5):
    """Scores with many ties; baseline and score share half of what they know."""
    draws = np.random.default_rng(seed)
    wrong = draws.random(n) < 0.3
    common = draws.integers(0, values, n) + wrong
    score, baseline = (torch.tensor((common + draws.integers(0, values, n)) * 1.0) for _ in range(2))
    return score, baseline, torch.tensor(wrong)


def row_by_row(metric, score, baseline, wrong, resamples, level, generator):
    """The plain bootstrap: index the rows, call the measure."""
    differences = []
    for rows in torch.randint(len(wrong), (resamples, len(wrong)), generator=generator):
        figure = SLOW[metric]
        differences.append(float(figure(score[rows], wrong[rows]) - figure(baseline[rows], wrong[rows])))
    return np.nanquantile(differences, [(1 - level) / 2, (1 + level) / 2])


@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 30),
    st.sampled_from(["auroc", "aurc", "augrc"]),
    st.sampled_from([0.5, 0.95]),
)
def test_counting_cells_gives_what_indexing_rows_gives(seed, n, metric, level):
    score, baseline, wrong = example(seed, n)
    fast = paired_interval(metric, score, baseline, wrong, resamples=10, level=level, generator=seeded(seed))
    if isnan(fast.estimate):
        assert metric == "auroc"
        assert wrong.all() or not wrong.any()
        return
    assert fast.estimate == pytest.approx(float(SLOW[metric](score, wrong) - SLOW[metric](baseline, wrong)), abs=1e-12)
    slow = row_by_row(metric, score, baseline, wrong, 10, level, seeded(seed))
    assert fast[1:] == pytest.approx(tuple(slow), abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(any), min_size=1, max_size=8))
def test_counts_give_the_same_area_as_rows(places):
    errors, correct = torch.tensor(places).T  # what adds the same to both scores cancels in every difference: look here
    rows = [
        (place, flag)
        for place, pair in enumerate(places)
        for flag, times in zip((1, 0), pair, strict=True)
        for _ in range(times)
    ]
    score, wrong = torch.tensor(rows).T
    by_counts = weighted_aurc(errors[None], correct[None]).item()
    assert by_counts == pytest.approx(aurc(score.double(), wrong == 1).item(), abs=1e-12)


def test_the_size_of_a_chunk_changes_nothing(monkeypatch):
    rows = example(3, 40)
    whole = paired_interval("aurc", *rows, resamples=25, generator=seeded())
    monkeypatch.setattr(bootstrap, "DRAWS_AT_ONCE", 130)  # three resamples at once, and one left over
    assert paired_interval("aurc", *rows, resamples=25, generator=seeded()) == whole


@pytest.mark.parametrize("metric", ["auroc", "aurc", "augrc"])
def test_a_score_differs_from_itself_by_nothing(metric):
    score, _, wrong = example(1, 50)
    assert paired_interval(metric, score, 2 * score, wrong, resamples=50, generator=seeded()) == Interval(0, 0, 0)


@pytest.mark.parametrize("metric", ["auroc", "aurc", "augrc"])
def test_the_interval_knows_which_score_is_better_and_by_what_chance(metric):
    score, baseline, wrong = example(5, 400, values=20)
    wide = paired_interval(metric, score, wrong.double(), wrong, generator=seeded())
    sign = 1 if metric == "auroc" else -1
    assert sign * wide.low < 0  # worse than perfect
    assert sign * wide.high < 0
    assert wide.low < wide.estimate < wide.high
    same, narrow = (paired_interval(metric, score, baseline, wrong, level=v, generator=seeded()) for v in (0.95, 0.5))
    assert same.low < narrow.low < narrow.high < same.high
    swapped = paired_interval(metric, baseline, score, wrong, generator=seeded())
    assert swapped == pytest.approx((-same.estimate, -same.high, -same.low))


def test_the_interval_holds_the_truth_as_often_as_it_says():
    # both scores know the same, so the true difference is 0; 200 data sets, 5 standard errors about .95 is .07
    held = 0
    for seed in range(200):
        score, baseline, wrong = example(seed, 120, values=20)
        interval = paired_interval("auroc", score, baseline, wrong, resamples=200, generator=seeded(seed))
        held += interval.low <= 0 <= interval.high
    assert 0.88 <= held / 200 < 1


def test_the_same_generator_state_draws_the_same_and_no_global_seed_is_touched():
    rows, before = example(2, 60), torch.random.get_rng_state()
    first, again, other = (paired_interval("auroc", *rows, resamples=30, generator=seeded(s)) for s in (1, 1, 2))
    assert first == again != other
    assert torch.random.get_rng_state().equal(before)


def test_an_undefined_difference_is_nan_and_a_bad_request_is_refused():
    score = torch.rand(4, generator=seeded())
    none = torch.zeros(4, dtype=torch.bool)
    assert all(map(isnan, paired_interval("auroc", score, score, none, generator=seeded())))
    assert paired_interval("aurc", score, score, none, generator=seeded()) == Interval(0, 0, 0)
    assert all(map(isnan, paired_interval("aurc", score[:0], score[:0], none[:0], generator=seeded())))
    with pytest.raises(DataError, match="row 0 is NaN"):
        paired_interval("aurc", score, score * nan, none, generator=seeded())
    with pytest.raises(RecipeError, match="got 95"):
        paired_interval("aurc", score, score, none, level=95.0, generator=seeded())
    with pytest.raises(RecipeError, match="got 0"):
        paired_interval("aurc", score, score, none, resamples=0, generator=seeded())
    with pytest.raises(RecipeError, match="got 1"):
        share_interval(none, level=1.0)


@pytest.mark.parametrize("metric", ["auroc", "aurc", "augrc"])
def test_60_000_rows_and_1_000_resamples_take_a_second_or_so(metric):
    generator = seeded()
    wrong = torch.arange(60_000) < 150
    score, baseline = (torch.randn(60_000, generator=generator) + 2 * wrong for _ in range(2))
    start = process_time()
    paired_interval(metric, score, baseline, wrong, generator=generator)
    assert process_time() - start < 6  # .6 s when measured alone; row by row takes 20 s and more


def test_wilson_by_hand_and_at_its_ends():
    # Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 1998, table I
    for found, of, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (1, 29, 0.0061, 0.1718)]:
        interval = share_interval(torch.arange(of) < found)
        assert interval == pytest.approx((found / of, low, high), abs=5e-5)
    assert share_interval(torch.arange(20) < 0) == pytest.approx((0, 0, 0.1611), abs=5e-5)  # the same table
    for n in range(1, 60):  # some of them round past the end
        assert share_interval(torch.ones(n, dtype=torch.bool)).high == 1
        assert share_interval(torch.zeros(n, dtype=torch.bool)).low == 0
    assert all(map(isnan, share_interval(torch.zeros(0, dtype=torch.bool))))
    half = torch.arange(10) < 5
    assert share_interval(half, level=0.5).low > share_interval(half, level=0.9).low


def test_the_interval_of_a_mean():
    generator = torch.Generator().manual_seed(0)
    figures = torch.randn(400, generator=generator, dtype=torch.float64)
    wide = mean_interval(figures, generator=generator)
    assert wide.estimate == pytest.approx(figures.mean().item())
    # 1.96 standard errors each way; a bootstrap of 1000 knows them to some 5 %
    assert wide.high - wide.low == pytest.approx(2 * 1.96 * figures.std().item() / 20, rel=0.1)
    assert wide.low < wide.estimate < wide.high
    gaps = torch.cat([figures, torch.full((9,), torch.nan, dtype=torch.float64)])
    assert mean_interval(gaps, generator=generator).estimate == pytest.approx(wide.estimate)
    paired = mean_interval(figures + 1, figures, generator=generator)
    assert paired == pytest.approx((1, 1, 1))
    assert all(map(isnan, mean_interval(gaps[400:], generator=generator)))
    with pytest.raises(RecipeError, match="got 95"):
        mean_interval(figures, level=95.0, generator=generator)


# --- the same numbers, to the last bit, as the formulas that published figures were computed with


def counted(values, seed):
    """Interval and means of the table of explanations, as it was: counts of each image, and 0.025 in double."""
    drawn = torch.randint(len(values), (1000, len(values)), generator=seeded(seed))
    weights = torch.zeros(drawn.shape, dtype=torch.float64).scatter_add_(1, drawn, torch.ones(drawn.shape).double())
    known = ~values.isnan()
    means = weights[:, known] @ values[known] / weights[:, known].sum(1)
    low, high = means.nanquantile(values.new_tensor([0.025, 0.975])).tolist()
    return Interval(float(values.nanmean()), low, high), means


def summed(part, whole, seed):
    """Interval of a sum over a sum, as it was: 0.025 in single precision."""
    drawn = torch.randint(len(part), (1000, len(part)), generator=seeded(seed))
    part, whole = part.double(), whole.double()
    low, high = (part[drawn].sum(1) / whole[drawn].sum(1)).quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    return Interval(float(part.sum() / whole.sum()), low, high)


def averaged(values, seed, level):
    """Interval of a mean, as it was: images without an answer are left out, the others indexed."""
    values = values.double()[~values.isnan()]
    means = values[torch.randint(len(values), (1000, len(values)), generator=seeded(seed))].mean(1)
    low, high = means.quantile(values.new_tensor([(1 - level) / 2, (1 + level) / 2])).tolist()
    return Interval(float(values.mean()), low, high)


@pytest.mark.parametrize("rows", [1, 7, 32, 200, 5000])
def test_intervals_equal_the_published_formulas_to_the_last_bit(rows):
    values = torch.randn(rows, generator=seeded(rows), dtype=torch.float64)
    gaps = values.where(torch.arange(rows) % 3 != 2, nan)
    resamples = Resamples(rows, generator=seeded(rows + 1))
    for column in (values, gaps):
        interval, means = counted(column, rows + 1)
        assert resamples.interval(column) == interval
        assert resamples.means(column).equal(means)
        for level in (0.5, 0.95):
            found = mean_interval(column, level=level, generator=seeded(rows + 2))
            assert found == averaged(column, rows + 2, level)
    whole = torch.randint(1, 9, (rows,), generator=seeded(rows))
    for part in (whole // 2, values):
        assert ratio_interval(part, whole, generator=seeded(rows + 3)) == summed(part, whole, rows + 3)
    ones = torch.ones_like(values)
    assert ratio_interval(values, ones, generator=seeded(rows + 3)) == summed(values, ones, rows + 3)


def test_all_kinds_of_intervals_draw_the_same_rows():
    values = torch.randn(40, generator=seeded(), dtype=torch.float64)
    by_index = ratio_interval(values, torch.ones_like(values), tails=bootstrap.TAILS, generator=seeded(1))
    by_count = Resamples(40, generator=seeded(1)).interval(values)
    assert by_index == pytest.approx(tuple(by_count), abs=1e-12)
    assert mean_interval(values, generator=seeded(1)) == pytest.approx(tuple(by_count), abs=1e-12)
    assert tuple(torch.tensor(bootstrap.TAILS).tolist()) == SINGLE_TAILS


def test_shared_draws_pair_the_figures():
    first = torch.randn(60, generator=seeded(), dtype=torch.float64)
    resamples = Resamples(60, draws=50, generator=seeded(1))
    assert resamples.counts.sum(1).eq(60).all()
    gap = resamples.means(first + 1) - resamples.means(first)
    assert gap.sub(1).abs().max() < 1e-12


def test_what_has_no_answer_is_nan_and_no_draw_is_refused():
    none = torch.full((3,), nan, dtype=torch.float64)
    assert all(map(isnan, Resamples(3, generator=seeded()).interval(none)))
    assert all(map(isnan, ratio_interval(none[:0], none[:0], generator=seeded())))
    for call in (
        lambda: Resamples(3, draws=0, generator=seeded()),
        lambda: ratio_interval(none, none, resamples=0, generator=seeded()),
        lambda: mean_interval(none, resamples=0, generator=seeded()),
    ):
        with pytest.raises(RecipeError, match="got 0"):
            call()
