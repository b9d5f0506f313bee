"""Measures of attributes against scikit-learn, plain loops and hand-made tables."""

from math import isnan

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import false_discovery_control, mannwhitneyu
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score
from torch.testing import assert_close

from antehoc.errors import DataError
from antehoc.metrics import attributes
from antehoc.metrics.attributes import (
    all_zeros_accuracy,
    argmax_agreement,
    attribute_accuracy,
    attribute_exact,
    balanced_accuracy,
    group_accuracy,
    macro_f1,
    majority_accuracy,
    mean_average_precision,
    per_attribute,
    unseen_attributes,
)

OF_BOTH = [
    attribute_accuracy,
    attribute_exact,
    argmax_agreement,
    mean_average_precision,
    balanced_accuracy,
    macro_f1,
]

# steps of a tenth: ties, and the threshold itself, come up often
tables = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.float64, shape, elements=st.integers(0, 10).map(lambda tenths: tenths / 10)),
        hnp.arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0])),
    )
)


def mean_over_columns(figure, answer, truth):
    both = [column for column in range(truth.shape[1]) if 0 < truth[:, column].sum() < len(truth)]
    return np.mean([figure(truth[:, column], answer[:, column]) for column in both]) if both else float("nan")


@given(tables)
def test_ranking_and_balance_agree_with_scikit_learn(table):
    probabilities, truth = table
    given_tensors = torch.tensor(probabilities), torch.tensor(truth)
    for ours, theirs, answer in [
        (mean_average_precision, average_precision_score, probabilities),
        (balanced_accuracy, balanced_accuracy_score, probabilities >= 0.5),
        (macro_f1, f1_score, probabilities >= 0.5),
    ]:
        by_hand = mean_over_columns(theirs, answer, truth)
        assert ours(*given_tensors).item() == pytest.approx(by_hand, abs=1e-12, nan_ok=True)


@given(tables)
def test_shares_agree_with_loops(table):
    probabilities, truth = table
    given_tensors = torch.tensor(probabilities), torch.tensor(truth)
    rows = [list(zip(p, t, strict=True)) for p, t in zip(probabilities, truth, strict=True)]
    bits = [(p >= 0.5) == (t == 1) for row in rows for p, t in row]
    exact = [all((p >= 0.5) == (t == 1) for p, t in row) for row in rows]
    first = [list(p).index(max(p)) == list(t).index(max(t)) for p, t in zip(probabilities, truth, strict=True)]
    for ours, by_hand in [(attribute_accuracy, bits), (attribute_exact, exact), (argmax_agreement, first)]:
        assert ours(*given_tensors).item() == pytest.approx(sum(by_hand) / len(by_hand))


@given(tables)
def test_a_table_of_attributes_holds_each_column_alone(table):
    probabilities, truth = (torch.tensor(part) for part in table)
    figures = per_attribute(probabilities, truth)
    for column in range(truth.shape[1]):
        alone = probabilities[:, [column]], truth[:, [column]]
        assert_close(figures.prevalence[column], truth[:, column].mean())
        assert_close(figures.accuracy[column], attribute_accuracy(*alone))
        for name, metric in [
            ("balanced_accuracy", balanced_accuracy),
            ("average_precision", mean_average_precision),
            ("f1", macro_f1),
        ]:
            assert_close(getattr(figures, name)[column], metric(*alone), equal_nan=True)


@given(tables)
def test_trivial_predictors_score_what_their_constant_answers_score(table):
    truth, train = torch.tensor(table[1]), torch.tensor((table[0] > 0.4).astype(np.float64))
    assert_close(all_zeros_accuracy(truth), attribute_accuracy(torch.zeros_like(truth), truth))
    majority = (2 * train.sum(0) > len(train)).double().expand_as(truth)
    assert_close(majority_accuracy(truth, train), attribute_accuracy(majority, truth))


def test_group_accuracy_by_hand():
    truth = torch.tensor([[1.0, 0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0, 0.0]])
    given_ = torch.tensor([[0.9, 0.1, 0.2, 0.1, 0.1], [0.6, 0.5, 0.1, 0.9, 0.2], [0.4, 0.1, 0.4, 0.2, 0.3]])
    # first question: right, wrong, a tie of which half is right; second: right either way, not asked, wrong
    assert group_accuracy(given_, truth, ((0, 1, 2), (3, 4))).item() == pytest.approx((1 + 0 + 0.5 + 1 + 0) / 5)
    assert group_accuracy(given_, truth, ((0, 1, 2),)).item() == pytest.approx(1.5 / 3)
    assert isnan(group_accuracy(given_, truth, ()))
    assert isnan(group_accuracy(given_[1:2], truth[1:2], ((3, 4),))), "no answer is true"


@given(tables, st.data())
def test_group_accuracy_matches_loops_and_looks_at_ranks_alone(table, data):
    probabilities, truth = table
    order = data.draw(st.permutations(range(truth.shape[1])))
    cut = data.draw(st.integers(0, len(order)))
    groups = tuple(tuple(part) for part in (order[:cut], order[cut:]) if part)
    shares = []
    for row, bits in zip(probabilities, truth, strict=True):
        for group in groups:
            surest = [n for n in group if row[n] == max(row[m] for m in group)]
            if any(bits[n] for n in group):
                shares.append(sum(bits[n] for n in surest) / len(surest))
    given_, true = torch.tensor(probabilities), torch.tensor(truth)
    figure = group_accuracy(given_, true, groups)
    assert figure.item() == pytest.approx(np.mean(shares) if shares else float("nan"), nan_ok=True)
    assert_close(group_accuracy(given_**3, true, groups), figure, equal_nan=True)
    turned = tuple(group[::-1] for group in groups[::-1])
    assert_close(group_accuracy(given_, true, turned), figure, equal_nan=True)


@given(tables)
def test_p_values_agree_with_scipy(table):
    probabilities, truth = table
    found = unseen_attributes(torch.tensor(probabilities), torch.tensor(truth))
    by_hand = []
    for column in range(truth.shape[1]):
        has, lacks = (probabilities[truth[:, column] == bit, column] for bit in (1, 0))
        if not len(has) or not len(lacks):
            by_hand.append(float("nan"))
        elif len(set(probabilities[:, column])) == 1:
            by_hand.append(1.0)
        else:
            by_hand.append(mannwhitneyu(has, lacks, alternative="greater", method="asymptotic").pvalue)
    assert found.p_value.tolist() == pytest.approx(by_hand, abs=1e-9, nan_ok=True)


@given(seed=st.integers(0, 2**32 - 1), level=st.sampled_from([0.05, 0.3]))
def test_the_unseen_are_those_that_benjamini_and_hochberg_do_not_find(seed, level):
    generator = torch.Generator().manual_seed(seed)
    truth = (torch.rand(40, 12, generator=generator) < 0.4).double()
    strength = torch.linspace(0, 0.6, 12)
    noise = torch.rand(40, 12, generator=generator)
    found = unseen_attributes((1 - strength) * noise + strength * truth, truth, level)
    assert found.unseen.tolist() == (false_discovery_control(found.p_value.numpy()) > level).tolist()


def test_what_noise_answers_is_unseen_and_what_the_truth_answers_is_seen():
    generator = torch.Generator().manual_seed(0)
    truth = (torch.rand(200, 20, generator=generator) < 0.3).double()
    truth[:, 0], truth[:, 1] = 0, 1  # nobody has it, everybody has it: these images cannot tell
    noise = torch.rand(200, 20, generator=generator).double()
    answers = torch.where(torch.arange(20) < 10, 0.5 * truth + 0.5 * noise, noise)
    found = unseen_attributes(answers, truth)
    assert found.p_value.isnan().tolist() == [True] * 2 + [False] * 18
    assert found.unseen.tolist() == [False] * 10 + [True] * 10
    backwards = unseen_attributes(1 - answers, truth)
    assert backwards.unseen[2:10].all(), "an order against the truth is no sight either"


def test_argmax_agreement_is_blind_to_all_but_one_bit():
    truth = torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    one_bit = torch.tensor([[0.0, 0.1, 0.0], [0.0, 0.0, 0.1]])  # finds nothing at .5
    assert argmax_agreement(one_bit, truth) == 1
    assert attribute_accuracy(one_bit, truth) == 0.5
    perfect_bits = torch.tensor([[0.0, 0.8, 0.9], [0.0, 0.0, 1.0]])
    assert attribute_exact(perfect_bits, truth) == 1
    assert argmax_agreement(perfect_bits, truth) == 0.5  # of two true bits only the first will do


def test_figures_by_hand():
    truth = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    probabilities = torch.tensor([[0.9, 0.0], [0.4, 0.5], [0.6, 0.0], [0.1, 0.0]])
    figures = per_attribute(probabilities, truth)
    assert figures.prevalence.tolist() == [0.5, 0.0]
    assert figures.accuracy.tolist() == [0.5, 0.75]  # .5 itself counts as present
    assert figures.balanced_accuracy[0] == 0.5
    assert figures.average_precision[0].item() == pytest.approx((1 + 2 / 3) / 2)
    assert figures.f1[0] == 0.5
    assert all(isnan(figure[1]) for figure in figures[2:])  # no image has it
    assert all_zeros_accuracy(truth) == 0.75
    assert majority_accuracy(truth, 1 - truth) == 0.25  # half of the first column; "absent" there, "present" next


def of_one_question(probabilities, truth):
    return group_accuracy(probabilities, truth, ((0,),))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_without_rows_or_attributes_there_is_no_answer(shape):
    nothing = torch.zeros(shape)
    assert all(isnan(metric(nothing, nothing)) for metric in OF_BOTH)
    assert isnan(all_zeros_accuracy(nothing))
    assert isnan(majority_accuracy(nothing, nothing))
    assert isnan(group_accuracy(nothing, nothing, ()))
    found = unseen_attributes(nothing, nothing)
    assert (found.p_value.isnan().all(), found.unseen.any()) == (True, False)


def test_a_majority_needs_training_images():
    assert isnan(majority_accuracy(torch.ones(2, 1), torch.zeros(0, 1)))


@pytest.mark.parametrize("metric", [*OF_BOTH, per_attribute, unseen_attributes, of_one_question])
def test_logits_and_soft_truths_are_refused(metric):
    with pytest.raises(DataError, match="still logits"):
        metric(torch.tensor([[1.5]]), torch.tensor([[1.0]]))
    with pytest.raises(DataError, match="still logits"):
        metric(torch.tensor([[torch.nan]]), torch.tensor([[1.0]]))
    with pytest.raises(DataError, match="neither 0 nor 1"):
        metric(torch.tensor([[0.5]]), torch.tensor([[0.7]]))
    with pytest.raises(TypeError):
        metric(torch.zeros(2, 3), torch.zeros(2, 1))


def test_every_measure_of_predictions_is_tried_here():
    named = {metric.__name__ for metric in OF_BOTH} | {"all_zeros_accuracy", "majority_accuracy", "per_attribute"}
    named |= {"group_accuracy", "unseen_attributes"}
    public = {name for name in vars(attributes) if name.islower() and not name.startswith("_")}
    own = {name for name in public if getattr(vars(attributes)[name], "__module__", "") == attributes.__name__}
    assert own == named
