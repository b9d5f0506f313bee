"""`antehoc train`: train and calibrate a model."""

import argparse
import sys

from antehoc.cli.device import check_device, runner
from antehoc.cli.options import add_training, overrides
from antehoc.cli.output import write_json
from antehoc.recipes import read_values

TEXT = "train and calibrate the model of a recipe"
add_arguments = add_training


def run(options: argparse.Namespace) -> int:
    """Train the recipe's model and print what was reached."""
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
