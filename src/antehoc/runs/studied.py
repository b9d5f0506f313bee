"""The studies of a finished model that a recipe asks for, with their options."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from antehoc import bias, masks, studies
from antehoc.data import Files, Source
from antehoc.errors import RecipeError, choose
from antehoc.evaluation import Scored
from antehoc.model import Model
from antehoc.recipe import Recipe
from antehoc.results import Trained
from antehoc.runs.recorded import recipe_of
from antehoc.schema import check_arguments
from antehoc.seeds import mix


def study_options(recipe: Recipe, where: str) -> dict[str, dict[str, object]]:
    """The options of each study of a recipe, checked against its signature.

    Raises:
        RecipeError: an unknown study, an unknown option, or a value of another type.
    """
    found = {}
    for name, options in recipe.studies.items():
        try:
            run = choose("study", name, STUDIES)
        except RecipeError as error:
            raise RecipeError(f"{where}, studies: {error}") from None
        given = {"model": None, "source": None, "seed": None}
        found[name] = check_arguments(run, options, f"{where}, studies.{name}", given)
    return found


def run_study(name: str, model: Model, source: Source, *, seed: int, options: Mapping[str, Any]) -> studies.Finding:
    """One study of a finished model."""
    return STUDIES[name](model, source, seed=seed, **options)


def over_draws(recipe: Recipe, trained: Trained, test: Scored, seed: int) -> studies.RepeatedCalibration | None:
    """The promise of the threshold over random calibration sets, of the images that fitted nothing."""
    policy, calibration = trained.model.policy, trained.calibration
    if policy is None or not recipe.draws:
        return None
    pool = {name: torch.cat([values, test.doubts[name]]) for name, values in calibration.doubts.items()}
    return studies.repeated_calibration(
        policy,
        pool,
        torch.cat([calibration.wrong, test.wrong]),
        rows=len(calibration.wrong),
        alpha=recipe.verdict.alpha,
        draws=recipe.draws,
        seed=mix(seed, 5),
    )


def over_draws_figures(found: studies.RepeatedCalibration) -> dict[str, float | None]:
    """What a run records of it."""
    return {
        "verdict_questioned_correct_over_draws": found.questioned_correct,
        "verdict_questioned_correct_over_draws_standard_error": found.standard_error,
        "verdict_questioned_wrong_over_draws": found.questioned_wrong,
    }


# The table below is to be replaced by `antehoc.studies.STUDIES`, which has this form.


def _leakage(model: Model, source: Source, *, seed: int, count: int = 100) -> studies.Finding:
    """Whether the mirror sees the attributes or repeats the class.

    Args:
        count: test images, at most; each is looked at some 30 times.
    """
    return studies.leakage(model, _files(source, "leakage"), seed=seed, limit=count)


def _background(model: Model, source: Source, *, seed: int, count: int = 500) -> studies.Finding:
    """Which attributes are read from the background.

    Args:
        count: test images, at most; each is looked at three times.
    """
    return studies.background(model, _files(source, "background"), seed=seed, limit=count)


def _masks(model: Model, source: Source, *, seed: int) -> studies.Finding:
    return masks.placed(model, source.roles["validation"], source.roles["test"], seed=seed)


def _compare(model: Model, source: Source, *, seed: int, count: int = 50) -> studies.Finding:
    """The model's masks beside post-hoc methods on its own classifier.

    Args:
        count: test images that hold an object; each is looked at some 10,000 times.
    """
    return masks.against_posthoc(model, source.roles["test"], count=count, seed=seed)


def _cost(model: Model, source: Source, *, seed: int) -> studies.Finding:
    return masks.costs(seed=seed)


def _shape_bias(model: Model, source: Source, *, seed: int) -> studies.Finding:
    return bias.of_model(model, source.roles["test"])


def _pretrained(model: Model, source: Source, *, seed: int) -> studies.Finding:
    return bias.of_pretrained(model, source.roles["test"], recipe_of(model)[0].data["path"])


def _files(source: Source, need: str) -> Files:
    test = source.roles["test"]
    if not isinstance(test, Files):
        raise RecipeError(f"studies: {need!r} needs image files with boxes, and these images are in memory.")
    return test


STUDIES: dict[str, Callable[..., studies.Finding]] = {
    "leakage": _leakage,
    "background": _background,
    "masks": _masks,
    "compare": _compare,
    "cost": _cost,
    "shape_bias": _shape_bias,
    "pretrained_shape_bias": _pretrained,
}
