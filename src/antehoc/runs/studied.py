"""The studies of a finished model that a recipe requests, with their options."""

from collections.abc import Mapping

from antehoc.errors import RecipeError, choose
from antehoc.recipe import Recipe
from antehoc.schema import check_arguments
from antehoc.studies import STUDIES


def study_options(recipe: Recipe, where: str) -> dict[str, dict[str, object]]:
    """The options of each study of a recipe, checked against its signature.

    Raises:
        RecipeError: an unknown study, an unknown option, or a value of another type.
    """
    if recipe.draws and "repeated_calibration" in recipe.studies:
        raise RecipeError(f"{where}: `draws` and the study `repeated_calibration` do the same; keep one of them.")
    given: Mapping[str, object] = {"model": None, "source": None, "seed": None}
    found = {}
    for name, options in recipe.studies.items():
        try:
            run = choose("study", name, STUDIES)
        except RecipeError as error:
            raise RecipeError(f"{where}, studies: {error}") from None
        found[name] = check_arguments(run, options, f"{where}, studies.{name}", given)
    return found
