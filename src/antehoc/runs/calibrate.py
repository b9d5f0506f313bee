"""Calibration of a trained model: fit the doubts, score the calibration images, set the threshold."""

import logging
from dataclasses import replace
from typing import Any

import torch

from antehoc import calibration
from antehoc.calibration.product import CONFIDENCE
from antehoc.data import Source
from antehoc.doubts import DOUBTS
from antehoc.evaluation import Scored, score
from antehoc.model import Model
from antehoc.recipe import Recipe
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
    if recipe.verdict.method != "auto":
        return Calibrated(replace(model, policy=policy_from(recipe, rows, fit, seed)), rows)
    fit, kept = (fit, rows) if fit else _halves(rows, seed)
    system.temperature.fit(rows.task, fit.logits, fit.label)
    fit, kept, rows = (_tempered(system, one) for one in (fit, kept, rows))
    return Calibrated(replace(model, policy=chosen_policy(recipe, kept, fit)), rows)


def _halves(rows: Scored, seed: int) -> tuple[Scored, Scored]:
    """Two random halves of scored images."""
    order = torch.randperm(len(rows.label), generator=torch.Generator().manual_seed(mix(seed, 2)))
    first, second = (rows.select(part) for part in torch.split(order, [len(order) // 2, len(order) - len(order) // 2]))
    return first, second


def _tempered(system: System[Any], rows: Scored) -> Scored:
    """Scored images with `confidence` at the temperature that was fitted."""
    value = system.temperature(rows.task, rows.logits.to(system.temperature.value.device))
    return replace(rows, doubts={**rows.doubts, CONFIDENCE: value.cpu()})


def chosen_policy(recipe: Recipe, rows: Scored, fit: Scored) -> calibration.Policy:
    """The policy whose rule the data choose.

    Args:
        recipe: its verdict.
        rows: scored calibration images; they set the threshold.
        fit: other scored images that trained no network that decided them; they choose the rule.
    Raises:
        DataError: too few rows for the promise.
    """
    verdict = recipe.verdict
    return calibration.calibrate_products(
        rows.doubts,
        rows.wrong,
        fit=(fit.doubts, fit.wrong),
        names=verdict.doubts or [name for name, doubt in DOUBTS.items() if doubt.about],
        alpha=verdict.alpha,
        guarantee=verdict.guarantee,
        predicted=rows.about if verdict.per_class else None,
        classes=rows.logits.shape[1],
    )


def policy_from(recipe: Recipe, rows: Scored, fit: Scored | None, seed: int) -> calibration.Policy:
    """The policy that a recipe's `verdict` describes.

    Args:
        recipe: its verdict.
        rows: scored calibration images.
        fit: scored images that fit the combined score; None: one half of `rows` does.
        seed: of the halves.
    Raises:
        DataError: too few rows for the promise.
    """
    return calibration.calibrate(
        rows.doubts,
        rows.wrong,
        names=recipe.verdict.doubts,
        late=recipe.verdict.late,
        alpha=recipe.verdict.alpha,
        fit=(fit.doubts, fit.wrong) if fit else None,
        predicted=rows.about if recipe.verdict.per_class else None,
        classes=rows.logits.shape[1],
        method=recipe.verdict.method,
        guarantee=recipe.verdict.guarantee,
        generator=torch.Generator().manual_seed(mix(seed, 2)),
    )
