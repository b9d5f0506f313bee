"""Images dealt out in shares: exact totals, each class near its own, and what belongs together together."""

import time
from collections import Counter
from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from antehoc.data.strata import apportioned, quotas, stratified, together

WEIGHTS = st.lists(st.floats(0.05, 1), min_size=4, max_size=4)


def digests(count):
    return [blake2b(str(number).encode(), digest_size=16).digest() for number in range(count)]


@given(WEIGHTS, st.integers(0, 10_000))
def test_apportioned_numbers_are_within_one_of_their_shares(weights, count):
    found = apportioned(weights, count)
    assert sum(found) == count
    assert all(abs(own - weight * count / sum(weights)) < 1 for own, weight in zip(found, weights, strict=True))


@given(WEIGHTS, st.lists(st.integers(1, 200), min_size=1, max_size=30))
def test_quotas_are_exact_in_rows_and_totals(weights, counts):
    found = quotas(counts, weights)
    assert [sum(row) for row in found] == counts
    assert all(min(row) >= 0 and row[0] >= 1 for row in found)
    totals, wanted = [sum(part) for part in zip(*found, strict=True)], apportioned(weights, sum(counts))
    if wanted[0] >= len(counts):  # else the classes that need an image for training are more than its share
        assert totals == wanted
    if min(counts) * weights[0] >= sum(weights):  # no class is too rare for its shares
        for row, count in zip(found, counts, strict=True):
            # 1.36 is the most of 3,000 random tables
            assert all(abs(own - w * count / sum(weights)) < 2 for own, w in zip(row, weights, strict=True))


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30)), min_size=1, max_size=80),
    st.permutations([0.1, 0.3, 0.3, 0.3]),
    st.integers(0, 99),
)
def test_units_stay_together_and_every_class_is_trained(rows, shares, seed):
    labels, units = [[label] for label, _ in rows], together(digests(len(rows)), [str(unit) for _, unit in rows])
    parts = stratified(digests(len(rows)), labels, units, shares, seed=seed)
    for unit in set(units):
        assert len({part for part, own in zip(parts, units, strict=True) if own == unit}) == 1
    assert {label for (label, _), part in zip(rows, parts, strict=True) if part == 0} == {label for label, _ in rows}


def test_images_without_a_label_keep_the_shares():
    parts = stratified(digests(100), [[] for _ in range(100)], range(100), (0.6, 0.1, 0.15, 0.15), seed=0)
    assert sorted(Counter(parts).items()) == [(0, 60), (1, 10), (2, 15), (3, 15)]


def test_errors_of_large_units_spread_over_the_classes():
    # 60 classes of two units of five images: no class alone can give validation its 10 %
    groups = [str(number // 5) for number in range(600)]
    labels = [[number // 10] for number in range(600)]
    parts = stratified(digests(600), labels, together(digests(600), groups), (0.6, 0.1, 0.15, 0.15), seed=0)
    assert Counter(parts) == {0: 360, 1: 60, 2: 90, 3: 90}


def test_large_units_go_first_so_that_small_ones_fill_the_shares():
    groups = [str(number % 6) if number < 240 else "" for number in range(600)]
    labels = [[number % 6] for number in range(600)]
    parts = stratified(digests(600), labels, together(digests(600), groups), (0.6, 0.1, 0.15, 0.15), seed=0)
    assert Counter(parts) == {0: 360, 1: 60, 2: 90, 3: 90}


def test_many_images_are_dealt_out_fast():
    names, labels = digests(50_000), [[number % 1000] for number in range(50_000)]
    started = time.perf_counter()
    parts = stratified(names, labels, together(names), (0.6, 0.1, 0.15, 0.15), seed=0)
    assert Counter(parts) == {0: 30_000, 1: 5_000, 2: 7_500, 3: 7_500}
    assert time.perf_counter() - started < 10  # it takes 1.3 s; a pass over all images for each class takes a minute
