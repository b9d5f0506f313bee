"""Doubts as evidence: how rare a doubt is among correct decisions, and how much each one counts."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from antehoc.errors import DataError
from antehoc.types import Flags, Scores, checked

_TAIL = 0.99  # beyond this share of the reference rows the tail is extrapolated
_LATE = math.log(10)  # nats from which on a late doubt counts


@dataclass(frozen=True)
class Evidence:
    """One doubt as evidence against a decision: minus the log of the share of correct decisions that doubt as much.

    Evidence is one-sided: a doubt that is lower than usual speaks for nothing, so a confident network cannot
    outvote a mirror that disagrees. Beyond the last hundredth of the reference rows it goes on linearly (an
    exponential tail), so that what is stranger than everything seen still ranks.

    `values` are the reference rows' doubts at `levels` (shares, ascending); `slope` is evidence per unit of doubt
    in the tail. 0 and more, in nats. What lies below `start` nats counts for nothing, the rest `factor` times.
    """

    values: tuple[float, ...]
    levels: tuple[float, ...]
    slope: float
    start: float = 0.0
    factor: float = 1.0

    def __post_init__(self) -> None:
        if len(self.values) != len(self.levels) or len(self.values) < 2 or not all(0 <= v < 1 for v in self.levels):
            raise DataError("evidence holds one value per level, two or more, and levels must be in 0..1.")
        if not all(left <= right for row in (self.values, self.levels) for left, right in pairwise(row)):
            raise DataError("the values and levels of evidence must not decrease; calibrate the model again.")
        if not (self.slope > 0 and self.start >= 0 and self.factor > 0 and all(map(math.isfinite, self.values))):
            raise DataError("evidence must rise with its doubt, from finite values; calibrate the model again.")

    def __call__(self, doubt: Tensor) -> Tensor:
        values = torch.tensor(self.values, dtype=torch.float64, device=doubt.device)
        surprise = -torch.log1p(-torch.tensor(self.levels, dtype=torch.float64, device=doubt.device))
        doubt = doubt.double()
        right = torch.searchsorted(values, doubt, right=False).clamp(1, len(values) - 1)
        left = right - 1
        span = values[right] - values[left]
        share = ((doubt - values[left]) / torch.where(span > 0, span, torch.ones_like(span))).clamp(0, 1)
        inside = surprise[left] + share * (surprise[right] - surprise[left])
        whole = inside + (doubt - values[-1]).clamp(min=0) * self.slope
        return (whole - self.start).clamp(min=0) * self.factor


@checked
def fit_evidence(doubt: Scores, *, late: bool = False) -> Evidence:
    """The evidence of one doubt, from its values on correct decisions.

    Args:
        doubt: on correct decisions that the networks were not trained on.
        late: the doubt speaks only where it is rarer than one in ten, and then counts double: for what tells images of
            no known class, but little of the errors on known ones.
    Raises:
        DataError: where fewer than 20 values come, or one is not finite.
    """
    finite = int(doubt.isfinite().sum())
    if len(doubt) < 20 or finite < len(doubt):
        raise DataError(
            f"evidence needs 20 or more values of a doubt on correct decisions, all finite; got {len(doubt)}, of which"
            f" {len(doubt) - finite} are NaN or infinite."
        )
    ordered = doubt.double().sort().values
    levels = torch.cat([torch.linspace(0, 0.9, 46, dtype=torch.float64), 1 - torch.logspace(-1.02, -2, 30).double()])
    levels = levels.clamp(max=_TAIL)
    values = torch.quantile(ordered, levels) if len(ordered) < 1_000_000 else ordered[(levels * len(ordered)).long()]
    beyond = ordered[ordered > values[-1]] - values[-1]
    scale = float(beyond.mean()) if len(beyond) else 0.0
    spread = float(values[-1] - values[0]) or 1.0
    slope, start, factor = 1 / max(scale, 1e-3 * spread), _LATE if late else 0.0, 2.0 if late else 1.0
    return Evidence(tuple(values.tolist()), tuple(levels.tolist()), slope, start, factor)


@checked
def fit_weights(evidence: Float[Tensor, "rows doubts"], wrong: Flags, *, pull: float = 100.0) -> list[float]:
    """Weights of the evidences: a logistic regression of wrong on evidence, pulled towards equal weights.

    Weights are positive (their logarithm is fitted) and scaled to a mean of 1, since only their ratios matter for a
    threshold that is set afterwards.

    Args:
        evidence: one column per doubt, 0 and more.
        wrong: True where the decision is wrong.
        pull: strength of the ridge on the logarithms' distance from their mean.
    """
    rows, target = evidence.double(), wrong.double()
    parameters = torch.zeros(1 + rows.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([parameters], max_iter=200, line_search_fn="strong_wolfe", tolerance_change=1e-12)

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = parameters[0] + rows @ parameters[1:].exp()
        misfit = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="sum")
        ridge = pull * (parameters[1:] - parameters[1:].mean()).square().sum()
        total: Tensor = misfit + ridge
        total.backward()  # type: ignore[no-untyped-call]
        return total

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    weights = parameters.detach()[1:].exp()
    return [float(weight) for weight in weights / weights.mean()]
