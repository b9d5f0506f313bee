"""A decision after a person has corrected some of its attributes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from antehoc.calibration import Policy
from antehoc.errors import DataError, near_miss
from antehoc.explanations import AttributeScores, of_kind
from antehoc.model.decision import judge
from antehoc.systems.base import System
from antehoc.types import DataSpec, Decision

_ROUNDING = 1e-6  # probabilities may sum to so much more or less than 1


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
    corrected = AttributeScores(seen.names, now)
    explanations = tuple(corrected if one is seen else one for one in decision.explanations)
    number = system.spec.classes.index(decision.label)
    found = system.reconsider([explanations], torch.tensor([number], device=next(system.parameters()).device))
    doubts = decision.doubts | {name: float(value) for name, value in found.doubts.items()}
    columns = {name: torch.tensor([value], dtype=torch.float64) for name, value in doubts.items()}
    set_by_hand = decision.corrected.keys() | corrections.keys()
    return replace(
        decision,
        explanations=explanations,
        doubts=doubts,
        verdict=judge(policy, columns, [number], system.spec.classes, [found.reasons[0].get(number, [])])[0],
        by_explanation=dict(zip(system.spec.classes, found.by_explanation[0].tolist(), strict=True)),
        corrected={name: p for name, p in zip(seen.names, now, strict=True) if name in set_by_hand},
    )


def _attributes(spec: DataSpec, policy: Policy | None, decision: Decision) -> AttributeScores:
    """The attributes of a decision, which this model must have made."""
    if decision.labels:
        raise DataError("the decision names several labels, and only one of one label can be corrected.")
    seen = of_kind(decision.explanations, AttributeScores)
    if seen is None:
        kinds = ", ".join(one.source for one in decision.explanations) or "nothing"
        raise DataError(
            f"the decision is explained by {kinds}, and a person can correct attributes only; leave it as it is."
        )
    if not seen.names:
        raise DataError("the decision names no attributes, so there is nothing to correct.")
    known = set(policy.doubts) <= set(decision.doubts) if policy else True
    same = set(decision.probabilities) == set(spec.classes) and decision.label in spec.classes
    if seen.names != spec.attributes or not same or not known:
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
            equal = 1 / len(rest) if group in spec.exclusive else 0.0  # "none" takes the rest
            now[n] = max(left, 0.0) * (before[n] / total if total > 0 else equal)
    return tuple(now)
