"""`antehoc init`: look at labelled images and write a recipe for them."""

import argparse
import shlex
import sys
from pathlib import Path

from antehoc.cli.options import add_preset
from antehoc.cli.output import write_json
from antehoc.errors import DataError, out_of_reach, shown

TEXT = "look at labelled images, say which systems fit, and write a recipe"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes beside the common options."""
    parser.add_argument(
        "path",
        metavar="PATH",
        help="labelled images: class folders, a zip of them, a CSV or Parquet table, or a folder of idx files",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="the recipe (default: the name of PATH with .yaml, in this folder)"
    )
    parser.add_argument("--weights", metavar="FILE", help="pretrained weights (.safetensors) of a network of timm")
    add_preset(parser)


def run(options: argparse.Namespace) -> int:
    """Print what was found and write the recipe."""
    check_there(options.path)
    from antehoc.report import text
    from antehoc.runs.init import init

    found = init(
        options.path,
        out=options.out,
        weights=options.weights,
        from_scratch=options.from_scratch,
        preset=options.preset,
    )
    write_json(options.json, found.to_plain())
    sys.stdout.write(text.proposed(found))
    sys.stdout.write(f"\nnext: antehoc train {shlex.quote(str(found.file))}\n")
    return 0


def check_there(path: str) -> None:
    """Refuse a path without anything before torch is loaded.

    Raises:
        DataError: naming it.
    """
    if said := out_of_reach(path):
        raise DataError(f"{shown(path)}: the path cannot be opened ({said}); check it and its permissions.")
    if not Path(path).exists():
        raise DataError(f"{shown(path)}: there is no such file or folder; give labelled images.")
