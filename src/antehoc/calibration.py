"""Calibration: doubts to one score, and the score to a threshold with a promise, on data held out for it alone."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from antehoc.errors import DataError
from antehoc.types import Flags, Scores, checked

Guarantee = Literal["expected", "binomial"]
_TAIL = 0.99  # beyond this share of the reference rows the tail is extrapolated
_DELTA = 0.05  # of the `binomial` guarantee
_LATE = math.log(10)  # nats from which on a late doubt speaks
_FEW_ERRORS = 10  # fewer errors than this cannot fit the weights


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
            raise DataError("evidence holds one value per level, two or more, and levels lie in 0..1.")

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
    if len(doubt) < 20 or not doubt.isfinite().all():
        raise DataError(f"evidence needs 20 finite values of a doubt on correct decisions; got {len(doubt)}.")
    ordered = doubt.double().sort().values
    levels = torch.cat([torch.linspace(0, 0.9, 46, dtype=torch.float64), 1 - torch.logspace(-1.02, -2, 30).double()])
    levels = levels.clamp(max=_TAIL)
    values = torch.quantile(ordered, levels) if len(ordered) < 1_000_000 else ordered[(levels * len(ordered)).long()]
    beyond = ordered[ordered > values[-1]] - values[-1]
    scale = float(beyond.mean()) if len(beyond) else 0.0
    spread = float(values[-1] - values[0]) or 1.0
    slope, start, factor = 1 / max(scale, 1e-3 * spread), _LATE if late else 0.0, 2.0 if late else 1.0
    return Evidence(tuple(values.tolist()), tuple(levels.tolist()), slope, start, factor)


@dataclass(frozen=True)
class Policy:
    """How a model's doubts become a verdict: questioned where the score lies above the threshold.

    `method` is `combined` (weights fitted), `equal-weights` (too few errors to fit them), or the name of the one
    doubt that is taken as it is.
    """

    method: str
    doubts: tuple[str, ...]
    evidence: tuple[Evidence, ...]  #: one per doubt; empty where one doubt is taken as it is
    weights: tuple[float, ...]  #: one per doubt, positive, mean 1
    threshold: float
    alpha: float  #: the largest expected share of correct decisions that is questioned
    asked_alpha: float  #: what was asked for; smaller than `alpha` where the rows were too few for it
    guarantee: Guarantee
    fit_rows: int  #: rows that set evidence and weights
    fit_errors: int  #: wrong decisions among them
    threshold_rows: int  #: correct decisions that set the threshold
    class_thresholds: tuple[float | None, ...] = ()  #: of each decided class its own; None: the one for all

    def __post_init__(self) -> None:
        counts = {len(self.doubts), len(self.weights), len(self.evidence) or len(self.doubts)}
        if counts != {len(self.doubts)} or not self.doubts or not (self.evidence or len(self.doubts) == 1):
            raise DataError("a policy holds one weight and one evidence per doubt, or one doubt and no evidence.")

    def score(self, doubts: Mapping[str, Tensor]) -> Tensor:
        """One score per image (B,), float64; higher: questioned sooner."""
        if not self.evidence:
            return doubts[self.doubts[0]].double()
        return torch.stack([w * e(doubts[name]) for name, e, w in self._parts()]).sum(0)

    def thresholds(self, predicted: Tensor) -> Tensor:
        """The threshold of each image by its decided class (B,), float64."""
        if not self.class_thresholds:
            return torch.full(predicted.shape, self.threshold, dtype=torch.float64, device=predicted.device)
        own = [self.threshold if limit is None else limit for limit in self.class_thresholds]
        return torch.tensor(own, dtype=torch.float64, device=predicted.device)[predicted]

    def contributions(self, doubts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What each doubt adds to the score, by name."""
        if not self.evidence:
            return {self.doubts[0]: doubts[self.doubts[0]].double()}
        return {name: w * e(doubts[name]) for name, e, w in self._parts()}

    def _parts(self) -> list[tuple[str, Evidence, float]]:
        return list(zip(self.doubts, self.evidence, self.weights, strict=True))


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


@checked
def conformal_threshold(correct_scores: Scores, alpha: float) -> float:
    """The threshold above which at most a share alpha of correct decisions falls, in expectation.

    The ceil((n + 1)(1 - alpha))-th smallest of n scores: for a new correct decision exchangeable with these, the
    chance of lying above it is at most alpha, over draws of the calibration data too.

    Args:
        correct_scores: scores of correct decisions that set nothing else.
        alpha: in 0..1.
    Returns:
        One of the scores; infinity where n is below 1/alpha - 1, since no finite threshold keeps the promise then.
    Source:
        Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005; split conformal prediction.
    Example:
        >>> conformal_threshold(torch.arange(1.0, 100.0), 0.05)
        95.0
    """
    ordered = correct_scores.double().sort().values
    rank = math.ceil((len(ordered) + 1) * (1 - alpha) - 1e-9)
    return float(ordered[rank - 1]) if rank <= len(ordered) else math.inf


@checked
def binomial_threshold(correct_scores: Scores, alpha: float, delta: float = _DELTA) -> float:
    """The threshold that keeps the share of correct decisions questioned at alpha with probability 1 - delta.

    The smallest order statistic of rank r with P(Binomial(n, 1 - alpha) >= r) <= delta: over draws of the calibration
    data the true share above it exceeds alpha with probability delta at most.

    Args:
        correct_scores: scores of correct decisions that set nothing else.
        alpha: in 0..1.
        delta: in 0..1.
    Returns:
        One of the scores; infinity where too few come for the promise.
    Source:
        Vovk, "Conditional Validity of Inductive Conformal Predictors", 2012, Prop. 2a.
    """
    ordered, n = correct_scores.double().sort().values, len(correct_scores)
    counts = torch.arange(n + 1, dtype=torch.float64)
    log_mass = (
        math.lgamma(n + 1)
        - torch.lgamma(counts + 1)
        - torch.lgamma(n - counts + 1)
        + counts * math.log1p(-alpha)
        + (n - counts) * math.log(alpha)
    )
    at_least = log_mass.exp().flip(0).cumsum(0).flip(0)  # P(Binomial >= r) for r = 0..n
    ranks = (at_least <= delta).nonzero()
    return float(ordered[int(ranks[0]) - 1]) if len(ranks) else math.inf


def least_rows(alpha: float) -> int:
    """How many correct decisions a threshold at alpha needs at least: n >= 1/alpha - 1."""
    return math.ceil(1 / alpha - 1 - 1e-9)


def calibrate(
    doubts: Mapping[str, Tensor],
    wrong: Tensor,
    *,
    names: Sequence[str],
    alpha: float,
    late: Sequence[str] = (),
    method: str = "combined",
    guarantee: Guarantee = "expected",
    fit: tuple[Mapping[str, Tensor], Tensor] | None = None,
    predicted: Tensor | None = None,
    classes: int = 0,
    generator: torch.Generator,
) -> Policy:
    """The policy of a model, from its doubts on the calibration images.

    Evidence and weights are fitted on `fit`, and the correct decisions of all calibration rows set the threshold.
    Without `fit` one half of the rows, drawn at random, takes its place. A rule by name (`method` one of the doubts)
    fits nothing, so all rows set its threshold.

    Args:
        doubts: (n,) by name, as `System.doubts` gives them.
        wrong: (n,) True where the decision is wrong.
        names: the doubts that enter the combined score.
        alpha: the largest expected share of correct decisions to be questioned, in 0..1. Where the rows are too few for
            it, the smallest alpha that they can keep is taken, and the policy says so.
        late: those of the doubts that speak only where they are rare (`fit_evidence`).
        method: `combined`, or the name of one doubt.
        guarantee: `expected` (conformal) or `binomial` (with probability 0.95 over the calibration data).
        fit: doubts and wrong decisions on other rows that did not train the network that decided them, such as
            out-of-fold ones.
        predicted: (n,) decided class numbers, for a threshold of its own for each class that has enough correct
            calibration decisions for alpha; None: one threshold for all.
        classes: how many there are, where `predicted` is given.
        generator: draws the halves.
    Raises:
        DataError: where a doubt is unknown, or too few decisions are correct: 40, or 20 where all rows set
            the threshold.
    """
    combined = method == "combined"
    names = list(names) if combined else [method]
    if unknown := [name for name in [*names, *late] if name not in doubts]:
        raise DataError(f"no doubt is called {unknown[0]!r}; this model has {', '.join(doubts)}.")
    least = 40 if combined and fit is None else 20  # one half of the rows must do where both are needed
    if int((~wrong).sum()) < least:
        raise DataError(
            f"calibration needs {least} correct decisions and got {int((~wrong).sum())} of {len(wrong)}; "
            "give more calibration images or train the classifier further."
        )
    order = torch.randperm(len(wrong), generator=generator)
    rest, fitted, errors_at = order, doubts, wrong
    own = order[:0]
    if combined and fit is None:
        own, rest = order[: len(order) // 2], order[len(order) // 2 :]
    elif combined and fit is not None:
        fitted, errors_at = fit
        own = torch.arange(len(errors_at))
    errors = int(errors_at[own].sum())
    evidence: tuple[Evidence, ...] = ()
    weights = [1.0] * len(names)
    if combined:
        correct = own[~errors_at[own]]
        evidence = tuple(fit_evidence(fitted[name][correct], late=name in late) for name in names)
        if errors >= _FEW_ERRORS and len(names) > 1:
            columns = torch.stack([e(fitted[name][own]) for e, name in zip(evidence, names, strict=True)], 1)
            weights = fit_weights(columns, errors_at[own])
        else:
            method = "equal-weights"
    draft = Policy(
        method, tuple(names), evidence, tuple(weights), math.inf, alpha, alpha, guarantee, len(own), errors, 0
    )
    kept = {name: doubts[name][rest] for name in names}
    return with_threshold(
        draft, kept, wrong[rest], alpha, predicted=None if predicted is None else predicted[rest], classes=classes
    )


def with_threshold(
    policy: Policy,
    doubts: Mapping[str, Tensor],
    wrong: Tensor,
    alpha: float,
    *,
    predicted: Tensor | None = None,
    classes: int = 0,
) -> Policy:
    """The same score with its threshold set anew, from rows that fitted nothing: another alpha, or newer data.

    With `predicted`, the decided classes (n,), each of the `classes` with enough correct decisions for alpha gets a
    threshold of its own, which keeps the promise within that class; the others share the one for all.
    """
    scores, correct = policy.score(doubts), ~wrong
    threshold, reachable = _threshold(policy, scores[correct], alpha)
    own: list[float | None] = []
    for label in range(classes if predicted is not None else 0):
        limit, kept = _threshold(policy, scores[correct & (predicted == label)], alpha)
        own.append(limit if kept <= alpha else None)
    return replace(
        policy,
        threshold=threshold,
        class_thresholds=tuple(own),
        alpha=reachable,
        asked_alpha=alpha,
        threshold_rows=int(correct.sum()),
    )


def _threshold(policy: Policy, scores: Tensor, alpha: float) -> tuple[float, float]:
    """The threshold on scores of correct decisions, and the alpha that so many of them can keep."""
    if policy.guarantee == "expected":
        reachable = alpha if len(scores) >= least_rows(alpha) else 1 / (len(scores) + 1)
        threshold = conformal_threshold(scores, reachable)
    else:  # the largest of n scores holds where (1 - alpha)^n <= delta; a hair more, for rounding
        reachable = max(alpha, 1 - _DELTA ** (1 / max(len(scores), 1)) * (1 - 1e-9))
        threshold = binomial_threshold(scores, reachable, _DELTA)
    return min(threshold, sys.float_info.max), reachable  # JSON knows no infinity
