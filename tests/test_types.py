import dataclasses
import json
import math
from typing import get_args

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from antehoc.errors import DataError
from antehoc.explanations import AttributeScores, SaliencyMask
from antehoc.plain import finite
from antehoc.systems import Joint
from antehoc.types import ROLES, Batch, DataSpec, Decision, LabelDecision, Reason, Role, Verdict, checked

GOOD = {
    "classes": ("cat", "fox"),
    "channels": 1,
    "height": 8,
    "width": 8,
    "attributes": ("red", "small", "large"),
    "class_attributes": ((0.0, 1.0, 0.0), (1.0, 0.25, 0.75)),
    "exclusive": ((1, 2),),
    "at_most_one": (),
    "groups": ((1, 2),),
    "absent": None,
    "task": "single-label",
}


def test_a_spec_keeps_what_it_is_given():
    assert dataclasses.asdict(DataSpec(**GOOD)) == GOOD


def test_a_spec_needs_no_attributes():
    spec = DataSpec(("cat", "fox"), 3, 8, 8)
    assert (spec.attributes, spec.class_attributes, spec.exclusive) == ((), (), ())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"classes": ("cat",), "class_attributes": ((0.0, 1.0, 0.0),)}, "two or more classes"),
        ({"classes": ("cat", "cat")}, "two or more classes of different names"),
        ({"channels": 2}, "got 2"),
        ({"absent": "dog"}, "the class for 'nothing is there', 'dog', is not one of"),
        ({"channels": 4}, "1 channel .* or 3"),
        ({"attributes": ("red", "small", "red")}, "different names"),
        ({"class_attributes": ((0.0, 1.0, 0.0),)}, r"2 rows \(classes\) of 3"),
        ({"class_attributes": ((0.0, 1.0), (1.0, 0.0))}, r"2 rows \(classes\) of 3"),
        ({"class_attributes": ()}, "must have 2 rows"),
        ({"attributes": (), "exclusive": (), "groups": ()}, "must have 0 rows"),
        ({"class_attributes": ((0.0, 1.0, 0.0), (1.0, 1.5, 0.0))}, r"outside 0\.\.1"),
        ({"class_attributes": ((0.0, 1.0, 0.0), (1.0, -0.5, 0.0))}, r"outside 0\.\.1"),
        ({"class_attributes": ((0.0, 1.0, 0.0), (1.0, float("nan"), 0.0))}, r"outside 0\.\.1"),
        ({"exclusive": ((0, 3),)}, "by number"),
        ({"exclusive": ((-1, 0),)}, "by number"),
        ({"exclusive": ((0, 1), (1, 2))}, "each attribute once"),
        ({"exclusive": ((1, 1),)}, "each attribute once"),
        ({"at_most_one": ((2, 0),)}, "exclusive groups name each attribute once"),  # 2 is in `exclusive`, too
        ({"groups": ((0, 1), (1, 2))}, "question groups name each attribute once"),
    ],
)
def test_a_spec_that_contradicts_itself_is_refused(change, says):
    with pytest.raises(DataError, match=says):
        DataSpec(**GOOD | change)


@pytest.mark.parametrize(
    ("fact", "name"),
    [
        (DataSpec(**GOOD), "channels"),
        (AttributeScores(("red",), (0.5,)), "probabilities"),
        (Reason("unsure", "the classes tie"), "text"),
        (Verdict("accepted", 0.0, 1.0, 0.01), "outcome"),
        (Decision("cat", {"cat": 1.0, "fox": 0.0}), "label"),
    ],
)
def test_finished_facts_do_not_change(fact, name):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(fact, name, None)


def test_decisions_do_not_share_their_doubts():
    first, second = (Decision("cat", {"cat": 1.0}) for _ in range(2))
    first.doubts["margin"] = 1.0
    assert second.doubts == {}


REASON = Reason("attribute-missing", "'red' is absent", "red", 0.1, 1.0)
VERDICT = Verdict("questioned", 2.0, 1.0, 0.01, (REASON,), "margin", 0.97)
DECISION = Decision("cat", {"cat": 1.0}, (AttributeScores(("red",), (0.1,)),), {"margin": -1.0}, VERDICT)


def test_a_decision_is_written_as_plain_data():
    plain = json.loads(json.dumps(DECISION.to_plain()))
    assert plain["explanations"] == [{"kind": "attributes", "names": ["red"], "probabilities": [0.1]}]
    assert plain["verdict"]["reasons"][0]["expected"] == 1.0
    assert plain["card"] is None


@pytest.mark.parametrize(
    "decision",
    [
        DECISION,
        Decision("fox", {"cat": 0.2, "fox": 0.8}, (SaliencyMask.of(torch.eye(3)),), card=Joint.card),
        Decision(
            "cat, fox",
            {"cat": 0.9, "fox": 0.6},
            labels={"cat": LabelDecision(True, 0.9, {"margin": -2.0}, VERDICT), "fox": LabelDecision(True, 0.6, {})},
        ),
    ],
    ids=["attributes", "a mask and a card", "several labels"],
)
def test_a_decision_is_read_back_as_it_was_written(decision):
    plain = json.loads(json.dumps(decision.to_plain()))
    assert Decision.from_plain(plain) == decision
    assert Decision.from_plain({"path": "a.png", **plain}) == decision, "a row of `explain --json`"


def test_what_json_writes_as_null_is_nan_again():
    nan, verdict = math.nan, Verdict("questioned", math.nan, 1.0, 0.01)
    decision = Decision(
        "cat", {"cat": nan, "fox": 0.5}, doubts={"margin": nan, "softmax": 0.5}, verdict=verdict,
        by_explanation={"cat": nan}, labels={"cat": LabelDecision(True, nan, {"margin": math.inf}, verdict)},
    )  # fmt: skip
    written = json.loads(json.dumps(finite(decision.to_plain()), allow_nan=False))
    assert written["doubts"] == {"margin": None, "softmax": 0.5}
    for plain in (written, decision.to_plain()):
        read = Decision.from_plain(plain)
        assert math.isnan(read.doubts["margin"])
        assert (read.doubts["softmax"], read.probabilities["fox"]) == (0.5, 0.5)
        own = read.labels["cat"]
        found = (read.probabilities["cat"], read.by_explanation["cat"], read.verdict.score, own.probability)
        assert all(map(math.isnan, (*found, own.doubts["margin"], own.verdict.score)))
    with pytest.raises(DataError, match=r"decision\.verdict\.alpha: got None, needs a number"):
        Decision.from_plain({**written, "verdict": {**written["verdict"], "alpha": None}})


def test_a_decision_of_an_earlier_version_is_read():
    card = {key: value for key, value in dataclasses.asdict(Joint.card).items() if key != "explanation"}
    reasons = [
        {"code": "attribute-missing", "text": "no red", "attribute": "red", "probability": 0.1, "expected": 1.0},
        {"code": "attribute-agrees", "text": "round", "attribute": "round", "probability": 0.9, "expected": 1.0},
    ]
    old = {
        "label": "cat",
        "probabilities": {"cat": 1.0},
        "explanans": {"names": ["red"], "probabilities": [0.1], "kind": "attributes"},
        "doubt": {"margin": -1.0},
        "verdict": {"outcome": "questioned", "score": 2.0, "threshold": 1.0, "alpha": 0.01, "reasons": reasons},
        "card": {**card, "explanans": "probabilities"},
        "by_explanation": {},
        "corrected": {},
    }
    read = Decision.from_plain(old)
    assert read.explanations == (AttributeScores(("red",), (0.1,)),)
    assert read.doubts == {"margin": -1.0}
    assert [reason.agrees for reason in read.verdict.reasons] == [False, True]
    assert read.card.explanation == "probabilities"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"labels": {"cat": {"present": 1}}}, "labels.cat"),
        ({"color": 1}, "no key 'color'"),
        ({"labels": 3}, r"^decision\.labels: needs a mapping; got 3"),
        (
            {"explanations": [{"kind": "attribute"}]},
            r"^decision\.explanations\.0\.kind: no kind of explanation is called 'attribute'. Did you mean",
        ),
        ({"explanations": 3}, "explanations is a list"),
        ({"explanans": {"kind": "mask"}, "verdict": "x"}, "this is not a decision written by antehoc"),
        (
            {"explanations": [{"kind": "attributes", "names": ["red"], "probabilities": []}]},
            r"explanations\.0: .* a probability each",
        ),
        ({"explanations": [3]}, r"explanations\.0"),
    ],
)
def test_values_that_are_no_decision_are_refused_at_their_place(change, says):
    with pytest.raises(DataError, match=says):
        Decision.from_plain(DECISION.to_plain() | change)
    with pytest.raises(DataError, match="must be a mapping"):
        Decision.from_plain([])


def test_a_batch_carries_activations_only_when_asked():
    assert Batch(torch.zeros(1, 1, 8, 8), torch.zeros(1), torch.zeros(1, 0)).activations == ()


def test_the_roles_are_those_of_the_type():
    assert get_args(Role) == ROLES


@checked
def difference(left: Float[Tensor, " batch"], right: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    return left - right


def test_a_checked_function_lets_through_what_lines_up():
    assert difference(torch.ones(3), torch.ones(3)).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "right",
    [
        torch.ones(1),
        torch.ones(3, 1),
        torch.tensor(1.0),
        torch.ones(4),
        torch.ones(3, dtype=torch.int64),
        [1.0, 1.0, 1.0],
    ],
    ids=["a stray 1", "a column", "a scalar", "too long", "whole numbers", "a list"],
)
def test_a_checked_function_refuses_what_would_broadcast_or_fail_later(right):
    with pytest.raises(TypeError):
        difference(torch.ones(3), right)


def test_a_checked_function_checks_what_it_returns():
    @checked
    def total(score: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        return score.sum()

    with pytest.raises(TypeError):
        total(torch.ones(3))


def test_a_decision_is_contradicted_where_its_explanation_names_another_class_clearly():
    shares = {"cat": 0.3, "fox": 0.7}
    assert Decision("fox", shares, by_explanation={"cat": 0.6, "fox": 0.4}).contradicted_by == "cat"
    assert Decision("fox", shares, by_explanation={"cat": 0.5, "fox": 0.5}).contradicted_by == "cat"
    assert Decision("fox", shares, by_explanation={"cat": 0.4, "fox": 0.35, "hen": 0.25}).contradicted_by is None
    assert Decision("fox", shares, by_explanation={"cat": 0.1, "fox": 0.9}).contradicted_by is None
    assert Decision("fox", shares).contradicted_by is None
