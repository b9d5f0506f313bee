"""How doubtful a decision is beside the correct decisions that set the threshold: its rank among their scores."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from antehoc.errors import DataError
from antehoc.types import Scores, checked

KEPT = 201  #: quantiles that a policy keeps at most: one for every half percent


@checked
def quantiles(correct_scores: Scores) -> tuple[float, ...]:
    """Evenly spaced quantiles of scores, from the smallest to the largest; at most `KEPT`, or all scores if fewer.

    Args:
        correct_scores: scores of correct decisions.
    Example:
        >>> quantiles(torch.tensor([3.0, 1.0, 2.0]))
        (1.0, 2.0, 3.0)
    """
    ordered = correct_scores.double().cpu().sort().values
    steps = torch.linspace(0, len(ordered) - 1, min(KEPT, len(ordered)), dtype=torch.float64)
    return tuple(ordered[steps.round().long()].tolist())  # scores themselves: what lies between would break ties


def check_quantiles(kept: Sequence[float]) -> None:
    """Refuse quantiles that are none.

    Raises:
        DataError: there are more than `KEPT`, one is not finite, or they fall.
    """
    if len(kept) > KEPT or not all(map(math.isfinite, kept)) or any(low > high for low, high in pairwise(kept)):
        raise DataError(f"score_quantiles of a policy are at most {KEPT} finite numbers that do not fall.")


def ranks(scores: Tensor, kept: Sequence[float]) -> list[float | None]:
    """The share of the scores behind the quantiles that lies below each score, by straight lines between them.

    Args:
        scores: (n,).
        kept: as `quantiles` gives them, one or more.
    Returns:
        Shares in 0..1; of several equal quantiles the lowest counts, and the rank of a NaN is None.
    Example:
        >>> ranks(torch.tensor([0.0, 1.5, 2.0, 9.0]), (1.0, 2.0, 2.0, 3.0))
        [0.0, 0.16666666666666666, 0.3333333333333333, 1.0]
    """
    steps = torch.tensor(kept, dtype=torch.float64)
    own = scores.detach().double().cpu()
    above = torch.searchsorted(steps, own)  # the first quantile that is not below the score
    found: list[float | None] = []
    for score, number in zip(own.tolist(), above.tolist(), strict=True):
        if math.isnan(score):
            found.append(None)
        elif number in (0, len(kept)):
            found.append(float(number > 0))
        else:
            low, high = kept[number - 1], kept[number]
            found.append((number - 1 + (score - low) / (high - low)) / (len(kept) - 1))
    return found
