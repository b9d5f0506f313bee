"""Output, doubt and policy to a `Decision`: the only place where a verdict is reached."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from antehoc.calibration import Policy
from antehoc.errors import DataError, near_miss
from antehoc.systems.base import System
from antehoc.types import AttributeScores, DataSpec, Decision, Reason, SaliencyMask, Verdict

_ROUNDING = 1e-6  # probabilities may sum to so much more or less than 1
_UNLIKE = "the image is unlike the training images of the class {name!r}"
_STRANGE = "the image as a whole is unlike the training images"
_HALF = "the attributes fit the class {name!r} less surely than in decisions that are right"
_RIVAL = "the image lies nearer to the training images of another class than is usual for {name!r}"
_PROFILE = "the attributes as a whole look more like another class than is usual for {name!r}"
_UNSURE = "the classifier itself is unsure: its second choice is close"
_NOT_ENOUGH = "what the mask shows carries the class {name!r} less by itself than in decisions that are right"
_NOT_NEEDED = "with what the mask shows removed, the class {name!r} stays more than in decisions that are right"
_WHOLE = "seen whole, the image is the class {name!r} less surely than in decisions that are right"


@torch.no_grad()
def decide(system: System[Any], policy: Policy | None, image: Tensor) -> list[Decision]:
    """Decide, explain and question a batch of images in one pass.

    Args:
        system: in eval mode.
        policy: its calibration; without one the decisions carry no verdict.
        image: (B, C, H, W) in 0..1.
    Returns:
        One decision per image.
    """
    output = system(image)
    doubts = system.doubts(output)
    explanans = system.explain(output)
    predicted = output.logits.argmax(1)
    found = system.considered(output, explanans)
    rows, fits = output.logits.softmax(1).tolist(), found.by_explanation.tolist()
    names = system.spec.classes
    labels = [names[number] for number in predicted.tolist()]
    verdicts = _verdicts(policy, doubts, predicted, labels, found.reasons) if policy else [None] * len(rows)
    columns = {name: value.tolist() for name, value in doubts.items()}
    return [
        Decision(
            label=labels[index],
            probabilities=dict(zip(names, row, strict=True)),
            explanans=explanans[index],
            doubt={name: column[index] for name, column in columns.items()},
            verdict=verdicts[index],
            card=system.card,
            by_explanation=dict(zip(names, fits[index], strict=False)),  # empty where it speaks of no class
        )
        for index, row in enumerate(rows)
    ]


@torch.no_grad()
def intervene(
    system: System[Any], policy: Policy | None, decision: Decision, corrections: Mapping[str, object]
) -> Decision:
    """The decision after a person has corrected some of its attributes.

    Label, class probabilities and what looks past the attributes stay; class scores by explanation, the doubts that
    look at the attributes, score, verdict and reasons follow.

    Args:
        system: in eval mode; the one that made the decision.
        policy: its calibration.
        decision: made by `decide`, or by an earlier intervention.
        corrections: by attribute name: True, False, or a probability in 0..1.
    Raises:
        DataError: an unknown attribute, a value outside 0..1, attributes that exclude each other, a decision without
            attributes (such as one explained by a mask), or one that another model made.
    """
    seen = _attributes(system.spec, policy, decision)
    given = _numbered(system.spec, corrections)
    if not given:
        return decision
    now = _settled(system.spec, seen.probabilities, given)
    explanans = AttributeScores(seen.names, now)
    predicted = torch.tensor([system.spec.classes.index(decision.label)], device=next(system.parameters()).device)
    found = system.reconsider([explanans], predicted)
    doubt = decision.doubt | {name: float(value) for name, value in found.doubts.items()}
    columns = {name: torch.tensor([value], dtype=torch.float64) for name, value in doubt.items()}
    set_by_hand = decision.corrected.keys() | corrections.keys()
    return replace(
        decision,
        explanans=explanans,
        doubt=doubt,
        verdict=_verdicts(policy, columns, predicted, [decision.label], found.reasons)[0] if policy else None,
        by_explanation=dict(zip(system.spec.classes, found.by_explanation[0].tolist(), strict=True)),
        corrected={name: p for name, p in zip(seen.names, now, strict=True) if name in set_by_hand},
    )


def _attributes(spec: DataSpec, policy: Policy | None, decision: Decision) -> AttributeScores:
    """The attributes of a decision, which this model must have made."""
    seen = decision.explanans
    if isinstance(seen, SaliencyMask):
        raise DataError(
            "the decision is explained by a mask, and a person can correct attributes only; leave it as it is."
        )
    if not seen.names:
        raise DataError("the decision names no attributes, so there is nothing to correct.")
    known = set(policy.doubts) <= set(decision.doubt) if policy else True
    if seen.names != spec.attributes or set(decision.probabilities) != set(spec.classes) or not known:
        raise DataError(
            "the decision was made by another model: its classes, attributes or doubts are not this one's; "
            "correct it with the model that made it."
        )
    return seen


def _numbered(spec: DataSpec, corrections: Mapping[str, object]) -> dict[int, float]:
    given = {}
    for name, value in corrections.items():
        if name not in spec.attributes:
            raise DataError(f"no attribute is called {name!r}.{near_miss(name, spec.attributes)}")
        if not isinstance(value, bool | int | float) or not 0 <= value <= 1:
            raise DataError(f"attribute {name!r}: got {value!r}, needs True, False or a probability in 0..1.")
        given[spec.attributes.index(name)] = float(value)
    return given


def _settled(spec: DataSpec, before: tuple[float, ...], given: Mapping[int, float]) -> tuple[float, ...]:
    """The probabilities with those given in place; the rest of a group shares what they leave, in proportion."""
    now = list(before)
    for number, value in given.items():
        now[number] = value
    for group in (*spec.exclusive, *spec.at_most_one):
        fixed, rest = [n for n in group if n in given], [n for n in group if n not in given]
        if all(before[n] == given[n] for n in fixed):
            continue  # nothing is said of it, or nothing new: no rounding either
        none = 0.0 if group in spec.exclusive else max(0.0, 1 - sum(before[n] for n in group))
        left, total = 1 - sum(given[n] for n in fixed), sum(before[n] for n in rest) + none
        if left < -_ROUNDING or (left > _ROUNDING and not rest and group in spec.exclusive):
            names = ", ".join(repr(spec.attributes[n]) for n in fixed)
            count = "exactly" if group in spec.exclusive else "at most"
            raise DataError(f"of {names} {count} one can hold, and their probabilities sum to {1 - left:g}.")
        for n in rest:
            equal = 1 / len(rest) if group in spec.exclusive else 0.0  # "none" takes what nobody else had
            now[n] = max(left, 0.0) * (before[n] / total if total > 0 else equal)
    return tuple(now)


def _verdicts(
    policy: Policy,
    doubts: Mapping[str, Tensor],
    predicted: Tensor,
    labels: list[str],
    reasons: list[tuple[list[Reason], list[Reason]]],
) -> list[Verdict]:
    scores = policy.score(doubts).tolist()
    limits = policy.thresholds(predicted).tolist()
    parts = {name: value.tolist() for name, value in policy.contributions(doubts).items()}
    verdicts = []
    for index, (score, limit) in enumerate(zip(scores, limits, strict=True)):
        questioned = not score <= limit  # so that a NaN is questioned, too
        own = {name: column[index] for name, column in parts.items()}
        agree, disagree = reasons[index]
        others = _other_reasons(own, score, labels[index], alone=questioned and not disagree)
        said = {reason.code for reason in disagree}
        against = disagree + [reason for reason in others if reason.code not in said]
        verdicts.append(
            Verdict(
                outcome="questioned" if questioned else "accepted",
                score=score,
                threshold=limit,
                alpha=policy.alpha,
                reasons=tuple(against + agree if questioned else agree + disagree),
            )
        )
    return verdicts


def _other_reasons(contributions: dict[str, float], score: float, label: str, *, alone: bool) -> list[Reason]:
    """Reasons that are no single attribute's: said where they make a third of the score or more, the larger first.

    Where nothing else speaks against a questioned decision (`alone`), the largest is said whatever its share.
    """
    texts = {
        "stages": Reason("unlike-training", _STRANGE),
        "distance": Reason("unlike-training", _UNLIKE.format(name=label)),
        "rival": Reason("like-another-class", _RIVAL.format(name=label)),
        "profile": Reason("like-another-class", _PROFILE.format(name=label)),
        "likelihood": Reason("attributes-unsure", _HALF.format(name=label)),
        "entropy": Reason("unsure", _UNSURE),
        "sufficiency": Reason("mask-not-enough", _NOT_ENOUGH.format(name=label)),
        "necessity": Reason("mask-not-needed", _NOT_NEEDED.format(name=label)),
        "whole": Reason("whole-disagrees", _WHOLE.format(name=label)),
        "margin": Reason("unsure", _UNSURE),
        "softmax": Reason("unsure", _UNSURE),
    }
    large = sorted(
        (n for n in texts if n != "likelihood" and n in contributions and contributions[n] > score / 3),
        key=lambda n: -contributions[n],
    )
    if alone and not large:
        large = sorted((name for name in texts if name in contributions), key=lambda n: -contributions[n])[:1]
    return [texts[name] for name in large]
