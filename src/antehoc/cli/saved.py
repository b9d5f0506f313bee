"""A saved model on the command line, and the recipe with the data to measure it on."""

import argparse
from typing import TYPE_CHECKING

from antehoc.cli.device import check_device
from antehoc.cli.options import overrides
from antehoc.recipes import read_values
from antehoc.saved import check_files

if TYPE_CHECKING:
    from antehoc.model import Model
    from antehoc.recipe import Recipe


def check(options: argparse.Namespace) -> None:
    """Refuse a wrong model, recipe, path or device before torch is loaded.

    Raises:
        AntehocError: with the first of them.
    """
    check_files(options.model)
    if options.recipe:
        read_values(options.recipe, overrides=overrides(options))
    overrides(options)
    check_device(options)


def recipe_for(model: "Model", options: argparse.Namespace) -> tuple["Recipe", str, int]:
    """The recipe of `--recipe`, or else the one that made the model; where it comes from, and the seed."""
    from antehoc.recipe import read_recipe
    from antehoc.runs.recorded import recipe_of

    if options.recipe:
        recipe, _ = read_recipe(options.recipe, overrides=overrides(options))
        where, seed = options.recipe, int(model.about.get("seed", recipe.seed))  # the split that it was trained on
    else:
        recipe, where, seed = recipe_of(model, overrides(options))
    return recipe, where, seed if options.seed is None else options.seed
