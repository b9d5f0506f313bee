"""Whether new images differ from the old calibration images: the test, and the doubts that a model keeps for it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from antehoc.calibration import find_shift, reference_doubts
from antehoc.calibration.shift import LEVEL, ROWS, kolmogorov_smirnov


def normal(seed: int, *size: int) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 2**32 - 1), m=st.integers(20, 300), n=st.integers(20, 300), moved=st.floats(0, 1))
def test_the_statistic_is_that_of_scipy_and_the_chance_nearly(seed, m, n, moved):
    first, second = normal(seed, m), normal(seed + 1, n) + moved
    statistic, chance = kolmogorov_smirnov(first, second)
    wanted = ks_2samp(first.numpy(), second.numpy(), method="exact")
    assert statistic == pytest.approx(wanted.statistic, abs=1e-12)
    # the limit against the exact distribution, which is in steps and at 20 rows .09 away from it
    assert chance == pytest.approx(wanted.pvalue, abs=0.1)
    if wanted.pvalue < 0.02:
        assert wanted.pvalue <= chance <= 3 * wanted.pvalue + 1e-6, "never said to differ too soon"


def test_equal_samples_do_not_differ():
    values = normal(0, 50)
    assert kolmogorov_smirnov(values, values) == (0.0, 1.0)


def test_images_of_one_source_are_rarely_said_to_differ():
    # ten doubts, each two the same: the correction must hold for doubts that depend on each other
    found = 0
    for seed in range(400):
        old, new = (
            {str(k): row[k // 2] for k in range(10)} for row in (normal(2 * seed, 5, 80), normal(2 * seed + 1, 5, 90))
        )
        shift = find_shift(old, new)
        assert shift.doubts == 10
        found += shift.differs
    assert found <= 400 * LEVEL + 3 * (400 * LEVEL) ** 0.5


def test_the_doubt_that_differs_most_is_named():
    old = {"a": normal(0, 200), "b": normal(1, 200), "only old": normal(2, 200)}
    new = {"a": normal(3, 300) + 0.1, "b": normal(4, 300) + 1.5, "only new": normal(5, 300)}
    shift = find_shift(old, new)
    assert (shift.doubt, shift.doubts, shift.old_rows, shift.new_rows) == ("b", 2, 200, 300)
    assert shift.differs
    assert shift.statistic > 0.4


def test_nothing_to_compare_gives_nothing():
    assert find_shift({}, {"a": normal(0, 20)}) is None
    assert find_shift({"a": torch.zeros(0)}, {"a": normal(0, 20)}) is None


def test_a_reference_holds_correct_decisions_alone_and_the_same_of_each_doubt():
    number = torch.arange(2000.0)
    wrong = number % 3 == 0
    kept = reference_doubts({"a": number, "b": -number, "bad": torch.where(wrong, 0, torch.nan)}, wrong, seed=1)
    assert set(kept) == {"a", "b"}
    assert len(kept["a"]) == ROWS == len(kept["a"].unique())
    assert not (kept["a"] % 3 == 0).any()
    assert kept["b"].equal(-kept["a"])
    assert not reference_doubts({"a": number}, wrong, seed=2)["a"].equal(kept["a"])


def test_of_several_labels_an_image_gives_one_correct_decision():
    image = torch.arange(300.0)[:, None].expand(300, 4)
    column = torch.arange(4.0).expand(300, 4)
    wrong = torch.rand(300, 4, generator=torch.Generator().manual_seed(0)) < 0.5
    wrong[:10] = True
    kept = reference_doubts({"image": image, "column": column}, wrong, seed=0)
    assert sorted(kept["image"].tolist()) == [n for n in range(300) if not wrong[n].all()]
    assert not wrong[kept["image"].long(), kept["column"].long()].any()
    assert len(kept["column"].unique()) == 4


def test_no_correct_decision_gives_an_empty_reference():
    assert len(reference_doubts({"a": torch.zeros(5)}, torch.ones(5, dtype=torch.bool), seed=0)["a"]) == 0
