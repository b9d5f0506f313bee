"""Repeated calibration: does the guarantee of the threshold hold over many random calibration sets?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from antehoc.blocks import Block, Histogram, Note
from antehoc.calibration import Policy, with_threshold
from antehoc.data import Source
from antehoc.errors import DataError, RecipeError
from antehoc.evaluation import Scored, score
from antehoc.figure import Figure, defined, number, percent
from antehoc.model import Model
from antehoc.seeds import mix
from antehoc.studies.base import Finding

MEANING = (
    "Calibration and test images are drawn again and again from one pool. On average the share of correct decisions "
    "that is questioned then stays at alpha, for any score. A mean above alpha shows a fault in the code, or in "
    "the images that fitted the score. Nothing here proves the guarantee for images unlike the pool. The draws share "
    "one pool, so for new images the larger, binomial error counts."
)
_PER_CLASS = (
    "Each class has a threshold of its own where its calibration decisions are enough for one. The others share one"
    " threshold, which promises nothing of them alone, so the mean over all classes may lie above alpha here."
)
_GROUP = "Verdicts on errors"


@dataclass(frozen=True)
class RepeatedCalibration(Finding):
    """The share of correct decisions questioned over many random calibration sets; see `MEANING`."""

    draws: int
    rows: int  #: images of each calibration set
    alpha: float  #: guaranteed; where a calibration set was too small for what was asked, the largest one kept
    correct: int  #: decisions in the pool; with several labels each label of an image is one
    wrong: int
    questioned_correct: float  #: mean over the draws
    standard_error: float  #: of that mean, over the draws alone
    pool_standard_error: float  #: binomial on the pool's images that have a correct decision: the draws share one pool
    least: float
    most: float
    questioned_wrong: float | None  #: mean over the draws; None where no decision is wrong
    each: tuple[float, ...]  #: share of correct decisions questioned of every draw
    per_class: bool = False  #: whether each class with enough calibration decisions had a threshold of its own

    title: ClassVar[str] = "Does the guarantee of the threshold hold?"

    def figures(self) -> list[Figure]:
        mean = "decisions questioned by the verdict, mean over random calibration sets"
        return [
            Figure(
                "verdict_questioned_correct_over_draws",
                self.questioned_correct,
                f"correct {mean}",
                _GROUP,
                "lower",
                headline=True,
            ),
            Figure(
                "verdict_questioned_correct_over_draws_standard_error",
                self.standard_error,
                "standard error of that mean, over the sets alone",
                _GROUP,
                headline=True,
            ),
            Figure("verdict_questioned_wrong_over_draws", self.questioned_wrong, f"wrong {mean}", _GROUP, "higher"),
        ]

    def blocks(self) -> list[Block]:
        said = (
            f"Over {self.draws:,} random calibration sets of {self.rows:,} images, {number(self.questioned_correct)} of"
            f" the correct decisions are questioned on average (guaranteed: at most {percent(self.alpha)}), and"
            f" {number(self.questioned_wrong)} of the wrong ones. The standard error of the first is"
            f" {number(self.standard_error)} over the sets, and {number(self.pool_standard_error)} for new images."
        )
        chart = Histogram(
            self.each, self.alpha, "alpha", "share of correct decisions questioned", y="calibration sets", percent=True
        )
        more = [Note(_PER_CLASS, "aside")] if self.per_class else []
        return [Note(said), chart, Note(MEANING, "aside"), *more]


def run(model: Model, source: Source, *, seed: int, draws: int = 100) -> RepeatedCalibration:
    """`repeated_calibration` on the calibration and test images of a data set, with sets as large as the former.

    Images are drawn, with all their labels: where an image carries several, each of them is a decision.

    Args:
        model: calibrated; where its classes have thresholds of their own, so have they in each draw.
        source: its calibration images set the threshold and fitted no doubt.
        seed: of the draws.
        draws: how many calibration sets.
    Raises:
        RecipeError: where the model was never calibrated.
    """
    return of_scored(
        model,
        score(model.system, source.roles["calibration"]),
        score(model.system, source.roles["test"]),
        seed=seed,
        draws=draws,
    )


def of_scored(model: Model, calibration: Scored, test: Scored, *, seed: int, draws: int = 100) -> RepeatedCalibration:
    """The same for images that are scored already."""
    policy = model.policy
    if policy is None:
        raise RecipeError("studies: 'repeated_calibration' needs a calibrated model; this one has no threshold.")
    return repeated_calibration(
        policy,
        {name: torch.cat([own, test.doubts[name]]) for name, own in calibration.doubts.items()},
        torch.cat([calibration.wrong, test.wrong]),
        rows=len(calibration.wrong),
        alpha=policy.asked_alpha,
        about=torch.cat([calibration.about, test.about]) if policy.class_thresholds else None,
        draws=draws,
        seed=mix(seed, 5),
    )


def repeated_calibration(
    policy: Policy,
    doubts: Mapping[str, Tensor],
    wrong: Tensor,
    *,
    rows: int,
    alpha: float,
    about: Tensor | None = None,
    draws: int = 100,
    seed: int,
) -> RepeatedCalibration:
    """Check the guarantee of a threshold: draw calibration sets from a pool, and count on the rest of it.

    Args:
        policy: its score is taken as it is, its thresholds are set again in each draw.
        doubts: (n,) by name, or with several labels (n, K), of images that trained and fitted nothing.
        wrong: True where the decision is wrong, (n,) or (n, K).
        rows: images in each calibration set.
        alpha: the largest expected share of correct decisions to be questioned, in 0..1.
        about: number of the class that each decision is about, where the policy has a threshold for each class.
        draws: how many calibration sets.
        seed: of the draws.
    Raises:
        DataError: where the pool has no more than `rows` images with a correct decision, or `rows` or `draws` is too
            small.
    """
    images = int((~wrong).reshape(len(wrong), -1).any(1).sum())
    if not 1 <= rows < images or draws < 2:
        raise DataError(
            f"repeated calibration needs 2 draws or more, and more images with correct decisions than the rows of each;"
            f" got {draws} draws of {rows} rows from {images} images with correct decisions."
        )
    shares, found, kept = _drawn(policy, _Pool(doubts, wrong, about), rows, alpha, draws, seed)
    each = torch.tensor(shares, dtype=torch.float64)
    mean, correct = float(each.mean()), int((~wrong).sum())
    return RepeatedCalibration(
        draws,
        rows,
        kept,
        correct,
        wrong.numel() - correct,
        mean,
        float(each.std()) / math.sqrt(draws),
        math.sqrt(mean * (1 - mean) / images),
        min(shares),
        max(shares),
        defined(float(torch.tensor(found, dtype=torch.float64).nanmean())),
        tuple(shares),
        about is not None,
    )


class _Pool(NamedTuple):
    """What calibration sets are drawn from, an image a row."""

    doubts: Mapping[str, Tensor]
    wrong: Tensor
    about: Tensor | None


def _drawn(
    policy: Policy, pool: _Pool, rows: int, alpha: float, draws: int, seed: int
) -> tuple[list[float], list[float], float]:
    """Shares of the correct and of the wrong decisions questioned in each draw, and the largest alpha kept."""
    generator = torch.Generator().manual_seed(seed)
    scores, wrong, about = policy.score(pool.doubts), pool.wrong, pool.about
    shares, found, kept = [], [], alpha
    for _ in range(draws):
        order = torch.randperm(len(wrong), generator=generator)
        own, rest = order[:rows], order[rows:]
        drawn = with_threshold(
            policy,
            {name: doubt[own] for name, doubt in pool.doubts.items()},
            wrong[own],
            alpha,
            predicted=None if about is None else about[own],
            classes=len(policy.class_thresholds),
        )
        limits = drawn.threshold if about is None else drawn.thresholds(about[rest])
        questioned = (scores[rest] > limits).double()
        shares.append(float(questioned[~wrong[rest]].mean()))
        found.append(float(questioned[wrong[rest]].mean()))
        kept = max(kept, drawn.alpha)
    return shares, found, kept
