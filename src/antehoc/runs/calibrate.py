"""Calibration of a trained model: fit the doubts, score the calibration images, set the threshold."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from antehoc import calibration
from antehoc.calibration.product import CONFIDENCE
from antehoc.data import Source
from antehoc.evaluation import Scored, score
from antehoc.figure import number
from antehoc.model import Model
from antehoc.recipe import Recipe, Verdicts
from antehoc.results import Calibrated
from antehoc.runs.clock import Clock
from antehoc.runs.doubts import fit_doubts
from antehoc.runs.folds import out_of_fold
from antehoc.runs.job import Job
from antehoc.seeds import mix
from antehoc.systems import System
from antehoc.training.activations import with_activations

log = logging.getLogger(__name__)


def calibrate_model(
    model: Model, recipe: Recipe, source: Source, job: Job, *, clock: Clock | None = None
) -> Calibrated:
    """Give a trained model its verdict.

    The doubts are fitted on the training images; then the calibration images set the threshold. The score is fitted on
    out-of-fold rows of the training images where the recipe has folds, else on one half of the calibration images.
    With `threshold: cross` the out-of-fold rows set the threshold as well.

    Args:
        model: trained by the recipe; its system's doubts are fitted in place.
        recipe: its verdict, and where there are folds, its phases.
        source: the recipe's data.
        job: seed and folder; runner and resume are for the networks of the folds.
        clock: told the seconds of the folds.
    Raises:
        DataError: the calibration images cannot keep what the verdict promises.
    """
    log.info("calibration: %d images", len(source.roles["calibration"]))
    system, seed = model.system, job.seed
    fit_doubts(system, with_activations(system, source.roles["train"], recipe.phases))
    rows = score(system, with_activations(system, source.roles["calibration"], recipe.phases))
    fit = out_of_fold(recipe, source, job) if recipe.verdict.folds else None
    if fit and clock:
        clock.lap("folds")
    calibrated, rows = with_policy(model, recipe.verdict, rows, fit, seed)
    if calibrated.policy and calibrated.policy.guarantee == "cross":
        log.info("%s", observed(calibrated.policy, rows))
    return Calibrated(calibrated, rows)


def with_policy(model: Model, verdict: Verdicts, rows: Scored, fit: Scored | None, seed: int) -> Calibrated:
    """The model with the policy that a `verdict` describes, and a sample of the doubts that it was set on.

    Args:
        model: where the rule is `auto`, the temperature of its system is fitted in place.
        verdict: of a recipe.
        rows: scored calibration images.
        fit: as for `policy_from`.
        seed: of the halves and of the sample.
    Returns:
        The model, and the rows at the temperature that was fitted.
    Raises:
        DataError: too few rows for the promise.
    """
    if verdict.method == "auto":
        system, held = model.system, fit or halves(rows, seed)[0]
        system.temperature.fit(rows.task, held.logits, held.label)
        rows, fit = _tempered(system, rows), fit and _tempered(system, fit)
    policy = policy_from(verdict, rows, fit, seed)
    return Calibrated(replace(model, policy=policy, reference=reference(rows, seed)), rows)


def reference(rows: Scored, seed: int) -> dict[str, Tensor]:
    """The doubts of calibration images that a model keeps, to compare new images with them."""
    return calibration.reference_doubts(rows.doubts, rows.wrong, seed=mix(seed, 7))


def halves(rows: Scored, seed: int) -> tuple[Scored, Scored]:
    """Two random halves of scored images: the first fits a rule, the second sets its threshold."""
    order = torch.randperm(len(rows.label), generator=torch.Generator().manual_seed(mix(seed, 2)))
    first, second = (rows.select(part) for part in torch.split(order, [len(order) // 2, len(order) - len(order) // 2]))
    return first, second


def _tempered(system: System[Any], rows: Scored) -> Scored:
    """Scored images with `confidence` at the temperature that was fitted."""
    value = system.temperature(rows.task, rows.logits.to(system.temperature.value.device))
    return replace(rows, doubts={**rows.doubts, CONFIDENCE: value.cpu()})


def policy_from(verdict: Verdicts, rows: Scored, fit: Scored | None, seed: int) -> calibration.Policy:
    """The policy that a recipe's `verdict` describes.

    Args:
        verdict: of the recipe.
        rows: scored calibration images.
        fit: scored images that fit the combined score; None: one half of `rows` does. Where the threshold is `cross`
            they are the out-of-fold ones, with a column `fold`, and set the threshold too.
        seed: of the halves.
    Raises:
        DataError: too few rows for the promise.
    """
    if verdict.threshold == "cross" and fit is not None:
        return _cross_policy(verdict, rows, fit, seed)
    return _fitted(verdict, rows, (fit.doubts, fit.wrong) if fit else None, seed)


def _fitted(
    verdict: Verdicts, rows: Scored, fit: tuple[Mapping[str, Tensor], Tensor] | None, seed: int
) -> calibration.Policy:
    if verdict.method == "auto":
        if fit is None:
            half, rows = halves(rows, seed)
            fit = half.doubts, half.wrong
        return calibration.calibrate_products(
            rows.doubts,
            rows.wrong,
            fit=fit,
            names=verdict.doubts or calibration.default_names(rows.doubts),
            alpha=verdict.alpha,
            guarantee=verdict.guarantee,
            predicted=rows.about if verdict.per_class else None,
            classes=rows.logits.shape[1],
        )
    return calibration.calibrate(
        rows.doubts,
        rows.wrong,
        names=verdict.doubts,
        late=verdict.late,
        alpha=verdict.alpha,
        fit=fit,
        predicted=rows.about if verdict.per_class else None,
        classes=rows.logits.shape[1],
        method=verdict.method,
        guarantee=verdict.guarantee,
        generator=torch.Generator().manual_seed(mix(seed, 2)),
    )


def _cross_policy(verdict: Verdicts, rows: Scored, fit: Scored, seed: int) -> calibration.Policy:
    """A cross-conformal threshold from calibration images and out-of-fold rows together."""
    every = Scored(
        torch.cat([rows.label, fit.label]),
        torch.cat([rows.attributes, fit.attributes]),
        torch.cat([rows.logits, fit.logits]),
        {name: torch.cat([values, fit.doubts[name]]) for name, values in rows.doubts.items()},
        {},
        rows.task,
    )
    fold = torch.cat([torch.full((len(rows.label),), -1), fit.columns["fold"]])
    if every.wrong.ndim == 2:  # each label of an image is a decision, in the image's fold
        fold = fold[:, None].expand(every.wrong.shape)
    flat = calibration.Decisions(
        {name: values.flatten() for name, values in every.doubts.items()}, every.wrong.flatten(), fold.flatten()
    )

    def refit(kept: Tensor) -> calibration.Policy:
        return _fitted(
            verdict, every, ({name: values[kept] for name, values in flat.doubts.items()}, flat.wrong[kept]), seed
        )

    return calibration.cross_conformal(
        refit(flat.fold >= 0),
        refit,
        flat,
        verdict.alpha,
        predicted=every.about.flatten() if verdict.per_class else None,
        classes=every.logits.shape[1],
    )


def observed(policy: calibration.Policy, rows: Scored) -> str:
    """What a cross-conformal threshold does to the calibration images, which did not train the network that is kept.

    Args:
        policy: with a cross-conformal threshold.
        rows: scored calibration images.
    """
    correct = ~rows.wrong
    questioned = (policy.score(rows.doubts) > policy.thresholds(rows.about)) & correct
    proven = calibration.proven_alpha(policy.alpha, policy.threshold_rows)
    return (
        f"the threshold is cross-conformal and aims at alpha {number(policy.alpha)}: of {int(correct.sum())} correct"
        f" decisions on calibration images {int(questioned.sum())} are questioned; with the networks of all folds kept,"
        f" {number(proven)} is proven"
    )
