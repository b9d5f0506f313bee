"""How far a figure may be off: intervals for a difference of two scores on the same rows, and for a share."""

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from antehoc.errors import RecipeError
from antehoc.metrics.selective import aurc, auroc, exact_scores
from antehoc.types import Flags, Scores, checked

DRAWS_AT_ONCE = 2_000_000  # memory stays at some tens of MB, however many the resamples


class Interval(NamedTuple):
    """A figure and the interval around it; all NaN where the figure is undefined."""

    estimate: float
    low: float
    high: float


class Cells(NamedTuple):
    """Rows that no resample can tell apart: the same place among the wrong rows, by both scores."""

    of_row: Tensor  #: (rows,) number of the row's cell
    wrong: Tensor  #: (cells,)
    places: tuple[Tensor, Tensor]  #: (cells,) each, by score and by baseline: odd where a wrong row has that very score


@checked
def paired_interval(
    metric: Literal["auroc", "aurc"],
    score: Scores,
    baseline: Scores,
    wrong: Flags,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    generator: torch.Generator,
) -> Interval:
    """How much a score differs from a baseline on the same decisions, and how far chance could move that.

    Whole rows are drawn again with both their scores, so what the two have in common cancels out. Both measures depend
    only on where the correct rows lie among the wrong ones: rows are sorted once, and counted afterwards.

    Args:
        metric: `auroc` (a positive difference favours the score) or `aurc` (a negative one does).
        score: higher is more doubtful.
        baseline: the same decisions by another doubt, such as maximum softmax.
        wrong: True where the decision is wrong.
        resamples: how many times the rows are drawn again.
        level: share of the resamples that the interval holds, in 0..1.
        generator: draws the rows.
    Returns:
        Metric of the score less metric of the baseline, and the percentile interval. For `auroc` resamples without a
        wrong or without a correct row are left out, and all three are NaN where the rows lack one of them.
    Raises:
        DataError: if a score is NaN.
        RecipeError: if `level` lies outside 0..1, or `resamples` is below 1.
    Source:
        Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3 (percentile interval).
    Example:
        >>> wrong = torch.arange(100) >= 90
        >>> score, baseline = torch.arange(100.0), torch.arange(100.0) % 10
        >>> paired_interval("auroc", score, baseline, wrong, generator=torch.Generator().manual_seed(0)).estimate
        0.5
    """
    _check_level(level)
    if resamples < 1:
        raise RecipeError(f"a bootstrap needs one resample or more; got {resamples}.")
    figure = {"auroc": auroc, "aurc": aurc}[metric]
    estimate = float(figure(score, wrong) - figure(baseline, wrong))
    if math.isnan(estimate):
        return Interval(math.nan, math.nan, math.nan)
    differences = _resampled(_WEIGHTED[metric], _cells(score, baseline, wrong), resamples, generator)
    tails = differences.new_tensor([(1 - level) / 2, (1 + level) / 2])
    low, high = differences.nanquantile(tails).tolist()
    return Interval(estimate, low, high)


@checked
def share_interval(flags: Flags, *, level: float = 0.95) -> Interval:
    """How far a share may be off, given how few rows it was counted on.

    Args:
        flags: True for each row that counts.
        level: confidence, in 0..1.
    Returns:
        The share and its Wilson interval, in 0..1; all NaN for no rows.
    Raises:
        RecipeError: if `level` lies outside 0..1.
    Source:
        Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 1927.
    Example:
        >>> [round(number, 4) for number in share_interval(torch.tensor([True] * 9 + [False]))]
        [0.9, 0.5958, 0.9821]
    """
    _check_level(level)
    n = len(flags)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan)
    p, z = float(flags.double().mean()), NormalDist().inv_cdf((1 + level) / 2)
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # at 0 and 1 centre and reach cancel: the ends are exact, rounding is not
    return Interval(p, 0.0 if p == 0 else centre - reach, 1.0 if p == 1 else centre + reach)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise RecipeError(f"the level of an interval lies between 0 and 1, such as 0.95; got {level}.")


def _cells(score: Tensor, baseline: Tensor, wrong: Tensor) -> Cells:
    flag = wrong.cpu()
    places = [_places(exact_scores(one), flag) for one in (score, baseline)]
    width = 2 * len(flag) + 1  # places are numbered below this
    code = (places[0] * width + places[1]) * 2 + flag
    cells, of_row = (torch.from_numpy(part) for part in np.unique(code.numpy(), return_inverse=True))
    return Cells(of_row, cells % 2 == 1, (cells // 2 // width, cells // 2 % width))


def _places(score: Tensor, wrong: Tensor) -> Tensor:
    """Place of each row among the wrong rows' distinct scores: 0, 2, 4... between them, 1, 3, 5... at them."""
    landmarks = torch.from_numpy(np.unique(score[wrong].numpy()))
    return torch.searchsorted(landmarks, score) + torch.searchsorted(landmarks, score, right=True)


def _resampled(
    figure: Callable[[Tensor, Tensor], Tensor], cells: Cells, resamples: int, generator: torch.Generator
) -> Tensor:
    """(resamples,) differences of the figure between the two scores, as many resamples at once as memory likes."""
    rows, count = len(cells.of_row), len(cells.wrong)
    differences = []
    at_once = max(1, DRAWS_AT_ONCE // rows)
    for start in range(0, resamples, at_once):
        chunk = min(at_once, resamples - start)
        drawn = torch.randint(rows, (chunk, rows), generator=generator, device=generator.device).cpu()
        own = cells.of_row[drawn] + count * torch.arange(chunk)[:, None]
        weights = own.flatten().bincount(minlength=chunk * count).view(chunk, count)
        by_score, by_baseline = (_by_place(figure, weights, place, cells.wrong) for place in cells.places)
        differences.append(by_score - by_baseline)
    return torch.cat(differences)


def _by_place(figure: Callable[[Tensor, Tensor], Tensor], weights: Tensor, place: Tensor, wrong: Tensor) -> Tensor:
    empty = weights.new_zeros(len(weights), int(place.max()) + 1)
    errors = empty.index_add(1, place[wrong], weights[:, wrong])
    return figure(errors, empty.index_add(1, place[~wrong], weights[:, ~wrong]))


def _weighted_auroc(errors: Tensor, correct: Tensor) -> Tensor:
    """`auroc` of each resample from its counts (resamples, places)."""
    twice = (errors * (2 * (correct.cumsum(1) - correct) + correct)).sum(1)
    return twice.double() / (2 * errors.sum(1) * correct.sum(1))


def _weighted_aurc(errors: Tensor, correct: Tensor) -> Tensor:
    """`aurc` of each resample from its counts (resamples, places).

    A place of m rows with e errors, after c rows with E errors, adds the sum over i = 1..m of (E + e i/m) / (c + i).
    With the harmonic numbers H that is (E - c e/m) (H(c+m) - H(c)) + e: no row is visited.
    """
    size = errors + correct
    c, E = size.cumsum(1) - size, errors.cumsum(1) - errors
    rows = int(size[0].sum())
    H = torch.arange(1, rows + 1, dtype=torch.float64).reciprocal().cumsum(0)
    H = torch.cat([H.new_zeros(1), H])
    rise = errors / size.clamp(min=1).double()
    return ((E - c * rise) * (H[c + size] - H[c]) + errors).sum(1) / rows


_WEIGHTED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"auroc": _weighted_auroc, "aurc": _weighted_aurc}
