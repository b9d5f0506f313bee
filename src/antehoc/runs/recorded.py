"""A saved model and the recipe that made it: read from the record, measured again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from antehoc.data import Source
from antehoc.errors import DataError, ModelError, RecipeError
from antehoc.evaluation import Evaluation, evaluate, score
from antehoc.model import Model
from antehoc.plain import read_yaml
from antehoc.recipe import Recipe, build_recipe, upgrade
from antehoc.recipes import overridden
from antehoc.runs.checks import check_filled
from antehoc.runs.unknown import unknown_sets


def recipe_of(model: Model, overrides: Sequence[str] = ()) -> tuple[Recipe, str, int]:
    """The recipe that a saved model was made by, as recorded in it and overridden, with its name and seed.

    Raises:
        RecipeError: the model records none, or a damaged one, or an override does not fit it.
    """
    try:
        text, name, seed = model.about["values"], str(model.about["recipe"]), int(model.about["seed"])
    except (KeyError, ValueError, TypeError) as error:
        raise RecipeError("the model does not say by which recipe it was made; name one with --recipe.") from error
    try:
        values = read_yaml(text, "the recipe") if isinstance(text, str) else None
    except RecipeError:
        values = None
    if not isinstance(values, dict):
        raise RecipeError("the recipe recorded in the model is damaged; name one with --recipe.")
    where = name if name.endswith((".yaml", ".yml")) else f"{name}.yaml"
    return build_recipe(overridden(upgrade(values), overrides), where), name, seed


def evaluate_model(
    model: Model, recipe: Recipe, where: str, *, seed: int, ood: Mapping[str, Path] | None = None
) -> Evaluation:
    """Measure a saved model on the test role of a recipe's data.

    Args:
        model: calibrated.
        recipe: whose data and images of no known class are used.
        where: what errors call the recipe.
        seed: of the data.
        ood: further images of no known class, by name, from disk.
    Raises:
        ModelError: the model was never calibrated.
        DataError: the data are not of the model's classes, attributes or image size, or a role or set is empty.
    """
    if model.policy is None:
        raise ModelError("the model was never calibrated, so it has no verdicts to measure; train it by a recipe.")
    source = recipe.source(where, seed)
    _check_same_data(source, model, where)
    check_filled(source, where, "test", "calibration")
    found = evaluate(
        model,
        source.roles["test"],
        unknown=unknown_sets(recipe, source, where, seed, ood or {}),
        calibration=score(model.system, source.roles["calibration"]),
        train_attributes=source.roles["train"].attributes,
        seed=seed,
    )
    return replace(found, notes=[*measured(source), *found.notes])


def measured(source: Source, count: int | None = None) -> list[str]:
    """Which images of a recipe's data a measurement is about, where these are not all; a sentence, or none.

    A folder without a split is split by the recipe: then most of its images are not measured.

    Args:
        source: the data.
        count: how many of the test images are measured at most; None: all of them.
    """
    counts = {role: len(examples) for role, examples in source.roles.items()}
    total, test = sum(counts.values()), counts["test"]
    own = test if count is None else min(count, test)
    if own == total:
        return []
    drawn = ", drawn by the recipe's split" if source.seed is not None else ""
    every = "; `antehoc evaluate MODEL PATH` measures every labelled image of a folder, zip or table"
    return [
        f"measured are {own:,} of the {total:,} images of the recipe's data, from the role test{drawn}"
        f"{every if count is None else ''}"
    ]


def _check_same_data(source: Source, model: Model, where: str) -> None:
    if source.spec.classes != model.spec.classes or source.spec.attributes != model.spec.attributes:
        raise DataError(
            f"{where}: its classes or attributes are not the model's ({', '.join(model.spec.classes[:5])} …)."
        )
    if source.spec.task != model.spec.task:
        raise DataError(f"{where}: its images are {source.spec.task}, and the model is {model.spec.task}.")
    if source.preprocessing != model.preprocessing:
        raise DataError(f"{where}: brings images to another size or mode than the model's; use the model's own.")
