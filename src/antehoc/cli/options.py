"""Options that several commands take, and what they mean."""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

from antehoc.errors import RecipeError, out_of_reach, shown
from antehoc.recipes import known_recipes


def add_common(parser: argparse.ArgumentParser, *, page: bool) -> None:
    """What every command takes; `page`: also `--html`."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    if page:
        parser.add_argument("--html", type=Path, metavar="FILE", help="write a self-contained HTML page")
    parser.add_argument("--seed", type=natural, metavar="S", help="random seed (default: the recipe's)")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    parser.add_argument("--quiet", action="store_true", help="do not report progress")
    parser.add_argument("--verbose", action="store_true", help="show library logs")


def add_training(
    parser: argparse.ArgumentParser, recipe: str = "name of a recipe of the package, or path of a YAML file"
) -> None:
    """What commands that train take; `recipe` is what the help says of their first argument."""
    parser.add_argument("recipe", help=recipe)
    parser.add_argument(
        "--scale", default="small", help="small (default: minutes on two cores), paper, or another scale of the recipe"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="run folder (default: antehoc-runs/RECIPE-SCALE-seedS)"
    )
    add_changes(parser)
    parser.add_argument("--weights", metavar="FILE", help="pretrained weights of the backbone (.safetensors)")
    parser.add_argument("--devices", type=natural, default=1, metavar="N", help="number of devices to train on")
    parser.add_argument("--resume", action="store_true", help="continue a stopped run")


def add_preset(parser: argparse.ArgumentParser) -> None:
    """How a recipe is made from a path of labelled images."""
    parser.add_argument("--preset", metavar="NAME", help="attributes, masks or classifier (default: by the data)")
    parser.add_argument("--from-scratch", action="store_true", help="train a small network from random weights")


def is_images(path: str) -> bool:
    """Whether it names labelled images, not a recipe: a path that is no YAML file and no name of a recipe.

    Raises:
        RecipeError: it is neither there nor a recipe.
    """
    if path in known_recipes() or Path(path).suffix in (".yaml", ".yml"):
        return False
    if out_of_reach(path) or os.path.exists(path):
        return True
    if os.sep in path or Path(path).suffix:
        raise RecipeError(f"{shown(path)}: there is no such file or folder; give images, or a recipe.")
    return False


def add_changes(parser: argparse.ArgumentParser) -> None:
    """What changes a recipe."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a value of the recipe (repeatable)"
    )
    parser.add_argument("--data", metavar="PATH", help="path of the recipe's data")


def add_unknown(parser: argparse.ArgumentParser) -> None:
    """Images of no known class, from disk."""
    parser.add_argument(
        "--ood",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="set of unknown images: a folder, zip or idx file (repeatable)",
    )


def names(text: str) -> tuple[str, ...]:
    """The names of a list with commas, with or without spaces."""
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def natural(text: str) -> int:
    """A whole number of the command line, 0 to 2**63 - 1."""
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"needs a whole number from 0 to 2**63 - 1; got {text!r}")
    return int(text)


def overrides(options: argparse.Namespace) -> list[str]:
    """Changes to the recipe: `--set`, and `--data` and `--weights` as paths, quoted for YAML.

    Raises:
        RecipeError: one of these paths does not exist, or cannot be reached.
    """
    weights = getattr(options, "weights", None)
    for option, path in (("--data", options.data), ("--weights", weights)):
        _check_reach(f"{option} {path}", path)
    if options.data and not Path(options.data).exists():
        raise RecipeError(f"--data {options.data}: there is no such file or folder; give the path of the data.")
    if weights and weights.endswith(".safetensors") and not Path(weights).is_file():
        raise RecipeError(f"--weights {weights}: there is no such file; give the .safetensors file of the weights.")
    paths = {"data.path": options.data, "system.backbone.weights": weights}
    return [*options.set, *(f"{key}={json.dumps(path)}" for key, path in paths.items() if path)]


def _check_reach(where: str, path: str | None) -> None:
    if path and (said := out_of_reach(path)):
        raise RecipeError(f"{where}: the path cannot be opened ({said}); check it and its permissions.")


def named_paths(pairs: Sequence[str]) -> dict[str, Path]:
    """The sets of `--ood NAME=PATH`.

    Raises:
        RecipeError: one of another form, a path that does not exist, or a name twice.
    """
    named: dict[str, Path] = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not (name and equals and path):
            raise RecipeError(f"--ood {pair}: needs NAME=PATH, such as mnist=data/mnist.")
        _check_reach(f"--ood {pair}", path)
        if not Path(path).exists():
            raise RecipeError(f"--ood {pair}: there is nothing at {path}; give a folder, a zip or an idx file.")
        if name in named:
            raise RecipeError(f"--ood {pair}: the name {name!r} is used twice; give each set a name of its own.")
        named[name] = Path(path)
    return named
