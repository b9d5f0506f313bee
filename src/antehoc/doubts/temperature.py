"""Maximum softmax with a fitted temperature, on a scale that does not saturate."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from antehoc import task as tasks
from antehoc.doubts.likelihood import PerClass
from antehoc.errors import DataError
from antehoc.task import Task
from antehoc.types import Doubt, checked

_RANGE = (-3.0, 3.0)  # of the temperature's natural logarithm
_STEPS = 60  # of the search; each keeps .618 of the range


class Temperature(nn.Module):
    """The doubt `confidence`: log of 1 minus the probability of what is decided, with logits divided by a temperature.

    Never positive. It ranks decisions as maximum softmax at that temperature does, but still tells two decisions apart
    whose probabilities both round to 1.

    Source:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2.
    """

    value: Tensor  #: the temperature, a scalar; 1 before `fit`

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("value", torch.ones(()))

    @torch.no_grad()
    def fit(self, task: Task, logits: PerClass, label: Tensor) -> None:
        """Set the temperature that minimizes the negative log likelihood of decisions that trained nothing.

        Args:
            task: of the data.
            logits: (n, K).
            label: (n,) true classes, or with several labels (n, K) in 0..1.
        Raises:
            DataError: there is no row, or a logit is not finite.
        """
        if not len(logits) or not bool(logits.isfinite().all()):
            raise DataError(f"a temperature needs one or more rows of finite logits; got {len(logits)} rows.")
        rows, low, high = logits.double(), *_RANGE

        def loss(logarithm: float) -> float:
            scaled = rows / torch.tensor(logarithm, dtype=torch.float64).exp()
            return float(tasks.loss(task, scaled, label))

        golden = (5**0.5 - 1) / 2  # the loss is convex in 1/T, so it has one minimum in log T
        for _ in range(_STEPS):
            left, right = high - golden * (high - low), low + golden * (high - low)
            low, high = (low, right) if loss(left) <= loss(right) else (left, high)
        self.value.fill_(torch.tensor((low + high) / 2).exp())

    @checked
    def forward(self, task: Task, logits: PerClass) -> Doubt:
        """(B,), or with several labels (B, K), of logits (B, K)."""
        scaled = logits / self.value
        if task == "multi-label":
            return F.logsigmoid(-scaled.abs())
        others = scaled.scatter(1, tasks.strongest(scaled)[:, None], -torch.inf)
        return others.logsumexp(1) - scaled.logsumexp(1)

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """Models of earlier versions have no temperature: theirs is 1."""
        super()._load_from_state_dict({prefix + "value": state.get(prefix + "value", torch.ones(()))}, prefix, *rest)
