"""Verdict scores by set of images, and risk over coverage."""

from collections.abc import Mapping

import torch
from torch import Tensor

from antehoc.blocks import Lines, Section, Strips
from antehoc.calibration import Policy
from antehoc.evaluation.scoring import BASELINE, Scored
from antehoc.metrics import selective

_FREE = 1e300  # a threshold above this means that there is none
_SCORE = "verdict score (higher: decision and reasons disagree more); the line is the threshold"


def sections(scored: Scored, policy: Policy, unknown: Mapping[str, Scored]) -> list[Section]:
    """Verdict scores by set, and risk over coverage."""
    return [scores_section(scored, policy, unknown), curves_section(scored, policy)]


def scores_section(scored: Scored, policy: Policy, unknown: Mapping[str, Scored]) -> Section:
    """A sample of verdict scores of correct and wrong decisions and of each unknown set, beside the threshold."""
    verdict, wrong = policy.score(scored.doubts).flatten(), scored.wrong.flatten()
    sets = {"correct": _sample(verdict[~wrong]), "wrong": _sample(verdict[wrong])}
    sets |= {name: _sample(policy.score(other.doubts).flatten()) for name, other in unknown.items()}
    said = (
        "Each strip holds a sample of one set, of 2,000 decisions at most. What lies right of the line is questioned."
    )
    if any(limit is not None for limit in policy.class_thresholds):
        said += " The line is the threshold for all; classes with a threshold of their own are questioned by that."
    threshold = policy.threshold if policy.threshold < _FREE else None
    return Section("Verdict scores", (Strips(sets, threshold, _SCORE, said, "questioned"),))


def _sample(values: Tensor, count: int = 2000) -> tuple[float, ...]:
    pick = torch.linspace(0, len(values) - 1, min(count, len(values))).long()
    return tuple(float(value) for value in values[pick])


def curves_section(scored: Scored, policy: Policy) -> Section:
    """Risk over coverage of the verdict and of maximum softmax."""
    wrong = scored.wrong.flatten()
    series = {
        "verdict": _curve(policy.score(scored.doubts).flatten(), wrong),
        "maximum softmax": _curve(scored.doubts[BASELINE].flatten(), wrong),
    }
    said = (
        "Decisions are accepted from the least doubtful on. The lower the curve, the fewer of those accepted are"
        " wrong; at full coverage both end at the error rate."
    )
    x, y = "coverage: share of decisions accepted", "risk: share of these that is wrong"
    lines = Lines(series, x, y, caption=said, x_percent=True, y_percent=True)
    return Section("Risk and coverage", (lines,))


def _curve(values: Tensor, wrong: Tensor, points: int = 200) -> tuple[tuple[float, ...], tuple[float, ...]]:
    curve = selective.risk_coverage(values, wrong)
    pick = torch.linspace(0, len(curve.coverage) - 1, min(points, len(curve.coverage))).long()
    return tuple(curve.coverage[pick].tolist()), tuple(curve.risk[pick].tolist())
