"""`antehoc train`: train and calibrate a model."""

import argparse
import sys

from antehoc.cli.device import check_device, runner
from antehoc.cli.options import add_preset, add_training, is_images, overrides
from antehoc.cli.output import write_json
from antehoc.errors import RecipeError, shown
from antehoc.recipes import read_values

TEXT = "train and calibrate a model, from a recipe or straight from labelled images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes beside the common options."""
    add_training(
        parser,
        "name of a recipe, path of a YAML file, or labelled images as `init` takes them, for which it is written",
    )
    add_preset(parser)


def run(options: argparse.Namespace) -> int:
    """Train the recipe's model and print what was reached; of labelled images, first what they are."""
    if is_images(options.recipe):
        _write_recipe(options)
    elif options.preset or options.from_scratch:
        given = "--preset" if options.preset else "--from-scratch"
        raise RecipeError(f"{given}: makes a recipe from images, and {shown(options.recipe)} is one; leave it out.")
    read_values(options.recipe, scale=options.scale, overrides=overrides(options))  # before the slow imports
    check_device(options)
    from antehoc.report import text
    from antehoc.runs.train import train_run

    trained = train_run(
        options.recipe,
        out=options.out,
        seed=options.seed,
        scale=options.scale,
        overrides=overrides(options),
        runner=runner(options),
        resume=options.resume,
    )
    place = str(trained.folder / "model")
    write_json(options.json, {"model": place, "history": trained.history, "seconds": trained.seconds})
    sys.stdout.write(text.trained(trained))
    return 0


def _write_recipe(options: argparse.Namespace) -> None:
    """Look at the images and put the recipe that was written for them in their place."""
    if options.data:
        raise RecipeError(f"--data: {shown(options.recipe)} is the data already; leave one of them out.")
    overrides(options)  # refuses wrong weights before torch is loaded
    check_device(options)
    from antehoc.report import text
    from antehoc.runs.init import recipe_to_train

    found = recipe_to_train(
        options.recipe, weights=options.weights, from_scratch=options.from_scratch, preset=options.preset
    )
    sys.stdout.write(f"{text.proposed(found)}\n")
    sys.stdout.flush()
    options.recipe = str(found.file)
