"""Measures of explanation maps by name, a torchmetrics `Metric` around any of them, and the interval of a mean."""

import inspect
import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from antehoc.errors import RecipeError, choose
from antehoc.metrics import faithfulness, placement, robustness
from antehoc.metrics.bootstrap import DRAWS_AT_ONCE, Interval
from antehoc.types import Scores, checked


class MapMeasure(NamedTuple):
    """A measure that gives one figure for each image, which way is better, and its family (its file)."""

    function: Callable[..., Tensor]
    direction: Literal["higher", "lower"]
    family: Literal["placement", "faithfulness", "robustness"]


MAP_METRICS: dict[str, MapMeasure] = {
    "pointing_game": MapMeasure(placement.pointing_game, "higher", "placement"),
    "energy": MapMeasure(placement.energy, "higher", "placement"),
    "iou": MapMeasure(placement.iou, "higher", "placement"),
    "f1": MapMeasure(placement.f1, "higher", "placement"),
    "coverage": MapMeasure(placement.coverage, "higher", "placement"),
    "saliency_metric": MapMeasure(placement.saliency_metric, "lower", "placement"),
    "pompom": MapMeasure(placement.pompom, "lower", "placement"),
    "gini": MapMeasure(placement.gini, "higher", "placement"),
    "aopc": MapMeasure(faithfulness.aopc, "higher", "faithfulness"),  # of a curve by `morf`
    "road": MapMeasure(faithfulness.aopc, "higher", "faithfulness"),  # of a curve by `road`
    "deletion": MapMeasure(faithfulness.area, "lower", "faithfulness"),  # of a curve by `deletion`
    "insertion": MapMeasure(faithfulness.area, "higher", "faithfulness"),  # of a curve by `insertion`
    "mean_sensitivity": MapMeasure(robustness.mean_sensitivity, "lower", "robustness"),
    "max_sensitivity": MapMeasure(robustness.max_sensitivity, "lower", "robustness"),
    "randomised_similarity": MapMeasure(robustness.randomised_similarity, "lower", "robustness"),
}


class MapMetric(Metric):
    """A measure of maps, collected batch by batch: `compute` is the mean over the images that have an answer.

    Args:
        name: a name in `MAP_METRICS`.
        fixed: arguments of the function that are the same for every batch, such as a threshold.
    Raises:
        RecipeError: if no measure has this name.
        TypeError: if a fixed argument is unknown.
    Example:
        >>> metric = MapMetric("iou", threshold=0.5)
        >>> metric.update(torch.tensor([[[[0.9, 0.6]]]]), torch.tensor([[[[True, False]]]]))
        >>> metric.update(torch.tensor([[[[0.9, 0.1]]]]), torch.tensor([[[[True, False]]]]))
        >>> metric.compute()
        tensor(0.7500, dtype=torch.float64)
    """

    full_state_update = False
    is_differentiable = False
    figures: list[Tensor]

    def __init__(self, name: str, **fixed: Any) -> None:
        super().__init__()
        entry = choose("measure of maps", name, MAP_METRICS)
        inspect.signature(entry.function).bind_partial(**fixed)
        self.function, self.fixed = entry.function, fixed
        # torchmetrics guards this as a constant of the class; here one class serves both directions
        self.__dict__["higher_is_better"] = entry.direction == "higher"
        self.add_state("figures", default=[], dist_reduce_fx="cat")

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Measure one batch, and keep one figure for each image."""
        self.figures.append(self.function(*args, **kwargs, **self.fixed).double())

    def compute(self) -> Tensor:
        """The mean over all images with an answer; NaN without any."""
        return self.each().nanmean()

    def each(self) -> Tensor:
        """(B,) the figure of every image so far, for `mean_interval`."""
        return dim_zero_cat(self.figures)


@checked
def mean_interval(
    figures: Scores,
    baseline: Scores | None = None,
    *,
    resamples: int = 1000,
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
    Source:
        Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.
    Example:
        >>> mean_interval(torch.ones(5), generator=torch.Generator().manual_seed(0))
        Interval(estimate=1.0, low=1.0, high=1.0)
    """
    if not 0 < level < 1 or resamples < 1:
        raise RecipeError(f"an interval needs a level in 0..1 and 1 or more resamples; got {level} and {resamples}.")
    value = (figures if baseline is None else figures - baseline).detach().cpu().double()
    value = value[~value.isnan()]
    n = len(value)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan)
    at_once = max(1, DRAWS_AT_ONCE // n)
    means = [
        value[torch.randint(n, (min(at_once, resamples - first), n), generator=generator)].mean(1)
        for first in range(0, resamples, at_once)
    ]
    tails = value.new_tensor([(1 - level) / 2, (1 + level) / 2])
    low, high = torch.cat(means).quantile(tails).tolist()
    return Interval(float(value.mean()), low, high)
