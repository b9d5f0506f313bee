"""Which images a report shows with their decisions: cases of each kind, and one of each set of unknown images."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from antehoc.calibration import Policy
from antehoc.data.examples import Examples
from antehoc.doubts import likelihood, rules
from antehoc.evaluation.scoring import Scored
from antehoc.model import Model
from antehoc.model.decision import decide
from antehoc.spec import DataSpec
from antehoc.task import named, strongest
from antehoc.types import Decision

_MANY_CLASSES = 10  # with more, cases are chosen by verdict instead of by support


@dataclass(frozen=True)
class Shown:
    """One image with its decision, for a picture."""

    title: str
    image: Tensor  #: (C, H, W) in 0..1
    decision: Decision
    truth: str | None  #: the class, or with several labels those present, joined by commas; None: no known class
    of_set: str | None = None  #: the set of unknown or altered images that it stands for; None: a test image


def shown(model: Model, policy: Policy, test: Examples, scored: Scored, unknown: Mapping[str, Examples]) -> list[Shown]:
    """Cases among the test images, and the first image of each further set.

    Args:
        model: decides them.
        policy: its calibration.
        test: the images.
        scored: the same, scored.
        unknown: further images by set.
    """
    found = [
        _show(model, title, test, index, scored.label)
        for title, index in chosen(model.spec, policy, scored).items()
        if index is not None
    ]
    for name, examples in unknown.items():
        known = examples.labels_known  # of an altered test image
        title = f"{'Altered' if known else 'Unknown'}: {name}"
        found.append(_show(model, title, examples, 0, examples.labels if known else None, name))
    return found


def _show(
    model: Model, title: str, examples: Examples, index: int, labels: Tensor | None, of_set: str | None = None
) -> Shown:
    image = examples.batch([index]).image
    decision = decide(model.system, model.policy, image.to(model.device))[0]
    truth = None if labels is None else _truth(model.spec, labels[index])
    return Shown(title, image[0], decision, truth, of_set)


def _truth(spec: DataSpec, label: Tensor) -> str:
    """The true class, or the labels that are present."""
    if spec.task == "single-label":
        return spec.classes[int(label)]
    (present,) = named(spec.task, label[None] - 0.5)
    return ", ".join(spec.classes[number] for number in present)


def chosen(spec: DataSpec, policy: Policy, scored: Scored) -> dict[str, int | None]:
    """The number of the image for each kind of case, by title; None where no image is of that kind."""
    if "attributes" not in scored.columns or scored.task != "single-label":
        wrong = scored.wrong if scored.wrong.ndim == 1 else scored.wrong.any(1)
        return {"A wrong decision": _first(wrong), "A correct decision": _first(~wrong)}
    many = scored.logits.shape[1] > _MANY_CLASSES
    return _by_verdict(spec, policy, scored) if many else _by_support(spec, scored)


def _by_verdict(spec: DataSpec, policy: Policy, scored: Scored) -> dict[str, int | None]:
    """One image of each kind, the one in the middle of its kind by score: neither the best nor the worst."""
    wrong, verdict = scored.wrong, policy.score(scored.doubts)
    questioned = verdict > policy.thresholds(scored.about)
    own = torch.tensor(spec.class_attributes)
    fits = likelihood.log_likelihood(scored.columns["attributes"], own, spec.exclusive, at_most_one=spec.at_most_one)
    fit, found = strongest(fits), wrong & questioned
    return {
        "Correct and accepted": _middle(~wrong & ~questioned, verdict),
        "Wrong and questioned: the attributes fit the true class best": _middle(found & (fit == scored.label), verdict),
        "Wrong and questioned: the attributes fit a third class best": _middle(
            found & (fit != scored.label) & (fit != scored.predicted), verdict
        ),
        "Wrong and questioned, though the attributes fit the decided class best": _middle(
            found & (fit == scored.predicted), verdict
        ),
        "Correct, but questioned": _middle(~wrong & questioned, verdict),
        "Wrong, but accepted": _middle(wrong & ~questioned, verdict),
    }


def _middle(flags: Tensor, score: Tensor) -> int | None:
    found = flags.nonzero()[:, 0]
    return int(found[score[found].argsort(stable=True)[len(found) // 2]]) if len(found) else None


def _by_support(spec: DataSpec, scored: Scored) -> dict[str, int | None]:
    """The first image of each kind, by the share of each class's expected attributes that are present."""
    wrong, own = scored.wrong, torch.tensor(spec.class_attributes)
    confidence = rules.support_confidence(scored.columns["attributes"], own)
    mine = confidence.gather(1, scored.predicted[:, None])[:, 0]
    top = confidence.amax(1)
    tied = (confidence == top[:, None]).sum(1) > 1
    return {
        "Wrong, no expected attribute is present": _first(wrong & (mine == 0) & (top > 0)),
        "Wrong, the attributes tie": _first(wrong & (mine == top) & tied),
        "Wrong, another class fits better": _first(wrong & (mine > 0) & (mine < top)),
        "Wrong, and the attributes agree with it": _first(wrong & (mine == top) & ~tied),
        "Correct": _first(~wrong & (mine == top)),
    }


def _first(flags: Tensor) -> int | None:
    found = flags.nonzero()
    return int(found[0]) if len(found) else None
