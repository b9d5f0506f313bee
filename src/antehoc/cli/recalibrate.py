"""`antehoc recalibrate`: set the threshold of a saved model again on labelled images."""

import argparse
import os
import sys
from pathlib import Path

from antehoc.cli.device import check_device, device
from antehoc.cli.output import write_json
from antehoc.errors import DataError, RecipeError, out_of_reach
from antehoc.saved import check_files, check_new

TEXT = "set the threshold of a saved model again on labelled images, without training"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes beside the common options."""
    parser.add_argument("model", help="folder of a saved model")
    parser.add_argument(
        "path",
        metavar="PATH",
        help="labelled images: a folder of class folders, a zip of one, or a CSV or Parquet table",
    )
    parser.add_argument(
        "--alpha", type=float, metavar="A", help="largest share of correct decisions to question (default: as before)"
    )
    parser.add_argument(
        "--rule",
        choices=("auto", "keep", "choose"),
        default="auto",
        help="keep the rule, or choose one on half of the images (default: auto; chosen with 100 errors or no rule)",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="new model folder (default: MODEL-recalibrated)")


def run(options: argparse.Namespace) -> int:
    """Set the threshold, save the new model, and print what it was set on."""
    model = check_files(options.model)
    if options.alpha is not None and not 0 < options.alpha < 1:
        raise RecipeError(f"--alpha {options.alpha:g}: must be between 0 and 1, both excluded, such as 0.05.")
    out = options.out or Path(f"{os.path.abspath(model) if model.name in ('', '..') else model}-recalibrated")
    check_new(out, model)
    if said := out_of_reach(options.path):
        raise DataError(f"{options.path}: the path cannot be opened ({said}); check it and its permissions.")
    if not os.path.exists(options.path):
        raise DataError(f"{options.path}: there is no such file or folder; give labelled images.")
    check_device(options)
    from antehoc.model import load
    from antehoc.report import text
    from antehoc.runs.recalibrate import recalibrate

    result = recalibrate(
        load(model, device=device(options)),
        options.path,
        alpha=options.alpha,
        rule=options.rule,
        seed=options.seed,
        out=out,
    )
    write_json(options.json, {"model": str(out), "from": options.model, **result.to_plain()})
    sys.stdout.write(text.recalibrated(result))
    return 0
