"""Output, doubts and policy to a `Decision`: the only place where a verdict is reached."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from antehoc import task
from antehoc.calibration import Policy
from antehoc.doubts import DOUBTS
from antehoc.systems.base import System
from antehoc.types import Decision, LabelDecision, Reason, Verdict


@torch.no_grad()
def decide(system: System[Any], policy: Policy | None, image: Tensor) -> list[Decision]:
    """Decide, explain and question a batch of images.

    Args:
        system: it is put into eval mode.
        policy: its calibration; without one the decisions carry no verdict.
        image: (B, C, H, W) in 0..1.
    Returns:
        One decision per image.
    """
    if system.training:  # batch norm would move, and answer by the batch
        system.eval()
    output = system.look(image, system(image))
    spec, explanations = system.spec, system.explain(output)
    named = task.named(spec.task, output.logits)
    shares = task.probabilities(spec.task, output.logits).tolist()
    fits, near = system.by_explanation(output), system.nearest(output)
    judged = _judged(system, policy, output)
    return [
        Decision(
            label=", ".join(spec.classes[number] for number in named[index]),
            probabilities=dict(zip(spec.classes, row, strict=True)),
            explanations=explanations[index],
            doubts=judged[index].doubts,
            verdict=judged[index].verdict,
            card=system.card,
            by_explanation={} if fits is None else dict(zip(spec.classes, fits[index].tolist(), strict=True)),
            labels=judged[index].labels,
            nearest={} if near is None else _counted(near[index].tolist(), spec.classes),
        )
        for index, row in enumerate(shares)
    ]


def _counted(numbers: Sequence[int], classes: Sequence[str]) -> dict[str, int]:
    """How often each class occurs, the most frequent first; of equal ones the one that comes first."""
    return {classes[number]: count for number, count in Counter(numbers).most_common()}


class Judged(NamedTuple):
    """Doubts and verdict of one image and, with several labels, of each of them."""

    doubts: dict[str, float]
    verdict: Verdict | None
    labels: dict[str, LabelDecision]


def _judged(system: System[Any], policy: Policy | None, output: Any) -> list[Judged]:
    doubts, reasons = system.all_doubts(output), system.reasons(output)
    spec, predicted = system.spec, system.predicted(output)
    if spec.task == "single-label":
        numbers = predicted.tolist()
        own = [found.get(number, []) for found, number in zip(reasons, numbers, strict=True)]
        verdicts = judge(policy, doubts, numbers, spec.classes, own)
        columns = {name: value.tolist() for name, value in doubts.items()}
        return [
            Judged({name: column[index] for name, column in columns.items()}, verdict, {})
            for index, verdict in enumerate(verdicts)
        ]
    shares = task.probabilities(spec.task, output.logits)
    found = []
    for index, row in enumerate(predicted):  # each label of an image is a decision of its own
        values = {name: value[index] for name, value in doubts.items()}
        own = [reasons[index].get(number, []) for number in range(len(spec.classes))]
        verdicts = judge(policy, values, list(range(len(spec.classes))), spec.classes, own)
        labels = {
            name: LabelDecision(
                present=bool(row[number]),
                probability=float(shares[index, number]),
                doubts={doubt: float(value[number]) for doubt, value in values.items()},
                verdict=verdicts[number],
            )
            for number, name in enumerate(spec.classes)
        }
        largest = {name: float(value.max()) for name, value in values.items()}
        found.append(Judged(largest, _most_doubtful(verdicts), labels))
    return found


def _most_doubtful(verdicts: Sequence[Verdict | None]) -> Verdict | None:
    """The verdict furthest above its threshold, or least below it; one that is questioned before all others."""
    known = [verdict for verdict in verdicts if verdict is not None]
    if not known:
        return None
    return max(known, key=lambda verdict: (verdict.outcome == "questioned", verdict.score - verdict.threshold))


def judge(
    policy: Policy | None,
    doubts: Mapping[str, Tensor],
    numbers: Sequence[int],
    classes: Sequence[str],
    reasons: Sequence[Sequence[Reason]],
) -> list[Verdict | None]:
    """The verdicts of decisions.

    Args:
        policy: None: every verdict is None.
        doubts: (n,) of each decision, by name.
        numbers: of the class that each decision is about.
        classes: their names.
        reasons: what each decision's explanation says for and against it.
    """
    if policy is None:
        return [None] * len(numbers)
    values = policy.score(doubts)
    scores, ranks, drivers = values.tolist(), policy.ranks(values), policy.drivers(doubts)
    device = next(iter(doubts.values())).device
    limits = policy.thresholds(torch.tensor(numbers, device=device)).tolist()
    parts = {name: value.tolist() for name, value in policy.contributions(doubts).items()}
    verdicts: list[Verdict | None] = []
    for index, (score, limit) in enumerate(zip(scores, limits, strict=True)):
        questioned = not score <= limit  # so that a NaN is questioned
        own = {name: column[index] for name, column in parts.items()}
        agree = [reason for reason in reasons[index] if reason.agrees]
        disagree = [reason for reason in reasons[index] if not reason.agrees]
        others = _doubt_reasons(own, score, classes[numbers[index]], alone=questioned and not disagree)
        said = {reason.code for reason in disagree}
        against = disagree + [reason for reason in others if reason.code not in said]
        verdicts.append(
            Verdict(
                outcome="questioned" if questioned else "accepted",
                score=score,
                threshold=limit,
                alpha=policy.alpha,
                reasons=tuple(against + agree if questioned else agree + disagree),
                driven_by=drivers[index],
                rank=ranks[index],
            )
        )
    return verdicts


def _doubt_reasons(contributions: Mapping[str, float], score: float, label: str, *, alone: bool) -> list[Reason]:
    """The reasons of doubts that make a third of the score or more, the largest first.

    Where nothing else speaks against a questioned decision (`alone`), the largest is given, however small its share.
    """
    known = [name for name in DOUBTS if name in contributions]
    large = sorted(
        (name for name in known if not DOUBTS[name].alone and contributions[name] > score / 3),
        key=lambda name: -contributions[name],
    )
    if alone and not large:
        large = sorted(known, key=lambda name: -contributions[name])[:1]
    return [Reason(DOUBTS[name].code, DOUBTS[name].sentence.format(name=repr(label))) for name in large]
