"""Rivals that read logits, against their formulas written out by hand."""

from math import exp, log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from antehoc.metrics.selective import aurc, auroc
from antehoc.rivals.logits import (
    NORMS,
    choose_norm,
    doctor_alpha,
    doctor_beta,
    energy,
    generalized_entropy,
    max_logit,
    max_softmax,
    rest,
)

SHARES = torch.tensor([[0.7, 0.2, 0.1], [0.25, 0.5, 0.25]])
LOGITS = SHARES.log()


def close(found: torch.Tensor, expected: list[float]) -> None:
    assert found.tolist() == pytest.approx(expected, rel=1e-6)


def test_maximum_softmax_by_hand():
    close(max_softmax(LOGITS), [0.3, 0.5])


def test_the_rest_of_a_sure_decision_is_no_rounding_error():
    # 1 - p is e^-100 + e^-90 over the sum of all, which is 1 in double precision
    close(max_softmax(torch.tensor([[100.0, 0.0, 10.0]])), [exp(-90) + exp(-100)])
    assert rest(LOGITS)[0].tolist() == pytest.approx([0.3, 0.8, 0.9])


def test_maximum_logit_by_hand():
    logits = torch.tensor([[4.0, 1.0, 1.0], [0.0, 3.0, -3.0]])
    # centered: (2, -1, -1) and (0, 3, -3)
    close(max_logit(logits, 0), [-2.0, -3.0])
    close(max_logit(logits, 1), [-2 / 4, -3 / 6])
    close(max_logit(logits, 2), [-2 / 6**0.5, -3 / 18**0.5])
    close(max_logit(torch.ones(1, 3), 2), [0.0])  # equal logits have no norm


def test_generalized_entropy_by_hand():
    expected = [(0.7 * 0.3) ** 0.1 + (0.2 * 0.8) ** 0.1 + (0.1 * 0.9) ** 0.1, 0.25**0.1 + 2 * (0.25 * 0.75) ** 0.1]
    close(generalized_entropy(LOGITS), expected)
    close(generalized_entropy(LOGITS, gamma=1.0, top=2), [0.7 * 0.3 + 0.2 * 0.8, 0.25 + 0.25 * 0.75])


def test_doctor_by_hand():
    squares = [0.49 + 0.04 + 0.01, 0.25 + 2 * 0.0625]
    close(doctor_alpha(LOGITS), [(1 - g) / g for g in squares])
    close(doctor_beta(LOGITS), [0.3 / 0.7, 1.0])


def test_energy_by_hand():
    close(energy(LOGITS + 2), [-2.0, -2.0])  # the probabilities sum to 1
    close(energy(torch.tensor([[1.0, 3.0]])), [-log(exp(1) + exp(3))])


def test_the_norm_with_the_lowest_area_is_chosen_and_softmax_where_none_is_better():
    generator = torch.Generator().manual_seed(1)
    logits, wrong = torch.randn(200, 4, generator=generator), torch.rand(200, generator=generator) < 0.3
    areas = [float(aurc(max_logit(logits, norm), wrong)) for norm in NORMS]
    better = areas[int(torch.tensor(areas).argmin())] < float(aurc(max_softmax(logits), wrong))
    assert choose_norm(logits, wrong) == (areas.index(min(areas)) if better else None)
    # errors with large logits in every class: only a norm that divides their size away finds them
    label = torch.arange(100) % 4
    logits = torch.eye(4)[label] * 3
    wrong = torch.arange(100) < 20
    logits[wrong] = 10 * (torch.eye(4)[label[wrong]] + 0.9 * torch.eye(4)[(label[wrong] + 1) % 4])
    logits[~wrong] += 0.01 * torch.randn(80, 4, generator=generator)
    chosen = choose_norm(logits, wrong)
    assert chosen in range(1, 9) or float(aurc(max_softmax(logits), wrong)) == min(
        float(aurc(max_logit(logits, norm), wrong)) for norm in NORMS
    )
    assert choose_norm(logits, torch.zeros(100, dtype=torch.bool)) is None  # without an error all are equal


def test_two_classes_leave_one_order():
    # with two classes every score but the energy depends on the difference of the logits alone
    generator = torch.Generator().manual_seed(0)
    logits, wrong = torch.randn(300, 2, generator=generator), torch.rand(300, generator=generator) < 0.3
    expected = auroc(max_softmax(logits), wrong)
    for score in (generalized_entropy, doctor_alpha, doctor_beta, lambda rows: max_logit(rows, 0)):
        assert auroc(score(logits), wrong) == expected
    assert auroc(energy(logits), wrong) != expected


@given(shift=st.floats(-20, 20), seed=st.integers(0, 99))
def test_what_is_added_to_all_logits_changes_only_the_energy(shift, seed):
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for score in (max_softmax, generalized_entropy, doctor_alpha, doctor_beta, lambda rows: max_logit(rows, 2)):
        torch.testing.assert_close(score(logits + shift), score(logits))
    torch.testing.assert_close(energy(logits + shift), energy(logits) - shift)


@given(power=st.floats(0.1, 5), seed=st.integers(0, 99))
def test_a_monotone_change_of_a_score_keeps_its_auroc(power, seed):
    generator = torch.Generator().manual_seed(seed)
    score, wrong = max_softmax(torch.randn(40, 3, generator=generator)), torch.rand(40, generator=generator) < 0.5
    wrong[:2] = torch.tensor([True, False])
    assert auroc(score, wrong) == auroc(score.pow(power), wrong)
    assert float(auroc(score, wrong)) == pytest.approx(1 - float(auroc(-score, wrong)))
