"""`antehoc evaluate`: measure a saved model."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from antehoc.cli.device import check_device, device
from antehoc.cli.options import add_changes, add_unknown, named_paths
from antehoc.cli.output import write, write_json
from antehoc.cli.saved import check, recipe_for
from antehoc.errors import DataError, RecipeError, out_of_reach, shown
from antehoc.saved import check_files

CHANGES = ("data", *(f"unknown.{key}" for key in ("kinds", "count", "from_disk", "only", "exclude")))  #: by `--set`
TEXT = "measure a saved model on labelled images, or on a recipe's test images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes beside the common options."""
    parser.add_argument("model", help="folder of a saved model")
    parser.add_argument(
        "path",
        nargs="?",
        metavar="PATH",
        help="labelled images, all of which are measured: class folders, a zip of them, or a CSV or Parquet table"
        " (default: the recipe's test images)",
    )
    parser.add_argument("--recipe", help="recipe with the data (default: the one that made the model)")
    add_changes(parser)
    add_unknown(parser)


def run(options: argparse.Namespace) -> int:
    """Measure the model and print its figures."""
    ood = named_paths(options.ood)
    if options.path is not None:
        return _every(options, ood)
    check(options, "evaluate", CHANGES)
    from antehoc.model import load
    from antehoc.report import page, text
    from antehoc.runs.recorded import evaluate_model

    model = load(options.model, device=device(options))
    recipe, where, seed = recipe_for(model, options)
    result = evaluate_model(model, recipe, where, seed=seed, ood=ood)
    sys.stdout.write(text.evaluation(result))
    write_json(options.json, _plain(result))
    write(options.html, page.evaluation(result, model) if options.html else "")
    return 0


def _every(options: argparse.Namespace, ood: dict[str, Path]) -> int:
    """Measure every labelled image of a path; those that cannot be read are reported."""
    _check_path(options)
    check_files(options.model)
    check_device(options)
    from antehoc.model import load
    from antehoc.report import page, text
    from antehoc.runs.measure import measure

    model = load(options.model, device=device(options))
    found = measure(model, options.path, seed=options.seed or 0, ood=ood)
    result = found.evaluation
    for error in found.errors:
        sys.stderr.write(f"antehoc: {error}\n")
    sys.stdout.write(text.evaluation(result))
    classes = {one.name: one.to_plain() for one in result.classes if one.correct is not None}
    others = {one.name: one.to_plain() for one in result.classes if one.correct is None}
    own = {"images": found.images, "unreadable": len(found.errors), "classes": classes, "unknown_classes": others}
    write_json(options.json, _plain(result) | own)
    write(options.html, page.evaluation(result, model) if options.html else "")
    if found.errors:
        count = len(found.errors)
        said = (
            "1 image was skipped; the line above says"
            if count == 1
            else f"{count:,} images were skipped; the lines above say"
        )
        sys.stderr.write(f"antehoc: {said} why.\n")
    return 2 if found.errors else 0


def _check_path(options: argparse.Namespace) -> None:
    """Refuse what cannot be measured before torch is loaded."""
    named = {"--recipe": options.recipe, "--set": options.set, "--data": options.data}
    if given := [name for name, value in named.items() if value]:
        raise RecipeError(f"{given[0]}: belongs to a recipe's data, and PATH takes their place; leave one of them out.")
    where = shown(options.path)
    if said := out_of_reach(options.path):
        raise DataError(f"{where}: cannot be read ({said}); check the path and its permissions.")
    if not os.path.exists(options.path):
        raise DataError(f"{where}: there is no such file or folder; give labelled images.")


def _plain(result: Any) -> dict[str, Any]:
    """Figures, intervals and notes for JSON."""
    from antehoc.figure import intervals, values

    return {"figures": values(result.figures), "intervals": intervals(result.figures), "notes": result.notes}
