"""`antehoc compare`: every explanation of a saved model on one table."""

import argparse
import sys

from antehoc.cli.device import device
from antehoc.cli.options import add_changes, names, natural
from antehoc.cli.output import write, write_json
from antehoc.cli.saved import check, recipe_for
from antehoc.errors import RecipeError

CHANGES = ("data",)  #: what `--set` may change
TEXT = "measure every explanation of a saved model in one table"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes beside the common options."""
    parser.add_argument("model", help="folder of a saved model")
    parser.add_argument("--recipe", help="recipe with the test images (default: the one that made the model)")
    add_changes(parser)
    parser.add_argument(
        "--methods", metavar="A,B,...", type=names, help="post-hoc methods, or all (default: those of moderate cost)"
    )
    parser.add_argument("--count", type=natural, default=32, metavar="N", help="number of images (default: 32)")
    parser.add_argument(
        "--chunk", type=natural, default=16, metavar="N", help="images per pass, which limits the memory (default: 16)"
    )
    parser.add_argument(
        "--aopc-grid", action="store_true", help="also AOPC for every published patch size and perturbation"
    )


def run(options: argparse.Namespace) -> int:
    """Compare the explanations and print the table."""
    check(options, "compare", CHANGES)
    from antehoc import comparison
    from antehoc.model import load
    from antehoc.posthoc import METHODS
    from antehoc.report import page, text
    from antehoc.runs.recorded import measured

    model = load(options.model, device=device(options))
    recipe, where, seed = recipe_for(model, options)
    source = recipe.source(where, seed)
    if source.spec.classes != model.spec.classes or source.preprocessing != model.preprocessing:
        raise RecipeError(f"{where}: its classes or images are not the model's; use the data that it was made for.")
    asked = comparison.DEFAULT if options.methods is None else options.methods
    found = comparison.compare(
        model,
        source.roles["test"],
        methods=tuple(METHODS) if asked == ("all",) else asked,
        count=options.count,
        chunk=options.chunk,
        seed=seed,
        grid=options.aopc_grid,
    )
    notes = measured(source, options.count)
    sys.stdout.write(text.comparison(found, notes))
    write_json(options.json, {"model": options.model, "data": where, "seed": seed, "notes": notes, **found.to_plain()})
    about = [("model", options.model), ("data", f"test images of {where}"), ("seed", str(seed))]
    name = f"{model.arguments['name']}: explanations compared"
    write(options.html, page.comparison(found, name, about) if options.html else "")
    return 0
