"""A deep ensemble beside the verdict of one network: each on its own decisions, and both at the same alpha."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from antehoc import task
from antehoc.calibration import conformal_threshold, least_alpha
from antehoc.data import Examples
from antehoc.evaluation import Scored
from antehoc.figure import defined
from antehoc.metrics.resampled import resampled
from antehoc.metrics.selective import augrc, auroc
from antehoc.model import Model
from antehoc.rivals.logits import max_softmax, rest
from antehoc.studies.failing import CLEAN, CORRUPTED, UNKNOWN, Pool
from antehoc.studies.rivalry import VERDICT, Difference, difference
from antehoc.systems import System

ENSEMBLE, SOFTMAX = "ensemble", "maximum softmax"
_AT_ONCE = 64  # images of a pass


class Decided(NamedTuple):
    """What a classifier decides on some images, and how doubtful each decision is."""

    predicted: Tensor  #: (n,)
    doubt: Tensor  #: (n,)


@dataclass(frozen=True)
class Beside:
    """The ensemble on its own decisions beside the verdict on those of the single network, by kind of failure."""

    kind: str
    ensemble: Mapping[str, float | None]  #: `auroc` and `augrc`
    verdict: Mapping[str, float | None]
    verdict_minus: Mapping[str, Difference | None]


@dataclass(frozen=True)
class Questioned:
    """Shares that a score questions with a threshold at one alpha; None where there is no such decision."""

    score: str
    correct: float | None  #: of correct decisions on clean images
    wrong: float | None  #: of wrong ones on clean images
    corrupted: float | None  #: of wrong ones on corrupted images
    unknown: float | None  #: of decisions on images of no known class


@dataclass(frozen=True)
class Ensemble:
    """A deep ensemble: networks trained alike from other seeds, whose probabilities are averaged."""

    networks: int
    accuracy: float  #: on clean test images
    single_accuracy: float  #: of the one network
    beside: tuple[Beside, ...]


@torch.no_grad()
def logits_of(system: System[Any], examples: Examples) -> Tensor:
    """(n, K) on the CPU: the decisions alone."""
    device = next(system.parameters()).device
    starts = range(0, len(examples), _AT_ONCE)
    rows = [range(start, min(start + _AT_ONCE, len(examples))) for start in starts]
    return torch.cat([system.decision(examples.images(own).to(device)).cpu() for own in rows])


def decided(networks: list[Tensor]) -> Decided:
    """What the mean of the networks' probabilities decides, with 1 minus its largest value as the doubt.

    Args:
        networks: (n, K) logits of each.
    Source:
        Lakshminarayanan, Pritzel and Blundell, "Simple and Scalable Predictive Uncertainty Estimation using Deep
        Ensembles", NeurIPS 2017.
    Differs: without adversarial training, and the networks are trained as the recipe says.
    """
    unlike = torch.stack([rest(logits) for logits in networks]).mean(0)  # 1 minus the mean probability
    return Decided(task.strongest(-unlike), unlike.amin(1))


def further_networks(
    count: int, train: Callable[[int], System[Any]], found: Pool, calibration: Examples
) -> list[tuple[Tensor, Tensor]]:
    """Logits of further networks on the pool and on calibration images; each network is dropped after use."""
    each = []
    for number in range(1, count + 1):
        system = train(number)
        own = torch.cat([logits_of(system, part.examples) for part in found.parts])
        each.append((own, logits_of(system, calibration)))
    return each


def beside(found: Pool, label: Tensor, single: Decided, ensemble: Decided, draws: Tensor) -> tuple[Beside, ...]:
    """Both on every kind of failure, each with its own failures; the same images are drawn for both.

    Args:
        found: the images.
        label: (rows,) true classes.
        single: the network with its verdict's score.
        ensemble: the ensemble.
        draws: (draws, rows) of the images.
    """
    measures = {"auroc": auroc, "augrc": augrc}
    of_both = [(one.doubt, found.kinds(one.predicted != label)) for one in (single, ensemble)]
    rows = []
    for kind in of_both[0][1]:
        values, drawn = [], []
        for doubt, kinds in of_both:
            own, failed = kinds[kind]
            values.append({name: float(measure(doubt[own], failed)) for name, measure in measures.items()})
            drawn.append(resampled(doubt[own], failed, draws[:, own]))
        minus = {
            name: difference(values[0][name], values[1][name], drawn[0][name] - drawn[1][name]) for name in measures
        }
        plain = [{name: defined(value) for name, value in own.items()} for own in values]
        rows.append(Beside(kind, plain[1], plain[0], minus))
    return tuple(rows)


def questioned(
    model: Model, found: Pool, scored: Scored, calibration: Scored, ensemble: tuple[Decided, Decided] | None
) -> tuple[Questioned, ...]:
    """Shares questioned by the verdict, by maximum softmax and by the ensemble, at the verdict's alpha.

    The verdict has the threshold of the model. The other two fit nothing, so all correct decisions on calibration
    images set theirs; where they are too few, at the smallest alpha that they can keep.

    Args:
        model: calibrated.
        found: the images.
        scored: the decisions on them.
        calibration: scored calibration images.
        ensemble: what it decides on the images and on the calibration images.
    """
    policy = model.policy
    assert policy is not None
    wrong = scored.predicted != scored.label
    flags = policy.score(scored.doubts) > policy.thresholds(scored.about)
    rows = [_shares(VERDICT, found, wrong, flags)]
    single = Decided(scored.predicted, max_softmax(scored.logits))
    held = Decided(calibration.predicted, max_softmax(calibration.logits))
    for name, own, kept in [(SOFTMAX, single, held), *([(ENSEMBLE, *ensemble)] if ensemble else [])]:
        correct = kept.doubt[kept.predicted == calibration.label]
        threshold = conformal_threshold(correct, max(policy.alpha, least_alpha(len(correct)))) if len(correct) else 1.0
        rows.append(_shares(name, found, own.predicted != scored.label, own.doubt > threshold))
    return tuple(rows)


def _shares(name: str, found: Pool, wrong: Tensor, flags: Tensor) -> Questioned:
    clean = found.of_kind(CLEAN)
    groups = (clean & ~wrong, clean & wrong, found.of_kind(CORRUPTED) & wrong, found.of_kind(UNKNOWN))
    return Questioned(name, *(defined(float(flags[rows].double().mean())) for rows in groups))
