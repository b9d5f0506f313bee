"""Output, doubt and policy to a `Decision`: the only place where a verdict is reached."""

from typing import Any

import torch
from torch import Tensor

from antehoc.calibration import Policy
from antehoc.systems.base import System
from antehoc.types import Decision, Reason, Verdict

_UNLIKE = "the image is unlike the training images of the class {name!r}"
_STRANGE = "the image as a whole is unlike the training images"
_HALF = "the attributes fit the class {name!r} less surely than in decisions that are right"
_UNSURE = "the classifier itself is unsure: its second choice is close"


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
    rows = output.logits.softmax(1).tolist()
    verdicts = _verdicts(system, policy, output, doubts) if policy else [None] * len(rows)
    columns = {name: value.tolist() for name, value in doubts.items()}
    names = system.spec.classes
    return [
        Decision(
            label=names[max(range(len(row)), key=row.__getitem__)],
            probabilities=dict(zip(names, row, strict=True)),
            explanans=explanans[index],
            doubt={name: column[index] for name, column in columns.items()},
            verdict=verdicts[index],
            card=system.card,
        )
        for index, row in enumerate(rows)
    ]


def _verdicts(system: System[Any], policy: Policy, output: Any, doubts: dict[str, Tensor]) -> list[Verdict]:
    scores = policy.score(doubts).tolist()
    parts = {name: value.tolist() for name, value in policy.contributions(doubts).items()}
    reasons = system.reasons(output)
    labels = [system.spec.classes[number] for number in output.logits.argmax(1).tolist()]
    verdicts = []
    for index, score in enumerate(scores):
        questioned = not score <= policy.threshold  # so that a NaN is questioned, too
        own = {name: column[index] for name, column in parts.items()}
        agree, disagree = reasons[index]
        against = disagree + _other_reasons(own, score, labels[index], alone=questioned and not disagree)
        verdicts.append(
            Verdict(
                outcome="questioned" if questioned else "accepted",
                score=score,
                threshold=policy.threshold,
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
        "likelihood": Reason("attributes-unsure", _HALF.format(name=label)),
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
