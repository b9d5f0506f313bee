"""`antehoc evaluate`: measure a saved model."""

import argparse
import sys

from antehoc.cli.device import device
from antehoc.cli.options import add_changes, add_unknown, named_paths
from antehoc.cli.output import write, write_json
from antehoc.cli.saved import check, recipe_for

CHANGES = ("data", *(f"unknown.{key}" for key in ("kinds", "count", "from_disk", "only", "exclude")))  #: by `--set`
TEXT = "measure a saved model on a recipe's test images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes beside the common options."""
    parser.add_argument("model", help="folder of a saved model")
    parser.add_argument("--recipe", help="recipe with the data (default: the one that made the model)")
    add_changes(parser)
    add_unknown(parser)


def run(options: argparse.Namespace) -> int:
    """Measure the model and print its figures."""
    ood = named_paths(options.ood)
    check(options, "evaluate", CHANGES)
    from antehoc.figure import intervals, values
    from antehoc.model import load
    from antehoc.report import page, text
    from antehoc.runs.recorded import evaluate_model

    model = load(options.model, device=device(options))
    recipe, where, seed = recipe_for(model, options)
    result = evaluate_model(model, recipe, where, seed=seed, ood=ood)
    sys.stdout.write(text.evaluation(result))
    found = {"figures": values(result.figures), "intervals": intervals(result.figures), "notes": result.notes}
    write_json(options.json, found)
    write(options.html, page.evaluation(result, model) if options.html else "")
    return 0
