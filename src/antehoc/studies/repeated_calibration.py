"""Repeated calibration: does the guarantee of the threshold hold over many random calibration sets?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

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
_GROUP = "Verdicts on errors"


@dataclass(frozen=True)
class RepeatedCalibration(Finding):
    """The share of correct decisions questioned over many random calibration sets; see `MEANING`."""

    draws: int
    rows: int  #: of each calibration set
    alpha: float  #: guaranteed; where a calibration set was too small for what was asked, the largest one kept
    correct: int  #: in the pool
    wrong: int
    questioned_correct: float  #: mean over the draws
    standard_error: float  #: of that mean, over the draws alone
    pool_standard_error: float  #: binomial on the pool's correct decisions: the draws share one pool
    least: float
    most: float
    questioned_wrong: float | None  #: mean over the draws; None where no decision is wrong
    each: tuple[float, ...]  #: share of correct decisions questioned of every draw

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
        return [Note(said), chart, Note(MEANING, "aside")]


def run(model: Model, source: Source, *, seed: int, draws: int = 100) -> RepeatedCalibration:
    """`repeated_calibration` on the calibration and test images of a data set, with sets as large as the former.

    Where images carry several labels, each label is a decision.

    Args:
        model: calibrated.
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
        {name: torch.cat([own, test.doubts[name]]).flatten() for name, own in calibration.doubts.items()},
        torch.cat([calibration.wrong, test.wrong]).flatten(),
        rows=calibration.wrong.numel(),
        alpha=policy.asked_alpha,
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
    draws: int = 100,
    seed: int,
) -> RepeatedCalibration:
    """Check the guarantee of a threshold: draw calibration sets from a pool, and count on the rest of it.

    Args:
        policy: its score is taken as it is, its threshold is set again in each draw.
        doubts: (n,) by name, of images that trained and fitted nothing.
        wrong: (n,) True where the decision is wrong.
        rows: decisions in each calibration set.
        alpha: the largest expected share of correct decisions to be questioned, in 0..1.
        draws: how many calibration sets.
        seed: of the draws.
    Raises:
        DataError: where the pool has no more than `rows` correct decisions, or `rows` or `draws` is too small.
    """
    correct = int((~wrong).sum())
    if not 1 <= rows < correct or draws < 2:
        raise DataError(
            f"repeated calibration needs 2 draws or more, and more correct decisions than the rows of each; "
            f"got {draws} draws of {rows} rows from {correct} correct decisions."
        )
    shares, found, kept = _drawn(policy, doubts, wrong, rows, alpha, draws, seed)
    each = torch.tensor(shares, dtype=torch.float64)
    mean = float(each.mean())
    return RepeatedCalibration(
        draws,
        rows,
        kept,
        correct,
        len(wrong) - correct,
        mean,
        float(each.std()) / math.sqrt(draws),
        math.sqrt(mean * (1 - mean) / correct),
        min(shares),
        max(shares),
        defined(float(torch.tensor(found, dtype=torch.float64).nanmean())),
        tuple(shares),
    )


def _drawn(
    policy: Policy, doubts: Mapping[str, Tensor], wrong: Tensor, rows: int, alpha: float, draws: int, seed: int
) -> tuple[list[float], list[float], float]:
    """Shares of the correct and of the wrong decisions questioned in each draw, and the largest alpha kept."""
    generator = torch.Generator().manual_seed(seed)
    scores = policy.score(doubts)
    shares, found, kept = [], [], alpha
    for _ in range(draws):
        order = torch.randperm(len(wrong), generator=generator)
        own, rest = order[:rows], order[rows:]
        drawn = with_threshold(policy, {name: doubt[own] for name, doubt in doubts.items()}, wrong[own], alpha)
        questioned = (scores[rest] > drawn.threshold).double()
        shares.append(float(questioned[~wrong[rest]].mean()))
        found.append(float(questioned[wrong[rest]].mean()))
        kept = max(kept, drawn.alpha)
    return shares, found, kept
