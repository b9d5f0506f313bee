"""`antehoc reproduce`: run a recipe from data to figures."""

import argparse
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from antehoc.cli.device import check_device, runner
from antehoc.cli.options import add_training, add_unknown, named_paths, overrides
from antehoc.cli.output import write, write_json
from antehoc.recipes import read_values

if TYPE_CHECKING:
    from antehoc.results import Reproduction

TEXT = "run a recipe from data to figures, beside the published ones"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes beside the common options."""
    add_training(parser)
    add_unknown(parser)


def run(options: argparse.Namespace) -> int:
    """Run the recipe, write figures, report and overview into its folder, and print the figures."""
    start = time.perf_counter()
    read_values(options.recipe, scale=options.scale, overrides=overrides(options))  # a slip is said at once
    ood = named_paths(options.ood)
    check_device(options)
    from antehoc.report import figures, page, text  # imports take seconds, which count
    from antehoc.runs.reproduce import reproduce

    result = reproduce(
        options.recipe,
        scale=options.scale,
        seed=options.seed,
        out=options.out,
        ood=ood,
        overrides=overrides(options),
        runner=runner(options),
        resume=options.resume,
        start=start,
    )
    result = replace(result, meanings=_meanings(result))
    write_json(result.folder / "figures.json", result.summary())  # before the drawing, which could still fail
    html = page.reproduction(result)
    write(result.folder / "report.html", html)
    write(options.html, html)
    write(result.folder / "overview.png", figures.overview(result))
    summary = replace(result, seconds=time.perf_counter() - start).summary()
    write_json(result.folder / "figures.json", summary)
    write_json(options.json, summary)
    sys.stdout.write(text.reproduction(result))
    sys.stdout.write(
        f"\nmodel: {result.folder / 'main' / 'model'}\nreport: {options.html or result.folder / 'report.html'}\n"
    )
    return 0


def _meanings(result: "Reproduction") -> dict[str, str]:
    """What each figure is, in a few words; of a variant's figure the same words as of the recipe's own."""
    from antehoc.report.meanings import meaning

    variants = [f"{name}_" for name in result.evaluations if name != result.recipe]
    return {name: meaning(_bare(name, variants)) for name in result.figures}


def _bare(name: str, prefixes: Iterable[str]) -> str:
    return name.removeprefix(max((prefix for prefix in prefixes if name.startswith(prefix)), key=len, default=""))
