"""What goes in and what comes out: batches, reasons, verdicts, decisions, and the check of tensor shapes."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple, ParamSpec, TypeVar

import beartype
from jaxtyping import Bool, Float, Int, jaxtyped
from torch import Tensor

from antehoc.cards import Card, upgraded_card
from antehoc.display import Displayed
from antehoc.errors import DataError, RecipeError, inside
from antehoc.explanations import Explanation, from_plain
from antehoc.figure import number, percent
from antehoc.plain import finite
from antehoc.schema import build
from antehoc.spec import DataSpec

P = ParamSpec("P")
R = TypeVar("R")

Images = Float[Tensor, "batch channels height width"]
Scores = Float[Tensor, " batch"]
Labels = Int[Tensor, " batch"]
Flags = Bool[Tensor, " batch"]
Predicted = Int[Tensor, " batch"] | Bool[Tensor, "batch classes"]  #: class numbers, or with several labels each one
Doubt = Float[Tensor, " batch"] | Float[Tensor, "batch classes"]  #: of an image, or with several labels of each

Role = Literal["train", "validation", "calibration", "test"]
ROLES: tuple[Role, ...] = ("train", "validation", "calibration", "test")


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Check shapes and types of a public function on tensors at every call (some 30 microseconds).

    A stray size of 1 broadcasts silently; this raises instead.
    """
    return jaxtyped(typechecker=beartype.beartype)(function)


class Batch(NamedTuple):
    """Images that travel together. `attributes` is (B, 0) where the data have none; `activations` only when cached."""

    image: Tensor  #: (B, C, H, W) in 0..1
    label: Tensor  #: (B,) class numbers, or with several labels (B, K) in 0..1
    attributes: Tensor  #: (B, N) in 0..1
    activations: tuple[Tensor, ...] = ()  #: what a frozen part would compute again: `System.activations(image)`
    mask: Tensor | None = None  #: (B, 1, H, W) in 0..1: where the object is; None where the data have no masks
    valid: Tensor | None = None  #: (B, 1, H, W) bool: pixels that the data say something of; None where all of them


@dataclass(frozen=True)
class Reason:
    """One reason, for programs (`code` and numbers) and for people (`text`)."""

    code: str  #: of the doubt or the explanation that gives it
    text: str
    attribute: str | None = None
    probability: float | None = None  #: of the attribute, in 0..1
    expected: float | None = None  #: P(attribute | decided class), in 0..1
    agrees: bool = False  #: whether it speaks for the decision


@dataclass(frozen=True)
class Verdict:
    """Whether the decision stands: `questioned` where the score is above the calibrated threshold."""

    outcome: Literal["accepted", "questioned"]
    score: float  #: higher: decision and explanation disagree more
    threshold: float
    alpha: float  #: the largest expected share of correct decisions that is questioned
    reasons: tuple[Reason, ...] = ()
    driven_by: str | None = None  #: the doubt that adds most to the score; None where none adds anything
    rank: float | None = None  #: share of correct calibration decisions with a lower score; None in earlier models


@dataclass(frozen=True)
class LabelDecision:
    """What is decided of one label of an image that may carry several."""

    present: bool
    probability: float  #: that the label is present, in 0..1
    doubts: Mapping[str, float]  #: by name; higher: decision and explanation disagree more
    verdict: Verdict | None = None


CONTRADICTED = 0.5  #: P(class | explanation) of another class than the label from which on the two contradict


@dataclass(frozen=True)
class Decision(Displayed):
    """One image's result: the same in Python, JSON and report. It holds no model.

    With several labels, `labels` holds a decision for each of them; `doubts` then are the largest over the labels, and
    `verdict` is that of the label which is furthest above its threshold: an image is questioned where one of its
    labels is.
    """

    label: str  #: the class; with several labels those that are present, joined by commas
    probabilities: dict[str, float]  #: by class name; with one label they sum to 1
    explanations: tuple[Explanation, ...] = ()
    doubts: dict[str, float] = field(default_factory=dict)  #: by name; higher: they disagree more
    verdict: Verdict | None = None  #: None where the model was never calibrated
    card: Card | None = None
    by_explanation: dict[str, float] = field(default_factory=dict)  #: P(class | explanation) by name, summing to 1
    corrected: dict[str, float] = field(default_factory=dict)  #: attributes that a person set, as they now stand
    labels: dict[str, LabelDecision] = field(default_factory=dict)  #: by class name, with several labels alone
    nearest: dict[str, int] = field(default_factory=dict)  #: classes of the five most similar training images: how many

    @property
    def contradicted_by(self) -> str | None:
        """The class that the explanation names instead of the label, with a probability of `CONTRADICTED` or more."""
        name = max(self.by_explanation, key=self.by_explanation.__getitem__, default=self.label)
        return name if name != self.label and self.by_explanation[name] >= CONTRADICTED else None

    def headline(self) -> str:
        """Label, probability and verdict, and the class that the explanation names where it is another one.

        Example:
            >>> Decision("fox", {"cat": 0.2, "fox": 0.8}).headline()
            'fox, 80.0 %: not calibrated.'
        """
        share = self.probabilities.get(self.label)
        said = self.label or "no label"
        said += "" if share is None else f", {percent(share)}"
        if self.verdict is None:
            said += ": not calibrated."
        else:
            score, limit = (number(value, "score") for value in (self.verdict.score, self.verdict.threshold))
            sign = ">" if self.verdict.outcome == "questioned" else "\N{LESS-THAN OR EQUAL TO}"
            said += f": {self.verdict.outcome} (score {score} {sign} {limit})."
        if other := self.contradicted_by:
            said += f" Contradicted: the explanation says {other} ({percent(self.by_explanation[other])})."
        return said

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them: those of `to_plain`, None for NaN and infinity."""
        return dict(finite(self.to_plain()))

    def records(self) -> list[dict[str, Any]]:
        """One row: label, verdict, the code of its first reason, and each probability and doubt by name.

        With several labels a row for each of them.
        """
        if self.labels:
            return [
                {"label": name, "present": one.present, "probability": one.probability, **_row(one.verdict, one.doubts)}
                for name, one in self.labels.items()
            ]
        shares = {f"probability: {name}": share for name, share in self.probabilities.items()}
        first = {"label": self.label, "probability": self.probabilities.get(self.label)}
        return [{**first, "contradicted_by": self.contradicted_by, **_row(self.verdict, self.doubts), **shares}]

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON; `from_plain` reads them back."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            **plain,
            "verdict": _verdict_to_plain(self.verdict),
            "card": self.card and dict(vars(self.card)),
            "explanations": [one.to_plain() for one in self.explanations],
            "labels": {
                name: {**vars(one), "doubts": dict(one.doubts), "verdict": _verdict_to_plain(one.verdict)}
                for name, one in self.labels.items()
            },
        }

    @staticmethod
    def from_plain(values: object, where: str = "decision") -> "Decision":
        """A decision from the plain values of `to_plain`, or of an earlier version's JSON, checked.

        JSON knows no NaN and no infinity: doubts, scores and probabilities that are null there are NaN again.

        Args:
            values: as `json.loads` gives them.
            where: what an error names first.
        Raises:
            DataError: unknown or missing keys, values of the wrong type.
        """
        if not isinstance(values, Mapping):
            raise DataError(f"{where}: a decision must be a mapping; got {type(values).__name__}.")
        try:
            plain = _upgraded(values)
            listed = plain.pop("explanations", [])
            if not isinstance(listed, list | tuple):
                raise DataError(f"{where}: explanations is a list; got {type(listed).__name__}.")
            found = tuple(from_plain(one, inside(inside(where, "explanations"), n)) for n, one in enumerate(listed))
            verdict = _read_verdict(plain.pop("verdict", None), inside(where, "verdict"))
            labels = _read_labels(plain.pop("labels", None), inside(where, "labels"))
            return build(_plain_decision, _nulls(plain), where, explanations=found, verdict=verdict, labels=labels)
        except RecipeError as error:
            raise DataError(str(error)) from None
        except (KeyError, TypeError, AttributeError):
            raise DataError(f"{where}: this is not a decision written by antehoc; decide on the image again.") from None


def _row(verdict: Verdict | None, doubts: Mapping[str, float]) -> dict[str, Any]:
    """Columns of a verdict and its doubts."""
    names = ("outcome", "score", "threshold", "alpha")
    columns = {name: None if verdict is None else getattr(verdict, name) for name in names}
    reason = verdict.reasons[0].code if verdict and verdict.reasons else None
    return {**columns, "first_reason": reason, **{f"doubt: {name}": value for name, value in doubts.items()}}


def _verdict_to_plain(verdict: Verdict | None) -> dict[str, Any] | None:
    """By hand: `dataclasses.asdict` takes as long as a small network takes to decide."""
    if verdict is None:
        return None
    return {**vars(verdict), "reasons": tuple(dict(vars(reason)) for reason in verdict.reasons)}


def _plain_decision(
    *,
    label: str,
    probabilities: Mapping[str, float | None],
    explanations: tuple[Explanation, ...],
    doubts: Mapping[str, float | None] | None = None,
    verdict: Verdict | None,
    card: Card | None = None,
    by_explanation: Mapping[str, float | None] | None = None,
    corrected: Mapping[str, float] | None = None,
    nearest: Mapping[str, int] | None = None,
    labels: dict[str, LabelDecision],
) -> Decision:
    return Decision(
        label,
        _numbers(probabilities),
        explanations,
        _numbers(doubts or {}),
        verdict,
        card,
        _numbers(by_explanation or {}),
        dict(corrected or {}),
        labels,
        dict(nearest or {}),
    )


def _read_verdict(values: object, where: str) -> Verdict | None:
    return None if values is None else build(_plain_verdict, _nulls(values), where)


def _plain_verdict(
    *,
    outcome: Literal["accepted", "questioned"],
    score: float | None,
    threshold: float,
    alpha: float,
    reasons: tuple[Reason, ...] = (),
    driven_by: str | None = None,
    rank: float | None = None,
) -> Verdict:
    return Verdict(outcome, _number(score), threshold, alpha, reasons, driven_by, rank)


def _read_labels(values: object, where: str) -> dict[str, LabelDecision]:
    if not isinstance(values, Mapping):
        if values is None:
            return {}
        raise RecipeError(f"{where}: needs a mapping; got {values!r}.")
    found = {}
    for name, own in values.items():
        rest = dict(own) if isinstance(own, Mapping) else own
        verdict = (
            _read_verdict(rest.pop("verdict", None), inside(inside(where, name), "verdict"))
            if rest is not own
            else None
        )
        found[str(name)] = build(_plain_label, _nulls(rest), inside(where, name), verdict=verdict)
    return found


def _plain_label(
    *, present: bool, probability: float | None, doubts: Mapping[str, float | None], verdict: Verdict | None
) -> LabelDecision:
    return LabelDecision(present, _number(probability), _numbers(doubts), verdict)


def _nulls(values: object) -> Any:
    """Plain values with null for NaN and infinity, as JSON has them."""
    if isinstance(values, float) and not math.isfinite(values):
        return None
    if not isinstance(values, Mapping):
        return values
    return {key: _nulls(value) for key, value in values.items()}


def _numbers(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: _number(value) for name, value in values.items()}


def _number(value: float | None) -> float:
    return math.nan if value is None else value


_AGREED = frozenset({"attribute-agrees", "mask-enough", "mask-needed", "whole-agrees"})


def _upgraded(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an earlier version's JSON under today's keys; today's own as they are."""
    # a row of `explain` names its image and says what it is
    plain = {key: value for key, value in values.items() if key not in ("kind", "path")}
    if "explanans" in plain:
        plain["explanations"] = [plain.pop("explanans")]
        plain["doubts"] = plain.pop("doubt", {})
        if plain.get("verdict"):
            reasons = [{**one, "agrees": one["code"] in _AGREED} for one in plain["verdict"]["reasons"]]
            plain["verdict"] = {**plain["verdict"], "reasons": reasons}
    if isinstance(card := plain.get("card"), Mapping):
        plain["card"] = upgraded_card(card)
    return plain


__all__ = [
    "CONTRADICTED", "ROLES", "Batch", "DataSpec", "Decision", "Doubt", "Flags", "Images", "LabelDecision", "Labels",
    "Predicted", "Reason", "Role", "Scores", "Verdict", "checked",
]  # fmt: skip
