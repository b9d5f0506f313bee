"""Products of doubts, and the choice between rules."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.testing import assert_close

from antehoc.calibration import Policy, Product, Term, calibrate_products, default_names, fit_product
from antehoc.calibration.choice import ENOUGH, NEIGHBORS, PRODUCT, SOFTMAX, choose, difference, why
from antehoc.errors import DataError
from antehoc.schema import convert


def drawn(count: int = 4000, *, errors: float = 0.1, rival: float = 1.0, neighbors: float = 0.0, seed: int = 0):
    """Doubts of so many decisions: in wrong ones `rival` and `neighbors` lie so many deviations higher."""
    generator = torch.Generator().manual_seed(seed)
    wrong = torch.rand(count, generator=generator) < errors
    noise = torch.randn(4, count, generator=generator)
    return {
        "confidence": -2 + noise[0] + wrong, "rival": 5 * (noise[1] + rival * wrong),
        "neighbors": noise[2] + neighbors * wrong, "knn": noise[3],
    }, wrong  # fmt: skip


def test_a_term_is_the_logarithm_of_its_factor():
    term = Term("rival", mean=2.0, deviation=4.0)
    assert_close(term(torch.tensor([2.0, 10.0])).tolist(), [math.log1p(math.exp(1)), math.log1p(math.exp(3))])
    assert_close(Term("confidence", -1.0, 1.0, 0.5)(torch.tensor([-3.0])).tolist(), [-1.5])


def test_a_product_of_one_factor_is_that_of_the_paper_with_another_shift():
    doubts, wrong = drawn()
    product = fit_product(doubts, ~wrong, ["rival"], about="wrong")
    values = doubts["rival"].double()
    mean, deviation = values[~wrong].mean(), values[~wrong].std()
    sirc = doubts["confidence"].double().exp() * (1 + (-(mean - deviation - values) / deviation).exp())
    assert_close(product.logarithm(doubts), sirc.log())


def test_wrong_decisions_change_nothing_of_a_product():
    doubts, wrong = drawn()
    changed = {name: values + 100 * wrong for name, values in doubts.items()}
    one, other = (fit_product(found, ~wrong, ["rival", "knn"], about="unknown") for found in (doubts, changed))
    assert one == other


def test_a_doubt_that_does_not_vary_is_left_out():
    doubts, wrong = drawn()
    product = fit_product(doubts | {"rival": torch.full((4000,), 3.0)}, ~wrong, ["rival", "knn"], about="wrong")
    assert product.doubts == ("confidence", "knn")


def test_the_auroc_of_a_pair_and_its_error_are_those_of_the_bootstrap():
    doubts, wrong = drawn(600)
    first, second = doubts["rival"].double(), doubts["confidence"].double()
    gain, error = difference(first, second, wrong)
    truth = wrong.numpy()
    assert gain == pytest.approx(roc_auc_score(truth, first) - roc_auc_score(truth, second), abs=1e-9)
    rng, gains = np.random.default_rng(0), []
    for _ in range(400):
        rows = rng.integers(0, 600, 600)
        gains.append(roc_auc_score(truth[rows], first[rows]) - roc_auc_score(truth[rows], second[rows]))
    assert error == pytest.approx(np.std(gains), rel=0.2)


@pytest.mark.parametrize(
    ("rival", "neighbors", "rule"),
    [(0.0, 0.0, SOFTMAX), (0.0, 1.5, NEIGHBORS), (1.5, 0.0, PRODUCT), (1.5, 1.5, PRODUCT)],
)
def test_the_simplest_rule_wins_that_none_beats_beyond_its_error(rival, neighbors, rule):
    doubts, wrong = drawn(rival=rival, neighbors=neighbors)
    found = choose(doubts, wrong, ["rival", "neighbors", "knn"])
    assert found.rule == rule
    assert [product.about for product in found.products] == ["wrong", "unknown"]
    assert set(found.products[1].doubts) == {"confidence", "knn"}


def test_distance_is_a_default_only_without_training_images():
    assert default_names(["distance", "stages", "rival", "margin", "energy"]) == [
        "stages",
        "distance",
        "rival",
        "energy",
    ]
    assert default_names(["distance", "stages", "rival", "knn", "energy"]) == ["rival", "knn", "energy"]


def test_with_few_errors_the_richest_rule_is_taken():
    doubts, wrong = drawn(300, errors=0.05, rival=0.0)
    assert 0 < int(wrong.sum()) < ENOUGH
    found = choose(doubts, wrong, ["rival", "neighbors", "knn"])
    assert found.rule == PRODUCT
    assert "too few to choose" in why(found.rule, found.candidates, int(wrong.sum()))


def test_a_doubt_at_chance_is_left_out_where_errors_show_it():
    doubts, wrong = drawn(400, errors=0.1, rival=-0.5, neighbors=1.0)
    assert 20 <= int(wrong.sum()) < ENOUGH
    assert "rival" not in choose(doubts, wrong, ["rival", "neighbors"]).products[0].doubts


def test_without_an_error_there_is_a_rule_and_no_auroc():
    doubts, _ = drawn(200)
    none = torch.zeros(200, dtype=torch.bool)
    found = choose(doubts, none, ["rival"])
    assert found.rule == PRODUCT
    assert [one.auroc for one in found.candidates] == [-1.0, -1.0]
    assert "AUROC" not in why(found.rule, found.candidates, 0)


@pytest.mark.parametrize(
    ("rule", "says"), [(SOFTMAX, "softmax alone does as well"), (NEIGHBORS, "nearest"), (PRODUCT, "finds more wrong")]
)
def test_why_a_rule_was_chosen_is_said(rule, says):
    doubts, wrong = drawn()
    text = why(rule, choose(doubts, wrong, ["rival", "neighbors"]).candidates, int(wrong.sum()))
    assert says in text
    assert "by maximum softmax alone" in text


def policy(**given) -> Policy:
    fit, wrong = drawn(seed=1)
    rows, errors = drawn(seed=2)
    return calibrate_products(rows, errors, fit=(fit, wrong), names=["rival", "neighbors", "knn"], alpha=0.1, **given)


def test_the_threshold_keeps_alpha_on_new_decisions():
    doubts, wrong = drawn(20_000, seed=3)
    found = policy()
    questioned = found.score(doubts) > found.threshold
    assert float(questioned[~wrong].double().mean()) == pytest.approx(0.1, abs=0.02)
    assert float(questioned[wrong].double().mean()) > 0.3


def test_what_doubts_add_sums_to_the_score():
    doubts, _ = drawn(seed=4)
    found = policy()
    score = found.score(doubts).clamp(min=0)
    parts = found.contributions(doubts)
    assert set(parts) == set(found.doubts)
    moved = torch.stack(list(parts.values())).sum(0)
    assert_close(moved[score > 1], score[score > 1])


def test_an_unknown_image_is_questioned_for_its_distance():
    found = policy()
    strange = {"confidence": torch.tensor([-4.0]), "rival": torch.tensor([-5.0])}
    strange |= {"neighbors": torch.tensor([-1.0]), "knn": torch.tensor([9.0])}
    assert float(found.score(strange)) > found.threshold
    parts = found.contributions(strange)
    assert max(parts, key=lambda name: float(parts[name])) == "knn"


def test_a_policy_of_products_is_read_back_from_json():
    found = policy(predicted=torch.zeros(4000, dtype=torch.int64), classes=2)
    assert convert(json.loads(json.dumps(asdict(found))), Policy, "policy") == found


def test_products_that_cannot_be_are_refused():
    found = policy()
    with pytest.raises(DataError, match="finite mean"):
        Term("rival", 0.0, 0.0)
    with pytest.raises(DataError, match="one or more terms"):
        replace(found.products[0], terms=())
    with pytest.raises(DataError, match="discount"):
        replace(found.products[0], discount=-1.0)
    with pytest.raises(DataError, match="one weight and one evidence"):
        replace(found, doubts=("rival",), weights=(1.0,))
    assert isinstance(found.products[0], Product)


def test_with_several_labels_each_label_is_a_decision():
    generator = torch.Generator().manual_seed(0)
    doubts = {
        "confidence": -torch.rand(100, 3, generator=generator) - 1,
        "whole": torch.randn(100, 3, generator=generator),
    }
    wrong = torch.rand(100, 3, generator=generator) < 0.1
    found = calibrate_products(doubts, wrong, fit=(doubts, wrong), names=["whole"], alpha=0.1)
    assert found.threshold_rows == int((~wrong).sum())
    assert found.score(doubts).shape == (100, 3)


def test_doubts_that_are_all_at_chance_leave_softmax_and_the_text_says_so():
    doubts, wrong = drawn(rival=-1.0)
    found = choose(doubts, wrong, ["rival"])
    assert [one.rule for one in found.candidates] == [SOFTMAX]
    assert "maximum softmax is used alone" in why(found.rule, found.candidates, int(wrong.sum()))
    assert why("combined", (), 0) == ""
