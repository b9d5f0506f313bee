"""How far a figure may be off: every interval of the package, by resampling rows or, for a share, by Wilson's formula.

All bootstrap intervals are percentile intervals (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
section 13.3). They draw rows alike: the same number of rows, resamples and state of the generator give the same draws,
however many are drawn at once. They differ in what is computed from a draw.

| what | function | rows without an answer (NaN) |
| --- | --- | --- |
| several figures of the same rows, and their ranks | `Resamples` | stay out of their own figure only |
| a mean, or a mean difference | `mean_interval` | stay out before rows are drawn |
| a sum over a sum | `ratio_interval` | are not allowed |
| difference of `auroc`, `aurc` or `augrc` between two scores | `paired_interval` | are refused |
| a share | `share_interval` | do not exist |
"""

import math
from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from antehoc.errors import RecipeError
from antehoc.metrics.resampled import weighted_augrc, weighted_aurc, weighted_auroc
from antehoc.metrics.selective import augrc, aurc, auroc, exact_scores
from antehoc.types import Flags, Labels, Scores, checked

DRAWS_AT_ONCE = 2_000_000  # memory stays at some tens of MB, however many the resamples
RESAMPLES = 1000
TAILS = (0.025, 0.975)  #: quantiles of the resamples between which a 95 % interval lies
SINGLE_TAILS = (0.02500000037252903, 0.9750000238418579)  #: the same as single-precision numbers; see `ratio_interval`


class Interval(NamedTuple):
    """A figure and the interval around it; all NaN where the figure is undefined."""

    estimate: float
    low: float
    high: float


UNDEFINED = Interval(math.nan, math.nan, math.nan)


class Resamples:
    """Rows drawn again with replacement: the same draws for every figure, so that differences and ranks are paired.

    Args:
        rows: how many rows there are.
        draws: how many times all of them are drawn again.
        generator: draws the rows.
    Raises:
        RecipeError: if `draws` is below 1.
    Example:
        >>> resamples = Resamples(2, draws=3, generator=torch.Generator().manual_seed(0))
        >>> resamples.means(torch.tensor([1.0, float("nan")]).double()).nanmean()
        tensor(1., dtype=torch.float64)
    """

    counts: Tensor  #: (draws, rows) how often each row is drawn, in double precision

    def __init__(self, rows: int, *, draws: int = RESAMPLES, generator: torch.Generator) -> None:
        _check(0.95, draws)
        drawn = torch.cat([*_draws(rows, draws, generator)])
        ones = torch.ones(drawn.shape, dtype=torch.float64)
        self.counts = torch.zeros(draws, rows, dtype=torch.float64).scatter_add_(1, drawn, ones)

    def means(self, values: Tensor) -> Tensor:
        """Mean of the values (rows,) in each draw (draws,), over the rows with an answer; NaN in a draw without any."""
        known = ~values.isnan()
        return self.counts[:, known] @ values[known] / self.counts[:, known].sum(1)

    def interval(self, values: Tensor, *, tails: tuple[float, float] = TAILS) -> Interval:
        """The mean of the values (rows,) over the rows with an answer, and its percentile interval.

        Args:
            values: one for each row, in double precision; NaN where a row has no answer.
            tails: quantiles of the draws at which the interval ends.
        Returns:
            All NaN where no row has an answer. Draws without any are left out.
        """
        if values.isnan().all():
            return UNDEFINED
        return Interval(float(values.nanmean()), *_percentiles(self.means(values), tails))


@checked
def mean_interval(
    figures: Scores,
    baseline: Scores | None = None,
    *,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    generator: torch.Generator,
) -> Interval:
    """A mean over images, and how far the choice of images could move it; with a baseline, a mean difference.

    Args:
        figures: one for each image.
        baseline: another method's figures for the same images: their differences are drawn together.
        resamples: how many times the images are drawn again.
        level: share of the resamples that the interval holds, in 0..1.
        generator: draws the images.
    Returns:
        The mean and its percentile interval over the images that have an answer (no NaN); all NaN without any.
    Raises:
        RecipeError: if `level` lies outside 0..1, or `resamples` is below 1.
    Example:
        >>> mean_interval(torch.ones(5), generator=torch.Generator().manual_seed(0))
        Interval(estimate=1.0, low=1.0, high=1.0)
    """
    _check(level, resamples)
    value = (figures if baseline is None else figures - baseline).detach().cpu().double()
    value = value[~value.isnan()]
    return _ratio(value, torch.ones_like(value), resamples, _tails(level), generator)


@checked
def ratio_interval(
    part: Scores | Labels,
    whole: Scores | Labels,
    *,
    resamples: int = RESAMPLES,
    tails: tuple[float, float] = SINGLE_TAILS,
    generator: torch.Generator,
) -> Interval:
    """A sum over a sum, such as the bits that agree over the bits that differ, and how far the choice of rows moves it.

    With a `whole` of ones it is a mean.

    Args:
        part: one number for each row.
        whole: what the part of each row is a part of; above 0.
        resamples: how many times the rows are drawn again.
        tails: quantiles at which the interval ends; by default in single precision, as published figures have them.
        generator: draws the rows.
    Returns:
        Sum of the parts over sum of the wholes, with its percentile interval; all NaN for no rows.
    Raises:
        RecipeError: if `resamples` is below 1.
    Example:
        >>> part, whole = torch.tensor([1, 1]), torch.tensor([2, 2])
        >>> ratio_interval(part, whole, generator=torch.Generator().manual_seed(0))
        Interval(estimate=0.5, low=0.5, high=0.5)
    """
    _check(0.95, resamples)
    return _ratio(part.double(), whole.double(), resamples, tails, generator)


class Cells(NamedTuple):
    """Rows that no resample can tell apart: the same place among the wrong rows, by both scores."""

    of_row: Tensor  #: (rows,) number of the row's cell
    wrong: Tensor  #: (cells,)
    places: tuple[Tensor, Tensor]  #: (cells,) each, by score and by baseline: odd where a wrong row has that very score


@checked
def paired_interval(
    metric: Literal["auroc", "aurc", "augrc"],
    score: Scores,
    baseline: Scores,
    wrong: Flags,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    generator: torch.Generator,
) -> Interval:
    """How much a score differs from a baseline on the same decisions, and how far chance could move that.

    Whole rows are drawn again with both their scores, so what the two have in common cancels out. All measures depend
    only on where the correct rows lie among the wrong ones: rows are sorted once, and counted afterwards.

    Args:
        metric: `auroc` (a positive difference favors the score), `aurc` or `augrc` (a negative one does).
        score: higher is more doubtful.
        baseline: the same decisions by another doubt, such as maximum softmax.
        wrong: True where the decision is wrong.
        resamples: how many times the rows are drawn again.
        level: share of the resamples that the interval holds, in 0..1.
        generator: draws the rows.
    Returns:
        Metric of the score minus metric of the baseline, and the percentile interval. For `auroc` resamples without a
        wrong or without a correct row are left out, and all three are NaN where the rows lack one of them.
    Raises:
        DataError: if a score is NaN.
        RecipeError: if `level` lies outside 0..1, or `resamples` is below 1.
    Example:
        >>> wrong = torch.arange(100) >= 90
        >>> score, baseline = torch.arange(100.0), torch.arange(100.0) % 10
        >>> paired_interval("auroc", score, baseline, wrong, generator=torch.Generator().manual_seed(0)).estimate
        0.5
    """
    _check(level, resamples)
    figure = {"auroc": auroc, "aurc": aurc, "augrc": augrc}[metric]
    estimate = float(figure(score, wrong) - figure(baseline, wrong))
    if math.isnan(estimate):
        return UNDEFINED
    differences = _resampled(_WEIGHTED[metric], _cells(score, baseline, wrong), resamples, generator)
    return Interval(estimate, *_percentiles(differences, _tails(level)))


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
    _check(level)
    n = len(flags)
    if n == 0:
        return UNDEFINED
    p, z = float(flags.double().mean()), NormalDist().inv_cdf((1 + level) / 2)
    center = (p + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # at 0 and 1 center and reach cancel: the ends are exact, rounding is not
    return Interval(p, 0.0 if p == 0 else center - reach, 1.0 if p == 1 else center + reach)


def _check(level: float, resamples: int = 1) -> None:
    if not 0 < level < 1:
        raise RecipeError(f"the level of an interval must be between 0 and 1, such as 0.95; got {level}.")
    if resamples < 1:
        raise RecipeError(f"a bootstrap needs one resample or more; got {resamples}.")


def _draws(rows: int, resamples: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Numbers of the rows of each resample (some, rows), as many resamples at once as memory allows."""
    at_once = max(1, DRAWS_AT_ONCE // max(rows, 1))
    for start in range(0, resamples, at_once):
        shape = (min(at_once, resamples - start), rows)
        yield torch.randint(rows, shape, generator=generator, device=generator.device).cpu()


def _tails(level: float) -> tuple[float, float]:
    return (1 - level) / 2, (1 + level) / 2


def _percentiles(draws: Tensor, tails: tuple[float, float]) -> tuple[float, float]:
    """Two quantiles of the draws that have an answer, by straight lines between the draws."""
    low, high = draws.nanquantile(draws.new_tensor(tails)).tolist()
    return low, high


def _ratio(
    part: Tensor, whole: Tensor, resamples: int, tails: tuple[float, float], generator: torch.Generator
) -> Interval:
    """Sum of the parts over sum of the wholes, with its percentile interval."""
    if not len(part):
        return UNDEFINED
    draws = _draws(len(part), resamples, generator)
    ratios = torch.cat([part[drawn].sum(1) / whole[drawn].sum(1) for drawn in draws])
    return Interval(float(part.sum() / whole.sum()), *_percentiles(ratios, tails))


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
    """(resamples,) differences of the figure between the two scores."""
    rows, count = len(cells.of_row), len(cells.wrong)
    differences = []
    for drawn in _draws(rows, resamples, generator):
        chunk = len(drawn)
        own = cells.of_row[drawn] + count * torch.arange(chunk)[:, None]
        weights = own.flatten().bincount(minlength=chunk * count).view(chunk, count)
        by_score, by_baseline = (_by_place(figure, weights, place, cells.wrong) for place in cells.places)
        differences.append(by_score - by_baseline)
    return torch.cat(differences)


def _by_place(figure: Callable[[Tensor, Tensor], Tensor], weights: Tensor, place: Tensor, wrong: Tensor) -> Tensor:
    empty = weights.new_zeros(len(weights), int(place.max()) + 1)
    errors = empty.index_add(1, place[wrong], weights[:, wrong])
    return figure(errors, empty.index_add(1, place[~wrong], weights[:, ~wrong]))


_WEIGHTED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "auroc": weighted_auroc,
    "aurc": weighted_aurc,
    "augrc": weighted_augrc,
}
