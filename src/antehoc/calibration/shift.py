"""Do new images differ from those that a model was calibrated on? A two-sample test on the doubts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from antehoc.types import Scores, checked

ROWS = 500  #: decisions whose doubts a model keeps, at most
LEVEL = 0.01  #: chance that images of one source are said to differ


@dataclass(frozen=True)
class Shift:
    """How the doubts of new images differ from those of the old calibration images, among correct decisions."""

    doubt: str  #: the one that differs most
    statistic: float  #: of Kolmogorov and Smirnov: the largest distance of its two distributions, in 0..1
    p_value: float  #: of all doubts together: that of `doubt` times the number of doubts, 1 at most
    doubts: int  #: how many were compared
    old_rows: int
    new_rows: int

    @property
    def differs(self) -> bool:
        """Whether the difference is too large for chance, at `LEVEL`."""
        return self.p_value <= LEVEL


def reference_doubts(doubts: Mapping[str, Tensor], wrong: Tensor, *, seed: int) -> dict[str, Tensor]:
    """Doubts of correct decisions to keep with a model: at most 500 images, drawn at random, the same for each doubt.

    Args:
        doubts: (n,) by name, or with several labels (n, K).
        wrong: True where a decision is wrong, (n,) or (n, K).
        seed: of the draw. With several labels it also chooses one correct label decision of each image, because those
            of one image depend on each other.
    Returns:
        (rows,) by name, float32. A doubt that is not finite everywhere is left out.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(wrong), generator=generator)
    correct = ~wrong.reshape(len(wrong), -1)
    rows = order[correct[order].any(1)][:ROWS]
    columns = (torch.rand(correct.shape, generator=generator) * correct)[rows].argmax(1) if len(rows) else rows
    kept = {name: values.reshape(len(wrong), -1)[rows, columns].float() for name, values in doubts.items()}
    return {name: values for name, values in kept.items() if bool(values.isfinite().all())}


def find_shift(old: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> Shift | None:
    """The doubt whose distribution differs most between two sets of decisions, and how likely that is by chance.

    The smallest of all p-values is multiplied by their number (Bonferroni), which holds however the doubts depend on
    each other.

    Args:
        old: (m,) by name, from `reference_doubts`.
        new: (n,) by name, from `reference_doubts`.
    Returns:
        None where they have no doubt in common, or no rows.
    """
    found = [
        (kolmogorov_smirnov(old[name].double(), new[name].double()), name)
        for name in old
        if name in new and len(old[name]) and len(new[name])
    ]
    if not found:
        return None
    (statistic, p_value), doubt = max(found, key=lambda one: one[0][0])
    return Shift(doubt, statistic, min(1.0, p_value * len(found)), len(found), len(old[doubt]), len(new[doubt]))


@checked
def kolmogorov_smirnov(first: Scores, second: Tensor) -> tuple[float, float]:
    """The two-sample test of Kolmogorov and Smirnov.

    Args:
        first: (m,) finite, one or more.
        second: (n,) finite, one or more.
    Returns:
        The largest distance of the two empirical distributions, in 0..1, and the chance of one that large where both
        samples have one distribution, by its limit for many rows; with few rows or ties the chance is mostly smaller.
    Source:
        Smirnov, "Table for Estimating the Goodness of Fit of Empirical Distributions", Ann. Math. Statist. 1948.
    Example:
        >>> kolmogorov_smirnov(torch.zeros(50), torch.ones(50))[0]
        1.0
    """
    m, n = len(first), len(second)
    low, high = first.sort().values, second.sort().values
    every = torch.cat([low, high])
    below, under = (torch.searchsorted(one, every, right=True).double() / len(one) for one in (low, high))
    statistic = float((below - under).abs().max())
    scaled = math.sqrt(m * n / (m + n)) * statistic
    if scaled < 0.2:  # the series converges slowly there, and the chance is 1 to 12 digits
        return statistic, 1.0
    terms = [(-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101)]
    return statistic, min(1.0, max(0.0, 2 * sum(terms)))
