"""Charts of an evaluation."""

from dataclasses import replace

import pytest
import torch

from antehoc.blocks import Lines, Strips
from antehoc.evaluation import curves, score


def test_curves_start_at_the_surest_decision_and_end_at_the_error_rate(found, block):
    lines = block("Risk and coverage", Lines)
    assert list(lines.series) == ["verdict", "maximum softmax"]
    for coverage, risk in lines.series.values():
        assert coverage[0] == 1 / len(found.wrong)
        assert (coverage[-1], risk[-1]) == (1, pytest.approx(found.wrong.mean()))
        assert list(coverage) == sorted(set(coverage))
        assert len(coverage) == len(risk) == 200


def test_scores_are_kept_by_set_for_the_histogram(found, block):
    strips = block("Verdict scores", Strips)
    assert set(strips.sets) == {"correct", "wrong", "noise", "star"}
    assert strips.sets["wrong"] == pytest.approx(found.verdict[found.wrong].tolist(), rel=1e-5)
    assert strips.threshold == found.model.policy.threshold


def test_a_strip_is_a_sample_from_end_to_end_and_of_few_decisions_all():
    assert curves._sample(torch.arange(5.0), 3) == (0, 2, 4)
    assert curves._sample(torch.arange(3.0)) == (0, 1, 2)
    assert curves._sample(torch.zeros(0)) == ()


def test_the_largest_float_is_no_threshold(found):
    scored = score(found.model.system, found.test.select(range(10)))
    free = replace(found.model.policy, threshold=1.7e308)
    (strips,) = curves.scores_section(scored, free, {}).blocks
    assert strips.threshold is None


def test_the_line_is_said_to_hold_for_classes_without_a_threshold_of_their_own(found):
    scored, policy = score(found.model.system, found.test.select(range(10))), found.model.policy
    (strips,) = curves.scores_section(scored, replace(policy, class_thresholds=(None, 1.0, 2.0)), {}).blocks
    assert strips.caption.endswith("classes with a threshold of their own are questioned by that.")
    (strips,) = curves.scores_section(scored, policy, {}).blocks
    assert strips.caption.endswith("What lies right of the line is questioned.")
