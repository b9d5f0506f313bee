"""How well scores find failures: measures by kind of failure, intervals of differences, and mean ranks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from antehoc.figure import defined, listed
from antehoc.metrics.bootstrap import TAILS
from antehoc.metrics.resampled import resampled
from antehoc.metrics.selective import augrc, aurc, auroc
from antehoc.studies.failing import Kind

VERDICT = "verdict"
MEASURES = {"augrc": augrc, "aurc": aurc, "auroc": auroc}  #: the first one ranks
Side = Literal["better", "worse", "unclear"]


@dataclass(frozen=True)
class Difference:
    """Verdict minus rival, with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether it is told from 0 by its interval."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Measured:
    """One score on one kind of failure."""

    score: str
    kind: str
    values: Mapping[str, float | None]  #: by measure
    verdict_minus: Mapping[str, Difference | None]  #: by measure; None for the verdict itself and where undefined
    rank: float | None  #: by AUGRC, 1 for the lowest; None where there is nothing to find

    def side(self, measure: str) -> Side:
        """Whether the verdict is better or worse than this score beyond the interval."""
        found = self.verdict_minus[measure]
        if found is None or not found.excludes_zero:
            return "unclear"
        return "better" if (found.value > 0) == (measure == "auroc") else "worse"


def measured(scores: Mapping[str, Tensor], kinds: Mapping[str, Kind], draws: Tensor) -> tuple[Measured, ...]:
    """Every score on every kind of failure.

    Args:
        scores: (rows,) doubts by name; one is called `VERDICT`.
        kinds: the decisions of each kind, and which of them failed.
        draws: (draws, rows) as `Pool.draws` gives them: the same for all scores, so that differences are paired.
    """
    found = []
    for kind, (rows, failed) in kinds.items():
        counts = draws[:, rows]
        values = {name: _values(score[rows], failed) for name, score in scores.items()}
        rank = ranks({name: own["augrc"] for name, own in values.items()}) if 0 < failed.sum() < len(failed) else {}
        of_verdict = resampled(scores[VERDICT][rows], failed, counts)
        for name, score in scores.items():
            minus: dict[str, Difference | None] = dict.fromkeys(MEASURES)
            if name != VERDICT:
                drawn = resampled(score[rows], failed, counts)
                for measure in MEASURES:
                    minus[measure] = difference(
                        values[VERDICT][measure], values[name][measure], of_verdict[measure] - drawn[measure]
                    )
            plain = {measure: defined(value) for measure, value in values[name].items()}
            found.append(Measured(name, kind, plain, minus, rank.get(name)))
    return tuple(found)


def _values(score: Tensor, failed: Tensor) -> dict[str, float]:
    return {name: float(measure(score, failed)) for name, measure in MEASURES.items()}


def difference(own: float, other: float, drawn: Tensor) -> Difference | None:
    """A difference with the percentile interval of its draws; None where one of both is undefined."""
    if own != own or other != other:
        return None
    low, high = drawn.nanquantile(drawn.new_tensor(TAILS)).tolist()
    return Difference(own - other, low, high)


def ranks(values: Mapping[str, float]) -> dict[str, float]:
    """Ranks from 1 on, the lowest value first; equal values share the mean of their ranks.

    Example:
        >>> ranks({"a": 0.3, "b": 0.1, "c": 0.3})
        {'a': 2.5, 'b': 1.0, 'c': 2.5}
    """
    every = [*values.values()]
    return {
        name: 1 + sum(other < own for other in every) + (sum(other == own for other in every) - 1) / 2
        for name, own in values.items()
    }


def mean_ranks(rows: Sequence[Measured]) -> dict[str, float]:
    """The mean rank of each score over the kinds of failure that have one, the lowest first."""
    of_score: dict[str, list[float]] = {}
    for row in rows:
        if row.rank is not None:
            of_score.setdefault(row.score, []).append(row.rank)
    means = {name: float(torch.tensor(own).double().mean()) for name, own in of_score.items()}
    return dict(sorted(means.items(), key=lambda item: item[1]))


def standing(means: Mapping[str, float]) -> str:
    """The place of the verdict by mean rank, in a sentence."""
    if VERDICT not in means:
        return "There is no failure to find, so no score has a rank."
    own = means[VERDICT]
    said = f"By AUGRC the verdict has a mean rank of {own:.1f} among {len(means)} scores"
    before = sum(value < own for value in means.values())
    others = {name: value for name, value in means.items() if name != VERDICT}
    if not others:
        return f"{said}."
    best = min(others, key=others.__getitem__)
    if before:
        return f"{said}, place {before + 1}; the first is {best} ({others[best]:.1f})."
    tied = " shared" if others[best] == own else ""
    return f"{said}, the{tied} first place; the next is {best} ({others[best]:.1f})."


def against(rows: Sequence[Measured], rival: str, called: str) -> str:
    """Where the verdict is better or worse than one rival by AUGRC, and where that is unclear, in a sentence."""
    sides: dict[Side, list[str]] = {"better": [], "worse": [], "unclear": []}
    for row in rows:
        if row.score == rival and row.verdict_minus["augrc"] is not None:
            sides[row.side("augrc")].append(row.kind)
    said = {
        "better": "better on {}",
        "worse": "worse on {}",
        "unclear": "not clearly different (the interval includes 0) on {}",
    }
    parts = [said[side].format(listed(kinds)) for side, kinds in sides.items() if kinds]
    return f"Against {called} the verdict's AUGRC is {'; '.join(parts)}." if parts else ""


def beaten_by(rows: Sequence[Measured], kind: str) -> tuple[list[str], list[str]]:
    """The scores that are better than the verdict on a kind of failure beyond the interval, and the worse ones."""
    own = [row for row in rows if row.kind == kind]
    return [r.score for r in own if r.side("augrc") == "worse"], [r.score for r in own if r.side("augrc") == "better"]
