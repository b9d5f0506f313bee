"""Output, doubt and policy to a decision, asked of a real system with a policy made by hand."""

import dataclasses
import json
import math
from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from antehoc.calibration import Evidence, Policy
from antehoc.errors import DataError
from antehoc.explanations import AttributeScores, SaliencyMask
from antehoc.model import load
from antehoc.model.correction import intervene
from antehoc.model.decision import decide
from antehoc.recipe import read_recipe
from antehoc.report import text
from antehoc.systems import Mirror
from antehoc.types import DataSpec, Decision, Reason

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


def masked(sufficiency: float, necessity: float, *against: Reason, whole: float = 0.0) -> Mirror:
    """A mirror told to explain by a mask, with doubts of its size and a reason that the image alone gives."""
    system = Mirror(SPEC, backbone="tiny").eval()

    def doubts(output):
        zero = output.logits[:, 0] * 0
        return {
            "sufficiency": zero + sufficiency,
            "necessity": zero + necessity,
            "whole": zero + whole,
        }

    system.explain = lambda output: [(SaliencyMask.of(torch.full((8, 8), 0.25)),) for _ in output.logits]
    system.doubts = doubts
    system.by_explanation = lambda output: None
    system.reasons = lambda output: [{number: list(against)} for number in system.predicted(output).tolist()]
    return system


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
    assert isinstance(decision.explanations[0], AttributeScores)
    assert decision.explanations[0].probabilities == pytest.approx((0.8808, 0.1192), abs=1e-4)
    rules = {"support", "top-n", "top-n-centred", "likelihood"}
    assert decision.nearest == {}, "it keeps no training images"
    assert set(decision.doubts) == rules | {"distance", "rival", "margin", "entropy", "softmax", "confidence", "energy"}
    assert decision.doubts["margin"] == -2
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
        decision.explanations[0].probabilities[0],
        1.0,
    )


def test_a_questioned_decision_names_what_disagrees_first(told):
    accepted = one(told((9.0, 0.0), (3.0, 2.0)), rule("margin", 0.0))
    questioned = one(told((9.0, 0.0), (3.0, 2.0)), rule("margin", -100.0))
    assert codes(questioned) == ["fits-another-class", "attribute-unexpected", "attribute-agrees"]
    assert codes(accepted) == ["attribute-agrees", "fits-another-class", "attribute-unexpected"]
    assert questioned.verdict.reasons[0].text == "the attributes fit the class 'fox' (0.95) better than 'cat' (0.05)"
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
    doubt = one(system, None).doubts
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


def test_a_decision_tells_which_class_the_attributes_fit(told):
    decision = one(told((9.0, 0.0), (3.0, 2.0)), None)
    # 'long' is asked for by both: only 'red' tells them apart, and a logit of 3 is a ratio of e^3
    assert decision.by_explanation == pytest.approx({"cat": 1 / (1 + math.exp(3)), "fox": 1 / (1 + math.exp(-3))})
    assert decision.corrected == {}


def test_a_batch_decides_as_its_images_one_by_one():
    system = Mirror(SPEC, backbone="tiny").eval()
    images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    policy = combined(1.5, distance=1.0, margin=1.0, likelihood=0.5)
    together = decide(system, policy, images)
    alone = [decide(system, policy, image[None])[0] for image in images]
    for a, b in zip(together, alone, strict=True):
        assert a.label == b.label
        # a batch is summed in another order than one image
        assert_close(torch.tensor(list(a.doubts.values())), torch.tensor(list(b.doubts.values())), rtol=1e-4, atol=1e-5)
        assert a.verdict.score == pytest.approx(b.verdict.score, rel=1e-4)


def test_deciding_leaves_no_graph_and_no_trace(told):
    system = told((0.0, 9.0), (2.0, 2.0))
    before = {key: value.clone() for key, value in system.state_dict().items()}
    one(system, rule("margin", 0.0))
    assert all(value.equal(before[key]) for key, value in system.state_dict().items())
    assert all(parameter.grad is None for parameter in system.parameters())


# What explains the decision is a mask

MASK_DOUBTS = combined(1.0, sufficiency=1.0, necessity=1.0, margin=1.0, whole=1.0)


@pytest.mark.parametrize(
    ("sufficiency", "necessity", "said"),
    [
        (3.0, 2.9, ["mask-not-enough", "mask-not-needed"]),
        (2.9, 3.0, ["mask-not-needed", "mask-not-enough"]),
        (3.0, 0.1, ["mask-not-enough"]),
        (0.0, 0.1, []),  # accepted, with nothing against it
    ],
)
def test_a_mask_that_is_not_enough_or_not_needed_is_said_the_larger_first(sufficiency, necessity, said):
    decision = one(masked(sufficiency, necessity), MASK_DOUBTS)
    assert (decision.explanations[0].height, decision.explanations[0].kind) == (8, "mask")
    assert codes(decision) == [*said]
    assert all(decision.label in reason.text for reason in decision.verdict.reasons)


def test_a_whole_image_that_is_less_surely_so_is_said_and_once():
    decision = one(masked(0.0, 0.0, whole=3.0), MASK_DOUBTS)
    assert codes(decision) == ["whole-disagrees"]
    assert decision.verdict.reasons[0].text.startswith(
        f"on the whole image the class '{decision.label}' is less probable"
    )
    own = Reason("whole-disagrees", "the whole image is decided otherwise: 'cat' (0.93)")
    assert one(masked(0.0, 0.0, own, whole=3.0), MASK_DOUBTS).verdict.reasons == (own,)


def test_what_the_system_says_of_the_image_takes_the_place_of_the_general_words():
    own = Reason("mask-not-enough", "what the mask shows does not carry the decision by itself: seen alone it is 'cat'")
    decision = one(masked(3.0, 2.9, own), MASK_DOUBTS)
    assert decision.verdict.reasons[0] == own
    assert codes(decision) == ["mask-not-enough", "mask-not-needed"]


def test_a_mask_cannot_be_corrected():
    system = masked(0.0, 0.0)
    with pytest.raises(DataError, match=r"^the decision is explained by the mask, .*; leave it as it is\.$"):
        intervene(system, MASK_DOUBTS, one(system, MASK_DOUBTS), {"red": True})


# A person corrects an attribute

BIRDS = DataSpec(
    ("gull", "heron", "finch"),
    1,
    8,
    8,
    ("hooked", "dagger", "cone", "red", "blue", "crest"),
    ((0.9, 0.1, 0.0, 0.0, 0.1, 0.0), (0.0, 1.0, 0.0, 0.0, 0.6, 0.8), (0.1, 0.0, 0.9, 0.7, 0.2, 0.2)),
    exclusive=((0, 1, 2),),
    at_most_one=((3, 4),),
)
MIXED = combined(1.0, likelihood=1.0, margin=0.5)
numbers = st.booleans() | st.floats(0, 1)


@cache
def seen(seed: int) -> tuple[Mirror, Decision]:
    """A mirror of birds with random heads, and its decision on an image."""
    generator = torch.Generator().manual_seed(seed)
    system = Mirror(BIRDS, backbone="tiny").eval()
    with torch.no_grad():
        for head in (system.main.head, system.mirror.head):
            head.weight.zero_()
            head.bias.copy_(2 * torch.randn(head.bias.shape, generator=generator))
    return system, decide(system, MIXED, IMAGE)[0]


def probabilities(decision: Decision) -> dict[str, float]:
    return dict(zip(decision.explanations[0].names, decision.explanations[0].probabilities, strict=True))


def test_a_corrected_attribute_turns_a_questioned_decision(told):
    system, policy = told((9.0, 0.0), (3.0, 2.0)), rule("likelihood", 0.0)
    before = one(system, policy)
    assert (before.label, before.verdict.outcome, before.verdict.score) == ("cat", "questioned", pytest.approx(3))
    after = intervene(system, policy, before, {"red": False})
    assert (after.label, after.probabilities, after.card) == ("cat", before.probabilities, before.card)
    assert after.corrected == {"red": 0.0}
    assert probabilities(after) == {"red": 0.0, "long": probabilities(before)["long"]}
    sure = math.log(0.999 / 0.001)  # what the likelihood's clamp leaves of a certainty
    assert after.doubts == {**before.doubts, "likelihood": pytest.approx(-sure)}
    assert (after.verdict.outcome, after.verdict.score) == ("accepted", pytest.approx(-sure))
    assert (after.verdict.threshold, after.verdict.alpha) == (before.verdict.threshold, before.verdict.alpha)
    assert after.by_explanation["cat"] == pytest.approx(0.999)
    assert codes(after) == ["attribute-agrees", "attribute-agrees"]
    assert after.verdict.reasons[0].text == "'red' is absent (0.00), and the class 'cat' does not have it"
    assert before == one(system, policy), "the decision itself is left as it was"


def test_a_correction_may_question_a_decision_that_was_accepted(told):
    system = told((0.0, 9.0), (3.0, 2.0))
    policy = combined(1.0, likelihood=1.0, margin=1.0)
    before = one(system, policy)
    after = intervene(system, policy, before, {"red": False})
    assert (before.verdict.outcome, after.verdict.outcome) == ("accepted", "questioned")
    assert codes(after)[:2] == ["fits-another-class", "attribute-missing"]
    assert after.verdict.score > before.verdict.score + 6


def test_an_uncalibrated_decision_can_be_corrected_and_carries_no_verdict(told):
    system = told((9.0, 0.0), (3.0, 2.0))
    after = intervene(system, None, one(system, None), {"red": 0})
    assert after.verdict is None
    assert after.by_explanation["cat"] == pytest.approx(0.999)


def test_groups_follow_a_correction_by_hand():
    system, before = seen(0)
    was = probabilities(before)
    now = probabilities(intervene(system, MIXED, before, {"dagger": True, "red": 0.5}))
    assert (now["hooked"], now["dagger"], now["cone"]) == (0, 1, 0)
    assert now["blue"] == pytest.approx(0.5 * was["blue"] / (1 - was["red"])), "beside it 'none' has its share"
    assert now["crest"] == was["crest"]
    now = probabilities(intervene(system, MIXED, before, {"dagger": False}))
    assert now["dagger"] == 0
    assert now["hooked"] + now["cone"] == pytest.approx(1)
    assert now["hooked"] / now["cone"] == pytest.approx(was["hooked"] / was["cone"])
    assert now["red"] == was["red"]
    back = intervene(system, MIXED, intervene(system, MIXED, before, {"dagger": 1, "red": 1}), {"dagger": 0, "red": 0})
    now = probabilities(back)
    assert (now["hooked"], now["cone"], now["blue"]) == (0.5, 0.5, 0), "what a certainty left cannot be told apart"


@given(seed=st.integers(0, 9), data=st.data())
def test_after_any_correction_groups_keep_their_sums_and_the_values_stand(seed, data):
    system, decision = seen(seed)
    for _ in range(2):
        name, value = data.draw(st.sampled_from(BIRDS.attributes)), data.draw(numbers)
        decision = intervene(system, MIXED, decision, {name: value})
        now = list(decision.explanations[0].probabilities)
        assert probabilities(decision)[name] == value
        assert sum(now[:3]) == pytest.approx(1)
        assert sum(now[3:5]) <= 1 + 1e-6
        assert sum(decision.by_explanation.values()) == pytest.approx(1)
        assert all(0 <= p <= 1 for p in now)
        best = max(decision.by_explanation, key=decision.by_explanation.__getitem__)
        assert (decision.doubts["likelihood"] > 0) == (best != decision.label)
        assert decision.verdict.score == MIXED.score(
            {k: torch.tensor([v]).double() for k, v in decision.doubts.items()}
        )


@given(seed=st.integers(0, 9), data=st.data())
def test_corrections_of_different_groups_may_come_in_any_order_or_at_once(seed, data):
    system, before = seen(seed)
    names = [data.draw(st.sampled_from(part)) for part in (("hooked", "dagger", "cone"), ("red", "blue"), ("crest",))]
    given_ = {name: data.draw(numbers) for name in names}
    at_once = intervene(system, MIXED, before, given_)
    for order in (names, names[::-1]):
        decision = before
        for name in order:
            decision = intervene(system, MIXED, decision, {name: given_[name]})
        assert decision == at_once
    assert at_once.corrected == given_


@given(seed=st.integers(0, 9), data=st.data())
def test_saying_the_same_again_changes_nothing(seed, data):
    system, before = seen(seed)
    given_ = data.draw(st.dictionaries(st.sampled_from(("dagger", "blue", "crest")), numbers))
    once = intervene(system, MIXED, before, given_)
    assert intervene(system, MIXED, once, given_) == once
    assert intervene(system, MIXED, before, {}) == before


@given(seed=st.integers(0, 9))
def test_confirming_what_is_seen_moves_no_number(seed):
    system, before = seen(seed)
    after = intervene(system, MIXED, before, probabilities(before))
    assert after.explanations == before.explanations
    assert after.by_explanation == pytest.approx(before.by_explanation, abs=1e-6)
    assert after.verdict.score == pytest.approx(before.verdict.score, abs=1e-4)
    assert after.corrected == probabilities(before)


@pytest.mark.parametrize(
    ("corrections", "message"),
    [
        ({"dager": True}, "no attribute is called 'dager'. Did you mean 'dagger'?"),
        ({"crest": 1.5}, "attribute 'crest': got 1.5, needs True, False or a probability in 0..1."),
        ({"crest": math.nan}, "attribute 'crest': got nan, needs"),
        ({"crest": "yes"}, "attribute 'crest': got 'yes', needs"),
        ({"dagger": True, "cone": True}, "of 'dagger', 'cone' exactly one can hold, and their probabilities sum to 2."),
        ({"red": 0.7, "blue": 0.6}, "of 'red', 'blue' at most one can hold, and their probabilities sum to 1.3."),
        ({"hooked": 0, "dagger": 0, "cone": 0}, "of 'hooked', 'dagger', 'cone' exactly one can hold"),
    ],
)
def test_corrections_that_cannot_be_are_refused(corrections, message):
    system, before = seen(0)
    with pytest.raises(DataError) as caught:
        intervene(system, MIXED, before, corrections)
    assert str(caught.value).startswith(message)


def test_none_of_a_group_that_may_be_empty_is_no_contradiction():
    system, before = seen(0)
    after = intervene(system, MIXED, before, {"red": False, "blue": False})
    assert after.corrected == {"red": 0, "blue": 0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"explanations": (AttributeScores((), ()),)}, "the decision names no attributes"),
        ({"explanations": (AttributeScores(("red",), (0.5,)),)}, "the decision was made by another model"),
        ({"probabilities": {"gull": 0.5, "owl": 0.5}}, "the decision was made by another model"),
        ({"doubts": {"margin": -1.0}}, "the decision was made by another model"),
    ],
)
def test_a_decision_that_this_model_did_not_make_is_refused(change, message):
    system, before = seen(0)
    with pytest.raises(DataError, match=message):
        intervene(system, MIXED, dataclasses.replace(before, **change), {"red": True})


def test_the_most_similar_training_images_stand_beside_a_decision(tiny_run):
    model = load(tiny_run.model)
    test = read_recipe(str(tiny_run.recipe))[0].source("tiny.yaml", 0).roles["test"]
    for decision in model.decide(test.images(range(20))):
        assert sum(decision.nearest.values()) == 5
        counts = [*decision.nearest.values()]
        assert counts == sorted(counts, reverse=True)
        assert Decision.from_plain(json.loads(json.dumps(decision.to_plain()))).nearest == decision.nearest
        said = f"The most similar training images are of {next(iter(decision.nearest))} ({counts[0]})"
        assert said in text.decision("a.png", decision)
