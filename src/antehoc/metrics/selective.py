"""Measures of a verdict: how well a doubt tells wrong decisions from correct ones.

Every score is a doubt: higher means more doubtful. Figures are worked out from counts, on the CPU and in double
precision, so every device gives the same; a figure is NaN where its question has no answer (no wrong decision to find,
no row at all).
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from antehoc.errors import DataError, RecipeError
from antehoc.types import Flags, Scores, checked

Figure = Float[Tensor, ""]


class RiskCoverage(NamedTuple):
    """A risk-coverage curve: one point for each number of accepted decisions, from the surest one to all of them."""

    coverage: Tensor  #: (n,) share of the decisions that is accepted: 1/n, 2/n, ... 1
    risk: Tensor  #: (n,) share of the accepted decisions that is wrong


class Levels(NamedTuple):
    """Rows counted by distinct score, lowest score first: all that a measure of ranks needs to know."""

    flagged: Tensor  #: (levels,)
    other: Tensor  #: (levels,)


@checked
def exact_scores(score: Scores) -> Scores:
    """The same scores on the CPU in double precision, which keeps every order and tie.

    Raises:
        DataError: if a score is NaN, since it has no rank.
    """
    if score.isnan().any():
        row = int(score.isnan().nonzero()[0])
        raise DataError(f"the score of row {row} is NaN, which has no rank; was the model's output finite?")
    return score.detach().cpu().double()


@checked
def questioned_share(score: Scores, threshold: float) -> Figure:
    """How many decisions are questioned: the share of scores above the threshold.

    Lower is better over all decisions, for each costs a person a look. Given the rows of the wrong decisions alone it
    is the share of those that is found (higher is better), given the correct ones the share of false alarms.

    Args:
        score: higher is more doubtful.
        threshold: questioned is what lies strictly above it.
    Returns:
        A share in 0..1; NaN for no rows.
    Raises:
        DataError: if a score is NaN.
    Example:
        >>> questioned_share(torch.tensor([0.1, 0.5, 0.7, 0.9]), 0.5)
        tensor(0.5000, dtype=torch.float64)
    """
    return (exact_scores(score) > threshold).double().mean()


@checked
def auroc(score: Scores, positive: Flags) -> Figure:
    """How often a positive row scores above a negative one; a tie counts half. Higher is better.

    Args:
        score: higher should mean positive.
        positive: True for what the score should find, such as wrong decisions.
    Returns:
        The area under the ROC curve in 0..1 (0.5 for chance), exact; NaN without a positive or without a negative row.
    Raises:
        DataError: if a score is NaN.
    Source:
        Hanley and McNeil, "The Meaning and Use of the Area under a ROC Curve", Radiology 1982: it is the Wilcoxon
        statistic.
    Example:
        >>> auroc(torch.tensor([0.1, 0.4, 0.4, 0.8]), torch.tensor([False, False, True, True]))
        tensor(0.8750, dtype=torch.float64)
    """
    flagged, other = _levels(score, positive)
    twice = (flagged * (2 * (other.cumsum(0) - other) + other)).sum()
    return twice.double() / (2 * flagged.sum() * other.sum())


@checked
def average_precision(score: Scores, positive: Flags) -> Figure:
    """Mean precision over the positive rows, each at its own score as the threshold. Higher is better.

    Args:
        score: higher should mean positive.
        positive: True for what the score should find.
    Returns:
        A number in 0..1, near the share of positives for chance; NaN without a positive row.
    Raises:
        DataError: if a score is NaN.
    Source:
        scikit-learn's `average_precision_score`: sum over thresholds of (R_n - R_(n-1)) P_n, without interpolation.
    Example:
        >>> average_precision(torch.tensor([0.9, 0.8, 0.1]), torch.tensor([True, False, True]))
        tensor(0.8333, dtype=torch.float64)
    """
    found, false_alarms = _from_the_top(_levels(score, positive))
    precision = found[1:] / (found + false_alarms)[1:]
    return (found.diff() * precision).sum() / found[-1]


@checked
def fpr_at_95_tpr(score: Scores, positive: Flags) -> Figure:
    """The false alarms it costs to find 95 % of the positive rows. Lower is better.

    Args:
        score: higher should mean positive.
        positive: True for what the score should find.
    Returns:
        Share in 0..1 of negative rows at or above the highest threshold that keeps 95 % or more of the positive ones;
        no interpolation, so tied rows pass together. NaN without a positive or without a negative row.
    Raises:
        DataError: if a score is NaN.
    Source:
        Liang, Li and Srikant, "Enhancing the Reliability of Out-of-distribution Image Detection in Neural Networks",
        ICLR 2018, section 4.3.
    Example:
        >>> fpr_at_95_tpr(torch.tensor([0.1, 0.5, 0.4, 0.8]), torch.tensor([False, False, True, True]))
        tensor(0.5000, dtype=torch.float64)
    """
    found, false_alarms = _from_the_top(_levels(score, positive))
    wanted = (95 * found[-1] / 100).ceil()  # 95 P is a whole number and one division rounds right: no slip at the ceil
    return false_alarms[torch.searchsorted(found, wanted)] / (false_alarms[-1] if found[-1] > 0 else 0)


@checked
def risk_coverage(score: Scores, wrong: Flags) -> RiskCoverage:
    """How wrong the accepted decisions are when only the surest ones are accepted.

    Args:
        score: higher is more doubtful.
        wrong: True where the decision is wrong.
    Returns:
        Coverage and risk, n points each. Tied rows come in random order: the risk is its mean over all such orders.
    Raises:
        DataError: if a score is NaN.
    Source:
        Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS 2017, eq. 1 and 2.
    Example:
        >>> risk_coverage(torch.tensor([0.1, 0.2, 0.9]), torch.tensor([False, False, True])).risk
        tensor([0.0000, 0.0000, 0.3333], dtype=torch.float64)
    """
    flagged, other = _levels(score, wrong)
    size = flagged + other
    errors = (flagged.double() / size).repeat_interleave(size).cumsum(0)
    accepted = torch.arange(1, len(errors) + 1, dtype=torch.float64)
    return RiskCoverage(accepted / max(len(errors), 1), errors / accepted)


@checked
def aurc(score: Scores, wrong: Flags) -> Figure:
    """Mean risk over all coverages: few errors among the accepted, wherever the threshold lies. Lower is better.

    It also falls with the error rate, so compare scores on the same decisions only.

    Args:
        score: higher is more doubtful.
        wrong: True where the decision is wrong.
    Returns:
        Area under the risk-coverage curve in 0..1: the error rate for a score at chance, 0 without wrong decisions; NaN
        for no rows. Tied rows come in random order: the mean over all such orders, exactly.
    Raises:
        DataError: if a score is NaN.
    Source:
        Geifman, Uziel and El-Yaniv, "Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers", ICLR 2019,
        section 3: the mean of r(k/n) over k = 1..n.
    Example:
        >>> aurc(torch.tensor([0.1, 0.2, 0.9]), torch.tensor([False, False, True]))
        tensor(0.1111, dtype=torch.float64)
    """
    return risk_coverage(score, wrong).risk.mean()


@checked
def augrc(score: Scores, wrong: Flags) -> Figure:
    """Chance that a decision is wrong and accepted, over all coverages: no single sure error decides. Lower is better.

    Args:
        score: higher is more doubtful.
        wrong: True where the decision is wrong.
    Returns:
        Area under the generalized risk-coverage curve in 0..0.5: half the error rate for a score at chance, 0 without
        wrong decisions; NaN for no rows. The curve is joined by straight lines from (0, 0), which is also the mean over
        all orders of tied rows.
    Raises:
        DataError: if a score is NaN.
    Source:
        Traub et al., "Overcoming Common Flaws in the Evaluation of Selective Classification Systems", NeurIPS 2024:
        with error rate e it equals (1 - AUROC) e (1 - e) + e^2 / 2.
    Example:
        >>> augrc(torch.tensor([0.1, 0.2, 0.9]), torch.tensor([False, False, True]))
        tensor(0.0556, dtype=torch.float64)
    """
    flagged, other = _levels(score, wrong)
    size, errors = flagged + other, flagged.cumsum(0)
    twice = (size * (2 * errors - flagged)).sum()
    return twice.double() / (2 * size.sum() ** 2)


@checked
def share_at(score: Scores, wrong: Flags, questioned_correct: float) -> Figure:
    """How many wrong decisions are found when this share of the correct ones may be questioned. Higher is better.

    One point of the ROC curve, read from the same rows: a calibrated threshold misses it by its own sampling error.

    Args:
        score: higher is more doubtful.
        wrong: True where the decision is wrong.
        questioned_correct: share in 0..1 of the correct decisions that is questioned.
    Returns:
        Share in 0..1 of wrong decisions questioned. Straight lines join the points of the curve (lots are drawn among
        tied rows); where it rises straight up, its upper end. NaN without a wrong or without a correct decision.
    Raises:
        DataError: if a score is NaN.
        RecipeError: if `questioned_correct` is not in 0..1.
    Source:
        Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 2006, section 10 for the straight lines.
    Example:
        >>> share_at(torch.tensor([0.1, 0.5, 0.4, 0.8]), torch.tensor([False, False, True, True]), 0.0)
        tensor(0.5000, dtype=torch.float64)
    """
    if not 0 <= questioned_correct <= 1:
        raise RecipeError(f"questioned_correct is a share in 0..1; got {questioned_correct}.")
    found, false_alarms = _from_the_top(_levels(score, wrong))
    if found[-1] == 0 or false_alarms[-1] == 0:
        return torch.tensor(torch.nan, dtype=torch.float64)
    allowed = questioned_correct * false_alarms[-1]
    # a millionth of a row: .07 * 100 is 7.000000000000001, and the rise at 7 must count for it and for 6.99...9 alike
    at = int(torch.searchsorted(false_alarms, allowed + 1e-6)) - 1
    if at == len(found) - 1:
        return found[at] / found[-1]
    way = ((allowed - false_alarms[at]) / (false_alarms[at + 1] - false_alarms[at])).clamp(min=0)
    return found[at].lerp(found[at + 1], way) / found[-1]


def _levels(score: Tensor, flag: Tensor) -> Levels:
    counted = np.unique(exact_scores(score).numpy(), return_inverse=True, return_counts=True)
    _, level, size = (torch.from_numpy(part) for part in counted)
    flagged = level[flag.cpu()].bincount(minlength=len(size))
    return Levels(flagged, size - flagged)


def _from_the_top(levels: Levels) -> tuple[Tensor, Tensor]:
    """Flagged and other rows at or above each threshold, from none (above every score) to all."""
    flagged, other = (torch.cat([count.new_zeros(1), count.flip(0).cumsum(0)]).double() for count in levels)
    return flagged, other
