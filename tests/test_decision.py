"""Output, doubt and policy to a decision, asked of a real system with a policy made by hand."""

import dataclasses
import math

import pytest
import torch
from torch.testing import assert_close

from antehoc.calibration import Evidence, Policy
from antehoc.decision import decide
from antehoc.systems import Mirror
from antehoc.types import AttributeScores, DataSpec, Decision

SPEC = DataSpec(("cat", "fox"), 1, 8, 8, ("red", "long"), ((0.0, 1.0), (1.0, 1.0)))
LINEAR = Evidence((0.0, 1.0), (0.0, 1 - math.exp(-1)), 1.0)  # the doubt itself, above 0


def rule(name: str, threshold: float) -> Policy:
    return Policy(name, (name,), (), (1.0,), threshold, 0.05, 0.05, "expected", 0, 0, 100)


def combined(threshold: float, **weights: float) -> Policy:
    return Policy(
        "combined", tuple(weights), (LINEAR,) * len(weights), tuple(weights.values()),
        threshold, 0.05, 0.05, "expected", 100, 10, 100,
    )  # fmt: skip


class Told:
    """Builds a mirror whose heads say what a test needs: class and attribute logits, whatever the image."""

    def __call__(self, logits: tuple[float, float], attributes: tuple[float, float], far: float = 1.0) -> Mirror:
        system = Mirror(SPEC, backbone="tiny").eval()
        with torch.no_grad():
            for head, said in ((system.main.head, logits), (system.mirror.head, attributes)):
                head.weight.zero_()
                head.bias.copy_(torch.tensor(said))
            system.distance.mean.add_(far)
        return system


@pytest.fixture
def told() -> Told:
    return Told()


IMAGE = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def one(system: Mirror, policy: Policy | None) -> Decision:
    (decision,) = decide(system, policy, IMAGE)
    return decision


def test_a_decision_holds_what_the_system_says(told):
    system = told((1.0, 3.0), (2.0, -2.0))
    decision = one(system, None)
    assert decision.label == "fox"
    assert list(decision.probabilities) == ["cat", "fox"]
    assert decision.probabilities["fox"] == pytest.approx(1 / (1 + math.exp(-2)))
    assert isinstance(decision.explanans, AttributeScores)
    assert decision.explanans.probabilities == pytest.approx((0.8808, 0.1192), abs=1e-4)
    assert set(decision.doubt) == {"support", "likelihood", "distance", "margin", "softmax"}
    assert decision.doubt["margin"] == -2
    assert decision.card is system.card


def test_without_a_policy_there_is_no_verdict(told):
    assert one(told((1.0, 3.0), (2.0, 2.0)), None).verdict is None


def test_a_score_on_the_threshold_is_accepted_and_the_least_more_is_questioned(told):
    system = told((0.0, 2.0), (2.0, 2.0))
    score = one(system, rule("margin", 0.0)).verdict.score
    assert score == -2
    assert one(system, rule("margin", score)).verdict.outcome == "accepted"
    assert one(system, rule("margin", math.nextafter(score, -math.inf))).verdict.outcome == "questioned"


def test_a_verdict_repeats_threshold_and_alpha(told):
    verdict = one(told((0.0, 2.0), (2.0, 2.0)), rule("softmax", 0.25)).verdict
    assert (verdict.threshold, verdict.alpha) == (0.25, 0.05)
    assert verdict.score == pytest.approx(1 / (1 + math.exp(2)))


def test_a_score_that_is_no_number_is_questioned(told):
    system = told((0.0, 2.0), (2.0, 2.0))
    with torch.no_grad():
        system.distance.mean.fill_(math.nan)
    verdict = one(system, rule("distance", 1e9)).verdict
    assert math.isnan(verdict.score)
    assert verdict.outcome == "questioned"


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.verdict.reasons]


def test_an_accepted_decision_names_what_agrees_first(told):
    decision = one(told((0.0, 9.0), (3.0, 2.0)), rule("margin", 0.0))
    assert codes(decision) == ["attribute-agrees", "attribute-agrees"]
    assert [reason.attribute for reason in decision.verdict.reasons] == ["red", "long"], "the surer first"
    assert decision.verdict.reasons[0].text == "'red' is present (0.95), and the class 'fox' has it"
    assert (decision.verdict.reasons[0].probability, decision.verdict.reasons[0].expected) == (
        decision.explanans.probabilities[0],
        1.0,
    )


def test_a_questioned_decision_names_what_disagrees_first(told):
    accepted = one(told((9.0, 0.0), (3.0, 2.0)), rule("margin", 0.0))
    questioned = one(told((9.0, 0.0), (3.0, 2.0)), rule("margin", -100.0))
    assert codes(questioned) == ["fits-another-class", "attribute-unexpected", "attribute-agrees"]
    assert codes(accepted) == ["attribute-agrees", "fits-another-class", "attribute-unexpected"]
    assert questioned.verdict.reasons[0].text == "the attributes fit the class 'fox' better than 'cat'"
    assert questioned.verdict.reasons[1].text == "'red' is present (0.95), but the class 'cat' does not have it"


def test_an_attribute_that_is_asked_for_and_not_seen_is_missing(told):
    decision = one(told((0.0, 9.0), (2.0, -3.0)), rule("margin", -100.0))
    assert codes(decision) == ["attribute-missing", "attribute-agrees"]
    assert decision.verdict.reasons[0].text == "'long' is absent (0.05), but the class 'fox' has it"


def test_an_image_far_from_training_is_said_to_be_unlike_it(told):
    system = told((0.0, 9.0), (2.0, 2.0), far=100.0)
    decision = one(system, combined(1.0, distance=1.0, margin=1.0))
    assert codes(decision) == ["unlike-training", "attribute-agrees", "attribute-agrees"]
    assert decision.verdict.reasons[0].text == "the image is unlike the training images of the class 'fox'"


@pytest.mark.parametrize("name", ["margin", "softmax"])
def test_a_close_second_choice_is_said_to_be_unsure(told, name):
    system = told((2.0, 2.1), (2.0, 2.0))
    shifted = dataclasses.replace(LINEAR, values=(-1.0, 0.0))
    policy = dataclasses.replace(combined(0.01, **{name: 1.0}), evidence=(shifted,))
    decision = one(system, policy)
    assert codes(decision)[0] == "unsure"
    assert decision.verdict.outcome == "questioned"


def test_other_reasons_are_said_from_a_third_of_the_score_on_the_larger_first(told):
    system = told((2.0, 2.1), (2.0, 2.0), far=100.0)
    doubt = one(system, None).doubt
    shifted = dataclasses.replace(LINEAR, values=(-1.0, 0.0))

    def said(distance: float, margin: float) -> list[str]:
        weights = {"distance": distance / doubt["distance"], "margin": margin / (1 + doubt["margin"])}
        policy = dataclasses.replace(combined(0.01, **weights), evidence=(LINEAR, shifted))
        return codes(one(system, policy))[:-2]

    assert said(1.0, 1.0) in (["unlike-training", "unsure"], ["unsure", "unlike-training"])
    assert said(1.0, 0.6) == ["unlike-training", "unsure"]
    assert said(0.6, 1.0) == ["unsure", "unlike-training"]
    assert said(1.0, 0.4) == ["unlike-training"]
    assert said(0.4, 1.0) == ["unsure"]


def test_a_batch_decides_as_its_images_one_by_one():
    system = Mirror(SPEC, backbone="tiny").eval()
    images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    policy = combined(1.5, distance=1.0, margin=1.0, likelihood=0.5)
    together = decide(system, policy, images)
    alone = [decide(system, policy, image[None])[0] for image in images]
    for a, b in zip(together, alone, strict=True):
        assert a.label == b.label
        # a batch is summed in another order than one image
        assert_close(torch.tensor(list(a.doubt.values())), torch.tensor(list(b.doubt.values())), rtol=1e-4, atol=1e-5)
        assert a.verdict.score == pytest.approx(b.verdict.score, rel=1e-4)


def test_deciding_leaves_no_graph_and_no_trace(told):
    system = told((0.0, 9.0), (2.0, 2.0))
    before = {key: value.clone() for key, value in system.state_dict().items()}
    one(system, rule("margin", 0.0))
    assert all(value.equal(before[key]) for key, value in system.state_dict().items())
    assert all(parameter.grad is None for parameter in system.parameters())
