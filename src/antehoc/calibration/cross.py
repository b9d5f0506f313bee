"""Cross-conformal thresholds: few images, so that out-of-fold scores of the training images set the threshold too."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from antehoc.calibration.policy import Policy, with_threshold
from antehoc.calibration.threshold import conformal_threshold
from antehoc.errors import DataError


def cross_threshold(folds: Sequence[Tensor], alpha: float) -> float:
    """The threshold above which about a share alpha of correct decisions falls, from the scores of all folds.

    The ceil((n + 1)(1 - alpha))-th smallest of the n scores of all folds together, where each fold was scored by a
    network that was trained without it.

    What is proven: if a new image is compared with each fold by that fold's own network (CV+, cross-conformal
    prediction), its chance of being questioned is at most `proven_alpha`: 2 alpha and a term that vanishes with n. It
    is near alpha where one image more or less changes a network little. Differs: the verdict compares the score of the
    one network that is kept. No bound without such stability is proven for it (it is the jackknife without the plus),
    so measure the share of correct decisions that is questioned.

    Args:
        folds: (n_k,) scores of the correct decisions of each fold k, two folds or more; images held out of training
            altogether are a fold too.
        alpha: between 0 and 1, both excluded.
    Returns:
        One of the scores; infinity if all n are fewer than 1/alpha - 1.
    Raises:
        DataError: fewer than two folds, alpha out of its range, or a score that is not finite.
    Source:
        Vovk, "Cross-conformal predictors", Annals of Mathematics and Artificial Intelligence 74, 2015; Barber, Candes,
        Ramdas and Tibshirani, "Predictive inference with the jackknife+", Annals of Statistics 49, 2021, section 3.
    Example:
        >>> cross_threshold([torch.arange(1.0, 50.0), torch.arange(50.0, 100.0)], 0.05)
        95.0
    """
    if len(folds) < 2:
        raise DataError(f"a cross-conformal threshold needs the scores of two folds or more; got {len(folds)}.")
    return conformal_threshold(torch.cat([scores.double() for scores in folds]), alpha)


def proven_alpha(alpha: float, rows: int) -> float:
    """The share that cross-conformal prediction is proven to keep: 2 alpha + sqrt(2 / rows), at most 1.

    Args:
        alpha: of the threshold.
        rows: scores that set it, in folds of equal size.
    Source:
        Barber et al. 2021, theorem 4 with its bound for every number of folds.
    Example:
        >>> round(proven_alpha(0.05, 800), 3)
        0.15
    """
    return min(1.0, 2 * alpha + math.sqrt(2 / rows))


class Decisions(NamedTuple):
    """Decisions with their doubts, by networks that were not trained on their images."""

    doubts: dict[str, Tensor]  #: (n,) by name
    wrong: Tensor  #: (n,) True where the decision is wrong
    fold: Tensor  #: (n,) number of the fold; -1 for images that no network was trained on


def cross_conformal(
    policy: Policy,
    refit: Callable[[Tensor], Policy],
    decisions: Decisions,
    alpha: float,
    *,
    predicted: Tensor | None = None,
    classes: int = 0,
) -> Policy:
    """The same score with a cross-conformal threshold.

    A fold's scores come from a policy that was fitted on the other folds. Evidence and weights that were fitted on the
    rows that set the threshold question more than alpha of new correct decisions; fitted apart they question less.

    Args:
        policy: fitted on all folds.
        refit: the same, fitted on those of the decisions that are True.
        decisions: of all folds, and of images held out altogether.
        alpha: the largest share of correct decisions to be questioned, in 0..1; raised where the rows are too few.
        predicted: (n,) number of the class that each decision is about, for thresholds of the classes' own.
        classes: how many there are, where `predicted` is given.
    Raises:
        DataError: fewer than two folds, or too few correct decisions to fit on.
    """
    numbers = sorted(set(decisions.fold.tolist()))
    if len(numbers) < 2:
        raise DataError(f"a cross-conformal threshold needs two folds or more; got {len(numbers)}.")
    scores = policy.score(decisions.doubts)
    for number in numbers:
        own, other = decisions.fold == number, (decisions.fold != number) & (decisions.fold >= 0)
        fitted = (
            refit(other) if number >= 0 and (policy.evidence or policy.products) else policy
        )  # one doubt as it is fits nothing
        if fitted.products or (fitted.evidence and fitted.doubts == policy.doubts):  # else on another scale
            scores[own] = fitted.score({name: values[own] for name, values in decisions.doubts.items()})
    plain = replace(
        policy, method="score", doubts=("score",), evidence=(), weights=(1.0,), products=(), guarantee="expected"
    )
    set_on = with_threshold(plain, {"score": scores}, decisions.wrong, alpha, predicted=predicted, classes=classes)
    return replace(
        policy,
        threshold=set_on.threshold,
        class_thresholds=set_on.class_thresholds,
        alpha=set_on.alpha,
        asked_alpha=alpha,
        threshold_rows=set_on.threshold_rows,
        score_quantiles=set_on.score_quantiles,
        guarantee="cross",
    )
