"""How well verdicts tell wrong decisions from correct ones, each beside maximum softmax on the same model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from antehoc import metrics
from antehoc.calibration import Policy, calibrate
from antehoc.evaluation.rules import RULES
from antehoc.evaluation.scoring import BASELINE, Scored
from antehoc.evaluation.words import score_words
from antehoc.figure import Better, Figure, defined
from antehoc.metrics import selective

GROUP = "Verdicts on errors"
_MAIN = ("verdict", "msp")  # scores that are measured in every way
_DIFFERENCES: dict[Literal["auroc", "aurc"], Better] = {
    "auroc": "higher",
    "aurc": "lower",
}  # of verdict and maximum softmax
_MEASURES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], str, Better, bool]] = {
    "aurc": (selective.aurc, "area under the risk-coverage curve of {}", "lower", True),
    "augrc": (
        selective.augrc,
        "area under the generalized risk-coverage curve of {}",
        "lower",
        False,
    ),
    "fpr_at_95_tpr": (
        selective.fpr_at_95_tpr,
        "share of correct decisions above the threshold of {} that finds 95 % of wrong ones",
        "lower",
        False,
    ),
}


def share(flags: Tensor) -> float | None:
    """The share of True; None where there are no flags."""
    return defined(float(flags.double().mean())) if len(flags) else None


def flat(scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """One entry for each decision: with several labels each label of each image is one."""
    return {name: values.flatten() for name, values in scores.items()}


def figures(scored: Scored, policy: Policy, seed: int) -> list[Figure]:
    """Shares questioned by rules and verdict, and measures of every score.

    Args:
        scored: test images.
        policy: of the model.
        seed: of the bootstrap.
    """
    verdict, wrong = policy.score(scored.doubts), scored.wrong.flatten()
    questioned = (verdict > policy.thresholds(scored.about)).flatten()
    doubts, verdict = flat(scored.doubts), verdict.flatten()
    found = _by_rules(doubts, scored.logits.shape[1], wrong) + _contradicted(scored, wrong)
    found += _questioned("verdict", "the verdict", questioned, wrong, headline=True, interval=True)
    others = {name: doubt for name, doubt in doubts.items() if name != BASELINE}
    main = {"verdict": verdict, "msp": doubts[BASELINE]}
    found += [_auroc(name, values, wrong) for name, values in {**main, **others}.items()]
    for name, values in main.items():
        found += _measures(name, values, wrong)
    return found + _differences(verdict, doubts[BASELINE], wrong, seed)


def _contradicted(scored: Scored, wrong: Tensor) -> list[Figure]:
    """How often the explanation names another class, among wrong and among correct decisions."""
    flags = scored.columns.get("contradicted")
    if flags is None:
        return []
    directions: dict[str, Better] = {"wrong": "higher", "correct": "lower"}
    return [
        Figure(
            f"contradicted_{outcome}",
            share(flags[wrong if outcome == "wrong" else ~wrong]),
            f"share of {outcome} decisions whose explanation gives another class a probability of a half or more",
            GROUP,
            better,
            headline=True,
        )
        for outcome, better in directions.items()
    ]


def _by_rules(doubts: Mapping[str, Tensor], classes: int, wrong: Tensor) -> list[Figure]:
    found: list[Figure] = []
    for rule in RULES:
        if (questioned := rule.applied(doubts, classes)) is not None:
            found += _questioned(rule.name, rule.words, questioned, wrong, headline=rule.headline)
    return found


def _questioned(
    name: str, words: str, questioned: Tensor, wrong: Tensor, *, headline: bool, interval: bool = False
) -> list[Figure]:
    """The shares questioned of wrong and of correct decisions."""
    found = []
    directions: dict[str, Better] = {"wrong": "higher", "correct": "lower"}
    for outcome, better in directions.items():
        flags = questioned[wrong if outcome == "wrong" else ~wrong]
        span = metrics.share_interval(flags)[1:] if interval and len(flags) else None
        says = f"share of {outcome} decisions questioned by {words}"
        found.append(Figure(f"{name}_questioned_{outcome}", share(flags), says, GROUP, better, span, headline=headline))
    return found


def _auroc(name: str, values: Tensor, wrong: Tensor) -> Figure:
    says = f"AUROC of {score_words(name)}, wrong against correct decisions"
    value = defined(float(selective.auroc(values, wrong)))
    return Figure(f"{name}_auroc", value, says, GROUP, "higher", headline=name in _MAIN)


def _measures(name: str, values: Tensor, wrong: Tensor) -> list[Figure]:
    return [
        Figure(
            f"{name}_{measure}",
            defined(float(function(values, wrong))),
            says.format(score_words(name)),
            GROUP,
            better,
            headline=headline,
        )
        for measure, (function, says, better, headline) in _MEASURES.items()
    ]


def _differences(verdict: Tensor, softmax: Tensor, wrong: Tensor, seed: int) -> list[Figure]:
    """Verdict minus maximum softmax, with intervals over the same resamples; none if all are correct or all wrong."""
    if not bool(wrong.any()) or bool(wrong.all()):
        return []
    generator, found = torch.Generator().manual_seed(seed), []
    for measure, better in _DIFFERENCES.items():
        pair = metrics.paired_interval(measure, verdict, softmax.double(), wrong, generator=generator)
        says = f"{measure.upper()} of the verdict minus that of maximum softmax"
        found.append(
            Figure(
                f"verdict_{measure}_minus_msp",
                pair.estimate,
                says,
                GROUP,
                better,
                (pair.low, pair.high),
                headline=True,
                written="difference",
            )
        )
    return found


def at_points(scored: Scored, policy: Policy, points: Sequence[float]) -> list[Figure]:
    """The share of wrong decisions that each score questions at the threshold that questions a share of correct ones.

    Args:
        scored: test images.
        policy: of the model.
        points: shares of correct decisions, in 0..1.
    """
    named = {"verdict": policy.score(scored.doubts).flatten(), "msp": scored.doubts[BASELINE].double().flatten()}
    wrong, found = scored.wrong.flatten(), []
    for point in points:
        place = f"{point:.4f}".removeprefix("0.").rstrip("0")
        for name, values in named.items():
            says = (
                f"share of wrong decisions questioned by {score_words(name)} where {100 * point:g} % of the correct are"
            )
            value = defined(float(selective.share_at(values, wrong, point)))
            found.append(Figure(f"{name}_questioned_wrong_at_{place}", value, says, GROUP, "higher", headline=True))
    return found


def has_baseline(calibration: Scored) -> bool:
    """Whether scored calibration images can set a threshold of maximum softmax: 20 correct decisions are needed."""
    return BASELINE in calibration.doubts and int((~calibration.wrong).sum()) >= 20


def baseline_policy(calibration: Scored, alpha: float) -> Policy:
    """Maximum softmax with its own threshold at the same alpha, from scored calibration images."""
    return calibrate(
        {BASELINE: calibration.doubts[BASELINE].flatten()},
        calibration.wrong.flatten(),
        names=(),
        method=BASELINE,
        alpha=alpha,
        generator=torch.Generator(),
    )


def baseline_figures(scored: Scored, threshold: float) -> list[Figure]:
    """The shares that maximum softmax questions above its own threshold: what a verdict must beat."""
    questioned = (scored.doubts[BASELINE] > threshold).flatten()
    return _questioned("msp", score_words("msp"), questioned, scored.wrong.flatten(), headline=True)
