"""Thresholds with a guarantee, from the scores of correct decisions that set nothing else."""

import math
from typing import Literal

import torch
from torch import Tensor

from antehoc.errors import DataError
from antehoc.types import Scores, checked

Guarantee = Literal["expected", "binomial", "cross"]  #: `cross`: in expectation too, with a weaker proof
DELTA = 0.05  #: chance that the `binomial` guarantee fails


@checked
def conformal_threshold(correct_scores: Scores, alpha: float) -> float:
    """The threshold above which at most a share alpha of correct decisions falls, in expectation.

    The ceil((n + 1)(1 - alpha))-th smallest of n scores: for a new correct decision exchangeable with these, the
    chance of lying above it is at most alpha, also over draws of the calibration data.

    Args:
        correct_scores: scores of correct decisions that set nothing else.
        alpha: between 0 and 1, both excluded.
    Returns:
        One of the scores; infinity if n is below 1/alpha - 1, since no finite threshold keeps the guarantee then.
    Raises:
        DataError: alpha is out of its range, or a score is not finite.
    Source:
        Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005; split conformal prediction.
    Example:
        >>> conformal_threshold(torch.arange(1.0, 100.0), 0.05)
        95.0
    """
    _check(correct_scores, alpha=alpha)
    ordered = correct_scores.double().sort().values
    rank = math.ceil((len(ordered) + 1) * (1 - alpha) - 1e-9)
    return float(ordered[rank - 1]) if rank <= len(ordered) else math.inf


@checked
def binomial_threshold(correct_scores: Scores, alpha: float, delta: float = DELTA) -> float:
    """The threshold that keeps the share of correct decisions questioned at alpha with probability 1 - delta.

    The smallest order statistic of rank r with P(Binomial(n, 1 - alpha) >= r) <= delta: over draws of the calibration
    data the true share above it exceeds alpha with probability delta at most.

    Args:
        correct_scores: scores of correct decisions that set nothing else.
        alpha: between 0 and 1, both excluded.
        delta: between 0 and 1, both excluded.
    Returns:
        One of the scores; infinity if they are too few for the guarantee.
    Raises:
        DataError: alpha or delta is out of its range, or a score is not finite.
    Source:
        Vovk, "Conditional Validity of Inductive Conformal Predictors", 2012, Prop. 2a.
    """
    _check(correct_scores, alpha=alpha, delta=delta)
    ordered, n = correct_scores.double().sort().values, len(correct_scores)
    counts = torch.arange(n + 1, dtype=torch.float64)
    log_mass = (
        math.lgamma(n + 1)
        - torch.lgamma(counts + 1)
        - torch.lgamma(n - counts + 1)
        + counts * math.log1p(-alpha)
        + (n - counts) * math.log(alpha)
    )
    at_least = log_mass.exp().flip(0).cumsum(0).flip(0)  # P(Binomial >= r) for r = 0..n
    ranks = (at_least <= delta).nonzero()
    return float(ordered[int(ranks[0]) - 1]) if len(ranks) else math.inf


def _check(scores: Tensor, **shares: float) -> None:
    for name, share in shares.items():
        if not 0 < share < 1:
            raise DataError(f"{name} must be between 0 and 1, both excluded; got {share}.")
    if not bool(scores.isfinite().all()):
        raise DataError("a threshold needs finite scores; got NaN or infinity. Is the output of the model finite?")


def least_rows(alpha: float, guarantee: Guarantee = "expected") -> int:
    """How many correct decisions a threshold at alpha needs at least.

    `expected` and `cross` need n >= 1/alpha - 1; `binomial` needs (1 - alpha)^n <= 0.05.

    Raises:
        DataError: alpha is not between 0 and 1.
    Example:
        >>> least_rows(0.01), least_rows(0.01, "binomial")
        (99, 299)
    """
    _check(torch.zeros(0), alpha=alpha)
    if guarantee == "binomial":
        return math.ceil(math.log(DELTA) / math.log1p(-alpha) - 1e-9)
    return math.ceil(1 / alpha - 1 - 1e-9)


def least_alpha(rows: int, guarantee: Guarantee = "expected") -> float:
    """The smallest alpha that so many correct decisions can keep; 1 where there is none.

    Example:
        >>> least_alpha(19), round(least_alpha(59, "binomial"), 4)
        (0.05, 0.0495)
    """
    if guarantee == "binomial":
        return 1 - DELTA ** (1 / rows) if rows else 1.0
    return 1 / (rows + 1)
