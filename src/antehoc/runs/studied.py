"""The studies of a finished model that a recipe requests, with their options."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from antehoc.data import Examples, Source
from antehoc.errors import RecipeError, choose
from antehoc.recipe import Recipe
from antehoc.results import Trained
from antehoc.runs.job import Job
from antehoc.runs.phases import train_system
from antehoc.schema import check_arguments
from antehoc.studies import STUDIES, Context, Finding
from antehoc.systems import System

_FURTHER = 1000  # numbers of further networks; those of folds lie below


GIVEN: Mapping[str, object] = {"model": None, "source": None, "seed": None, "context": None}  #: no options


def study_options(recipe: Recipe, where: str) -> dict[str, dict[str, object]]:
    """The options of each study of a recipe, checked against its signature.

    Raises:
        RecipeError: an unknown study, an unknown option, or a value of another type.
    """
    if recipe.draws and "repeated_calibration" in recipe.studies:
        raise RecipeError(f"{where}: `draws` and the study `repeated_calibration` do the same; keep one of them.")
    found = {}
    for name, options in recipe.studies.items():
        try:
            run = choose("study", name, STUDIES)
        except RecipeError as error:
            raise RecipeError(f"{where}, studies: {error}") from None
        found[name] = check_arguments(run, options, f"{where}, studies.{name}", GIVEN)
    return found


def run_studies(
    recipe: Recipe, trained: Trained, source: Source, job: Job, unknown: Mapping[str, Examples]
) -> Iterator[tuple[str, Finding]]:
    """Run a recipe's studies of its trained model, one after the other.

    Args:
        recipe: its studies.
        trained: the model, and the folder where a study may train further networks by the same recipe.
        source: the recipe's data.
        job: of the run.
        unknown: images of no known class, by name of the set.
    Returns:
        Each study by its name with what it found.
    """

    def train(number: int) -> System[Any]:
        own = replace(job, folder=trained.folder / "further" / f"network-{number}")
        system, _ = train_system(recipe, source, source.roles, own, fold=_FURTHER + number)
        return system

    context = Context(unknown, train)
    for name, options in study_options(recipe, job.where).items():
        run = STUDIES[name]
        more = {"context": context} if "context" in inspect.signature(run).parameters else {}
        yield name, run(trained.model, source, seed=job.seed, **options, **more)
