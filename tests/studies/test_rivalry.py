"""Scores beside the verdict: measures, paired intervals, ranks, and sentences that are right whichever way it falls."""

import numpy as np
import pytest
import torch

from antehoc.metrics.selective import augrc, aurc, auroc
from antehoc.studies.failing import Kind
from antehoc.studies.rivalry import (
    VERDICT,
    Difference,
    Measured,
    against,
    beaten_by,
    mean_ranks,
    measured,
    ranks,
    standing,
)


def row(score: str, kind: str, difference: Difference | None = None, rank: float | None = 1.0) -> Measured:
    minus = {"augrc": difference, "aurc": difference, "auroc": difference}
    return Measured(score, kind, dict.fromkeys(minus, 0.5), minus, rank)


BETTER, WORSE, UNCLEAR = Difference(-0.1, -0.2, -0.05), Difference(0.1, 0.05, 0.2), Difference(-0.1, -0.2, 0.01)


def test_every_score_is_measured_on_the_rows_of_each_kind_and_compared_in_pairs():
    generator = torch.Generator().manual_seed(0)
    failed = torch.arange(60) % 3 == 0
    scores = {VERDICT: failed + torch.rand(60, generator=generator), "other": torch.rand(60, generator=generator)}
    some = torch.arange(0, 60, 2)
    kinds = {"all": Kind(torch.arange(60), failed), "some": Kind(some, failed[some])}
    draws = torch.randint(0, 3, (40, 60), generator=generator, dtype=torch.int16)
    found = {(one.score, one.kind): one for one in measured(scores, kinds, draws)}
    assert set(found) == {(score, kind) for score in scores for kind in kinds}
    other = found["other", "some"]
    measures = {"auroc": auroc, "aurc": aurc, "augrc": augrc}
    for name, measure in measures.items():
        own, rival = (float(measure(score[some].double(), failed[some])) for score in scores.values())
        assert other.values[name] == rival
        written = [some.repeat_interleave(own_draw[some].long()) for own_draw in draws]  # each draw row by row
        drawn = [
            float(measure(scores[VERDICT][rows].double(), failed[rows]))
            - float(measure(scores["other"][rows].double(), failed[rows]))
            for rows in written
        ]
        low, high = np.quantile(drawn, [0.025, 0.975])
        difference = other.verdict_minus[name]
        assert (difference.value, difference.low, difference.high) == pytest.approx((own - rival, low, high))
    assert found[VERDICT, "some"].verdict_minus == {"augrc": None, "aurc": None, "auroc": None}
    assert [found[name, "all"].rank for name in scores] == [1, 2]
    assert other.side("auroc") == other.side("augrc") == "better"


def test_a_score_in_the_order_of_the_verdict_is_not_told_from_it():
    score, failed = torch.rand(20, generator=torch.Generator().manual_seed(0)), torch.arange(20) < 8
    kinds = {"all": Kind(torch.arange(20), failed)}
    draws = torch.randint(0, 3, (10, 20), generator=torch.Generator().manual_seed(1), dtype=torch.int16)
    _, twin = measured({VERDICT: score, "twin": 2 * score}, kinds, draws)
    assert all(one == Difference(0.0, 0.0, 0.0) for one in twin.verdict_minus.values())
    assert (twin.rank, twin.side("augrc")) == (1.5, "unclear")


@pytest.mark.parametrize("failed", [torch.zeros(4).bool(), torch.ones(4).bool(), torch.zeros(0).bool()])
def test_without_a_failure_or_without_a_success_nothing_is_ranked(failed):
    rows = torch.arange(len(failed))
    found = measured(
        {VERDICT: torch.arange(4.0), "other": -torch.arange(4.0)},
        {"all": Kind(rows, failed)},
        torch.ones(3, 4, dtype=torch.int16),
    )
    assert [one.rank for one in found] == [None, None]
    assert found[1].values["auroc"] is None
    assert found[1].verdict_minus["auroc"] is None
    assert mean_ranks(found) == {}
    assert standing({}) == "There is no failure to find, so no score has a rank."


def test_ranks_of_equal_values_are_shared():
    assert ranks({"a": 0.2, "b": 0.1, "c": 0.2, "d": 0.3}) == {"a": 2.5, "b": 1.0, "c": 2.5, "d": 4.0}
    rows = [row("a", "clean", rank=1.0), row("a", "unknown", rank=4.0), row("b", "clean", rank=2.0)]
    assert list(mean_ranks(rows).items()) == [("b", 2.0), ("a", 2.5)]
    assert mean_ranks([*rows, row("b", "unknown", rank=None)]) == {"b": 2.0, "a": 2.5}


@pytest.mark.parametrize(
    ("means", "said"),
    [
        ({VERDICT: 1.5, "GEN": 2.0}, "mean rank of 1.5 among 2 scores, the first place; the next is GEN (2.0)."),
        ({VERDICT: 2.0, "GEN": 2.0}, "mean rank of 2.0 among 2 scores, the shared first place; the next is GEN (2.0)."),
        ({"GEN": 1.0, "kNN": 2.0, VERDICT: 3.0}, "of 3.0 among 3 scores, place 3; the first is GEN (1.0)."),
        ({VERDICT: 1.0}, "By AUGRC the verdict has a mean rank of 1.0 among 1 scores."),
    ],
)
def test_the_place_of_the_verdict_is_said_whichever_it_is(means, said):
    assert standing(means).endswith(said)


def test_each_kind_is_said_on_its_own_side():
    rows = [row("GEN", "clean", BETTER), row("GEN", "corrupted", WORSE), row("GEN", "unknown", UNCLEAR)]
    assert against(rows, "GEN", "GEN") == (
        "Against GEN the verdict's AUGRC is better on clean; worse on corrupted; not clearly different (the"
        " interval includes 0) on unknown."
    )
    assert against([row("GEN", "clean", WORSE)], "GEN", "GEN") == "Against GEN the verdict's AUGRC is worse on clean."
    assert against([row("GEN", "clean")], "GEN", "GEN") == ""


def test_who_is_better_than_the_verdict_is_judged_by_the_interval():
    rows = [row("a", "all", BETTER), row("b", "all", WORSE), row("c", "all", UNCLEAR), row("d", "some", WORSE)]
    assert beaten_by(rows, "all") == (["b"], ["a"])
    # a higher AUROC is better, a higher AUGRC is not
    assert (rows[0].side("auroc"), rows[0].side("augrc")) == ("worse", "better")
