"""The policy of a model: how its doubts become one score, and the score a verdict."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from antehoc.calibration.choice import Candidate, choose
from antehoc.calibration.evidence import Evidence, fit_evidence, fit_weights
from antehoc.calibration.product import Product, larger, shares
from antehoc.calibration.ranks import check_quantiles, quantiles, ranks
from antehoc.calibration.threshold import DELTA, Guarantee, binomial_threshold, conformal_threshold, least_rows
from antehoc.errors import DataError

_FEW_ERRORS = 10  # fewer errors than this cannot fit the weights


@dataclass(frozen=True)
class Policy:
    """How a model's doubts become a verdict: questioned where the score lies above the threshold.

    `method` is `softmax`, `softmax-neighbors` or `product` (chosen by `calibrate_products`), `combined` (weights
    fitted), `equal-weights` (too few errors to fit them), or the name of the one doubt that is taken as it is.
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
    products: tuple[Product, ...] = ()  #: for errors and for unknown images; the larger one is the score
    candidates: tuple[Candidate, ...] = ()  #: what each rule gave on the fit rows
    score_quantiles: tuple[float, ...] = ()  #: of the scores that set the threshold, evenly spaced; see `ranks`

    def __post_init__(self) -> None:
        counts = {len(self.doubts), len(self.weights), len(self.evidence) or len(self.doubts)}
        multiplied = {name for product in self.products for name in product.doubts}
        whole = multiplied == set(self.doubts) if self.products else self.evidence or len(self.doubts) == 1
        if counts != {len(self.doubts)} or not self.doubts or not whole:
            raise DataError(
                "a policy holds one weight and one evidence per doubt, or one doubt and no evidence, or products of its"
                " doubts."
            )
        if not all(math.isfinite(weight) and weight > 0 for weight in self.weights):
            raise DataError(f"the weights of a policy must be above 0; got {list(self.weights)}.")
        if not (0 < self.alpha < 1 and 0 < self.asked_alpha < 1):
            raise DataError(f"the alpha of a policy must be between 0 and 1; got {self.alpha} and {self.asked_alpha}.")
        limits = [self.threshold, *(limit for limit in self.class_thresholds if limit is not None)]
        if any(math.isnan(limit) for limit in limits):
            raise DataError("a threshold of a policy is NaN; calibrate the model again.")
        check_quantiles(self.score_quantiles)

    def score(self, doubts: Mapping[str, Tensor]) -> Tensor:
        """One score per decision, in the shape of the doubts, float64; higher: questioned sooner."""
        if self.products:
            return larger(self.products, doubts)
        if not self.evidence:
            return doubts[self.doubts[0]].double()
        return torch.stack([w * e(doubts[name]) for name, e, w in self._parts()]).sum(0)

    def thresholds(self, predicted: Tensor) -> Tensor:
        """The threshold of each decision by the number of its class, in the shape of `predicted`, float64."""
        if not self.class_thresholds:
            return torch.full(predicted.shape, self.threshold, dtype=torch.float64, device=predicted.device)
        own = [self.threshold if limit is None else limit for limit in self.class_thresholds]
        return torch.tensor(own, dtype=torch.float64, device=predicted.device)[predicted]

    def contributions(self, doubts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What each doubt adds to the score, by name."""
        if self.products:
            return shares(self.products, doubts)
        if not self.evidence:
            return {self.doubts[0]: doubts[self.doubts[0]].double()}
        return {name: w * e(doubts[name]) for name, e, w in self._parts()}

    def ranks(self, scores: Tensor) -> list[float | None]:
        """The share of correct calibration decisions that each score is above, in 0..1; None where none is stored."""
        if not self.score_quantiles:
            return [None] * len(scores)
        return ranks(scores, self.score_quantiles)

    def drivers(self, doubts: Mapping[str, Tensor]) -> list[str | None]:
        """The doubt that adds most to each score, the first of equal ones; None where none adds anything.

        Args:
            doubts: (n,) by name.
        """
        parts = self.contributions(doubts)
        largest, which = torch.stack([*parts.values()]).max(0)
        alone = len(parts) == 1  # a doubt that is the score itself drives it at any value
        names = [*parts]
        return [
            names[number] if alone or value > 0 else None
            for value, number in zip(largest.tolist(), which.tolist(), strict=True)
        ]

    def _parts(self) -> list[tuple[str, Evidence, float]]:
        return list(zip(self.doubts, self.evidence, self.weights, strict=True))


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
    fits nothing, so all rows set its threshold. With several labels, a row is an image and each of its labels is a
    decision; the guarantee then is about label decisions, pooled over labels.

    Args:
        doubts: (n,) by name, or with several labels (n, K), as `System.all_doubts` gives them.
        wrong: True where a decision is wrong, (n,) or (n, K).
        names: the doubts that enter the combined score.
        alpha: the largest expected share of correct decisions to be questioned, in 0..1. Where the rows are too few for
            it, the smallest alpha that they can keep is taken, and the policy says so.
        late: those of the doubts that speak only where they are rare (`fit_evidence`).
        method: `combined`, or the name of one doubt.
        guarantee: `expected` (conformal) or `binomial` (with probability 0.95 over the calibration data).
        fit: doubts and wrong decisions on other rows that did not train the network that decided them, such as
            out-of-fold ones.
        predicted: number of the class that each decision is about, (n,) or (n, K). Each class with enough correct
            calibration decisions for alpha then gets a threshold of its own. None: one threshold for all.
        classes: how many there are, where `predicted` is given.
        generator: draws the halves.
    Raises:
        DataError: alpha is not between 0 and 1, a doubt is unknown or not finite, or too few decisions are correct:
            40, or 20 if all rows set the threshold.
    """
    combined = method == "combined"
    names = list(names) if combined else [method]
    least = 40 if combined and fit is None else 20  # where both are needed, half of the rows must be enough
    _check(doubts, wrong, [*names, *late], alpha, least=least)
    order = torch.randperm(len(wrong), generator=generator)
    halved = combined and fit is None
    own, rest = (order[: len(order) // 2], order[len(order) // 2 :]) if halved else (order[:0], order)
    score = _Fitted((), (1.0,) * len(names), 0, 0)
    if combined:
        fitted, errors_at = fit if fit is not None else (_rows(doubts, own), wrong[own])
        score = _fit_score(fitted, errors_at, names, late)
        method = method if len(names) > 1 and score.errors >= _FEW_ERRORS else "equal-weights"
    draft = Policy(
        method, tuple(names), score.evidence, score.weights, math.inf, alpha, alpha, guarantee,
        score.rows, score.errors, 0,
    )  # fmt: skip
    kept = _rows({name: doubts[name] for name in names}, rest)
    decided = None if predicted is None else predicted[rest]
    return with_threshold(draft, kept, wrong[rest], alpha, predicted=decided, classes=classes)


def calibrate_products(
    doubts: Mapping[str, Tensor],
    wrong: Tensor,
    *,
    fit: tuple[Mapping[str, Tensor], Tensor],
    names: Sequence[str],
    alpha: float,
    guarantee: Guarantee = "expected",
    predicted: Tensor | None = None,
    classes: int = 0,
) -> Policy:
    """The policy whose rule the data choose: `choice.choose` on the fit rows; the other rows set the threshold.

    Args:
        doubts: (n,) by name, or with several labels (n, K), as `System.all_doubts` gives them.
        wrong: True where a decision is wrong, (n,) or (n, K).
        fit: doubts and wrong decisions on rows that trained no network and are not among these.
        names: of the doubts that may be used.
        alpha: as in `calibrate`.
        guarantee: as in `calibrate`.
        predicted: as in `calibrate`.
        classes: as in `calibrate`.
    Raises:
        DataError: alpha is not between 0 and 1, a doubt is not finite, or fewer than 20 decisions are correct among
            the fit rows or the others.
    """
    for values, flags in ((doubts, wrong), fit):
        _check(values, flags, [], alpha, least=20)
    flat, flags = {name: values.flatten() for name, values in fit[0].items()}, fit[1].flatten()
    found = choose(flat, flags, names)
    used = tuple(dict.fromkeys(name for product in found.products for name in product.doubts))
    draft = Policy(
        found.rule, used, (), (1.0,) * len(used), math.inf, alpha, alpha, guarantee,
        len(flags), int(flags.sum()), 0, products=found.products, candidates=found.candidates,
    )  # fmt: skip
    kept = {name: doubts[name] for name in used}
    return with_threshold(draft, kept, wrong, alpha, predicted=predicted, classes=classes)


class _Fitted(NamedTuple):
    """What the rows that set no threshold have fitted."""

    evidence: tuple[Evidence, ...]
    weights: tuple[float, ...]
    rows: int
    errors: int


def _rows(doubts: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    return {name: values[rows] for name, values in doubts.items()}


def _check(doubts: Mapping[str, Tensor], wrong: Tensor, names: Sequence[str], alpha: float, *, least: int) -> None:
    least_rows(alpha)  # refuses an alpha out of its range
    if unknown := [name for name in names if name not in doubts]:
        raise DataError(f"no doubt is called {unknown[0]!r}; this model has {', '.join(doubts)}.")
    correct = int((~wrong).sum())
    if correct < least:
        raise DataError(
            f"calibration needs {least} correct decisions and got {correct} of {wrong.numel()}; "
            "give more calibration images or train the classifier further."
        )


def _fit_score(doubts: Mapping[str, Tensor], wrong: Tensor, names: Sequence[str], late: Sequence[str]) -> _Fitted:
    """Evidence and weights; the weights are equal where the errors are too few to fit them."""
    flat, flags = {name: doubts[name].flatten() for name in names}, wrong.flatten()
    evidence = tuple(fit_evidence(flat[name][~flags], late=name in late) for name in names)
    errors, weights = int(flags.sum()), [1.0] * len(names)
    if errors >= _FEW_ERRORS and len(names) > 1:
        columns = torch.stack([e(flat[name]) for e, name in zip(evidence, names, strict=True)], 1)
        weights = fit_weights(columns, flags)
    return _Fitted(evidence, tuple(weights), len(flags), errors)


def with_threshold(
    policy: Policy,
    doubts: Mapping[str, Tensor],
    wrong: Tensor,
    alpha: float,
    *,
    predicted: Tensor | None = None,
    classes: int = 0,
) -> Policy:
    """The same score with a new threshold, from rows that fitted nothing: for another alpha, or on newer data.

    With `predicted`, the decided classes (n,), each of the `classes` with enough correct decisions for alpha gets a
    threshold of its own, which keeps the promise within that class; the others share the one for all.
    """
    scores, correct = policy.score({name: values.flatten() for name, values in doubts.items()}), ~wrong.flatten()
    if not bool(correct.any()):
        raise DataError("a threshold needs correct decisions, and there is none among these.")
    threshold, reachable = _threshold(policy, scores[correct], alpha)
    own: list[float | None] = []
    for label in range(classes if predicted is not None else 0):
        assert predicted is not None
        chosen = scores[correct & (predicted.flatten() == label)]
        limit, kept = _threshold(policy, chosen, alpha) if len(chosen) else (math.inf, 1.0)
        own.append(limit if kept <= alpha else None)
    return replace(
        policy,
        threshold=threshold,
        class_thresholds=tuple(own),
        alpha=reachable,
        asked_alpha=alpha,
        threshold_rows=int(correct.sum()),
        score_quantiles=quantiles(scores[correct]),
    )


def _threshold(policy: Policy, scores: Tensor, alpha: float) -> tuple[float, float]:
    """The threshold on scores of correct decisions, and the alpha that so many of them can keep."""
    if policy.guarantee != "binomial":
        reachable = alpha if len(scores) >= least_rows(alpha) else 1 / (len(scores) + 1)
        threshold = conformal_threshold(scores, reachable)
    else:  # the largest of n scores holds where (1 - alpha)^n <= delta; a hair more, for rounding
        reachable = max(alpha, 1 - DELTA ** (1 / max(len(scores), 1)) * (1 - 1e-9))
        threshold = binomial_threshold(scores, reachable, DELTA)
    return min(threshold, sys.float_info.max), reachable  # JSON knows no infinity
