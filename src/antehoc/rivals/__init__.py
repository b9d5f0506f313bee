"""Rivals of a verdict: scores of other authors that tell failures from the same network's logits and features.

To add one, write the score as a function beside the others, with its source, and name it in `RIVALS`.
"""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from antehoc import task
from antehoc.doubts import Temperature
from antehoc.doubts.certainty import entropy
from antehoc.metrics.peers import peer_scores
from antehoc.rivals import features as by_features
from antehoc.rivals import logits as by_logits
from antehoc.rivals.features import Residual, Spread

_ROWS_AT_ONCE = 512  # distances to all training images are large


class Rows(NamedTuple):
    """What a rival reads of some images, on the CPU."""

    logits: Tensor  #: (n, K)
    features: Tensor | None  #: (n, D) what the dense layer reads; None where a classifier has none
    label: Tensor  #: (n,) true classes, which only a fit reads

    @property
    def read(self) -> Tensor:
        """The features, where a rival needs them."""
        assert self.features is not None
        return self.features

    def part(self, rows: slice) -> "Rows":
        """Some of the images."""
        return Rows(self.logits[rows], None if self.features is None else self.features[rows], self.label[rows])

    @property
    def predicted(self) -> Tensor:
        return task.predicted("single-label", self.logits)


class Known(NamedTuple):
    """What a rival may be fitted on; test images are not among it."""

    train: Rows
    calibration: Rows
    head: nn.Linear | None  #: the classifier's dense layer
    generator: torch.Generator

    @property
    def dense(self) -> nn.Linear:
        """The dense layer, where a rival needs it."""
        assert self.head is not None
        return self.head


Score: TypeAlias = Callable[[Rows], Tensor]  #: (n,) doubts


@dataclass(frozen=True)
class Rival:
    """A score by another author."""

    says: str  #: what a table calls it
    fit: Callable[[Known], Score]
    reads_features: bool = False  #: beside the logits


def _tempered(known: Known) -> Score:
    temperature, rows = Temperature(), known.calibration
    temperature.fit("single-label", rows.logits, rows.label)
    return lambda rows: temperature("single-label", rows.logits).double()


def _max_logit(known: Known) -> Score:
    rows = known.calibration
    norm = by_logits.choose_norm(rows.logits, rows.predicted != rows.label)
    return lambda rows: by_logits.max_softmax(rows.logits) if norm is None else by_logits.max_logit(rows.logits, norm)


def _sirc_norm(known: Known) -> Score:
    spread = Spread.of(by_features.feature_norm(known.calibration.read))
    return lambda rows: by_features.sirc(rows.logits, by_features.feature_norm(rows.read), spread)


def _sirc_residual(known: Known) -> Score:
    residual = Residual(known.train.read, known.dense)
    spread = Spread.of(residual(known.calibration.read))
    return lambda rows: by_features.sirc(rows.logits, residual(rows.read), spread)


def _knn(known: Known) -> Score:
    train, held = known.train.read, known.calibration
    nearest = by_features.choose_nearest(held.read, train, held.predicted != held.label)
    return lambda rows: by_features.knn_distance(rows.read, train, nearest)


def _trust(known: Known) -> Score:
    train = known.train
    return lambda rows: by_features.trust_score(rows.read, train.read, train.label, rows.predicted)


def _dropout(known: Known) -> Score:
    return lambda rows: by_features.monte_carlo_dropout(
        rows.read, known.dense, rows.predicted, generator=known.generator
    )


def _plain(score: Callable[[Tensor], Tensor]) -> Callable[[Known], Score]:
    """A score of logits that nothing is fitted for."""
    return lambda known: lambda rows: score(rows.logits)


SOFTMAX = "softmax"  #: the rival that every verdict is compared with first
RIVALS: Mapping[str, Rival] = {
    SOFTMAX: Rival("maximum softmax (fitted temperature)", _tempered),
    "max_logit": Rival("maximum logit (p-norm)", _max_logit),
    "gen": Rival("GEN", _plain(by_logits.generalized_entropy)),
    "doctor_alpha": Rival("DOCTOR alpha", _plain(by_logits.doctor_alpha)),
    "doctor_beta": Rival("DOCTOR beta (untempered softmax)", _plain(by_logits.doctor_beta)),
    "energy": Rival("energy", _plain(by_logits.energy)),
    "entropy": Rival("entropy", _plain(lambda logits: entropy("single-label", logits.double()))),
    "knn": Rival("kNN distance", _knn, reads_features=True),
    "trust": Rival("trust score", _trust, reads_features=True),
    "sirc_norm": Rival("SIRC (feature norm)", _sirc_norm, reads_features=True),
    "sirc_residual": Rival("SIRC (residual)", _sirc_residual, reads_features=True),
    "dropout": Rival("Monte Carlo dropout of the last layer", _dropout, reads_features=True),
}
# detectors of pytorch-ood that are rivals above; its KNN takes the 50th neighbor, often of another class
_SAME = ("MaxSoftmax", "EnergyBased", "Entropy", "GEN", "KNN")


class Scores(NamedTuple):
    """Doubts of every rival, and which rivals are missing."""

    by_rival: dict[str, Tensor]  #: (n,) each, by what a table calls the rival
    left_out: tuple[str, ...]  #: sentences


def rival_scores(known: Known, rows: Rows) -> Scores:
    """Every rival, fitted, on some images.

    Args:
        known: what rivals are fitted on.
        rows: the images to score; their labels are not read.
    Returns:
        Doubts in double precision. Detectors of pytorch-ood are called `pytorch-ood <name>`; they are left out without
        that library, and so is all that reads features where the classifier has no dense layer.
    Raises:
        DataError: where a class has no training image.
    """
    usable = {name: rival for name, rival in RIVALS.items() if known.head is not None or not rival.reads_features}
    found = {rival.says: _in_parts(rival.fit(known), rows) for rival in usable.values()}
    if known.head is None:
        missing = ", ".join(rival.says for name, rival in RIVALS.items() if name not in usable)
        return Scores(found, (f"this classifier has no dense layer, so these are left out: {missing}, pytorch-ood.",))
    if importlib.util.find_spec("pytorch_ood") is None:
        return Scores(found, ("the detectors of pytorch-ood are left out: the extra `ood` is not installed.",))
    head, train = known.head, known.train
    bias = head.bias if head.bias is not None else head.weight.new_zeros(len(head.weight))
    peers = peer_scores(train.read, train.logits, train.label, head.weight, bias, {"": (rows.read, rows.logits)})
    return Scores(found | {f"pytorch-ood {name}": own[""] for name, own in peers.items() if name not in _SAME}, ())


def _in_parts(score: Score, rows: Rows) -> Tensor:
    starts = range(0, len(rows.logits), _ROWS_AT_ONCE)
    return torch.cat([score(rows.part(slice(start, start + _ROWS_AT_ONCE))).double() for start in starts])


__all__ = ["RIVALS", "SOFTMAX", "Known", "Rival", "Rows", "Score", "Scores", "rival_scores"]
