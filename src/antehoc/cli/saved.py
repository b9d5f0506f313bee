"""A saved model on the command line, and the recipe with the data to measure it on."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from antehoc.cli.device import check_device
from antehoc.cli.options import overrides
from antehoc.errors import RecipeError
from antehoc.recipes import changed_keys, read_values
from antehoc.saved import check_files

if TYPE_CHECKING:
    from antehoc.model import Model
    from antehoc.recipe import Recipe


def check(options: argparse.Namespace, command: str, changes: Sequence[str]) -> None:
    """Refuse a wrong model, recipe, path or device before torch is loaded.

    Args:
        options: of the command line.
        command: its name.
        changes: keys of a recipe, and sections of it, that change what the command measures.
    Raises:
        AntehocError: with the first of them.
    """
    check_files(options.model)
    for override in options.set:
        _check_change(override, command, changes)
    if options.recipe:
        read_values(options.recipe, overrides=overrides(options))
    overrides(options)
    check_device(options)


def _check_change(override: str, command: str, changes: Sequence[str]) -> None:
    """Refuse what a saved model would not follow: how it was trained and calibrated, and what a run does beside."""
    for key in changed_keys(override):
        within = any(f"{key}.".startswith(f"{known}.") for known in changes)
        if not within and not key.endswith(".replace") and not any(known.startswith(f"{key}.") for known in changes):
            cure = "give --seed" if key == "seed" else f"`{command}` takes {', '.join(changes)}"
            raise RecipeError(
                f"--set {key}: `{command}` measures a saved model as it is, and this would change nothing; {cure}."
            )


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
