"""`antehoc reproduce`: run a recipe from data to figures."""

import argparse
import sys
import time
from dataclasses import replace

from antehoc.cli.device import check_device, runner
from antehoc.cli.options import add_training, add_unknown, named_paths, overrides
from antehoc.cli.output import write, write_json
from antehoc.recipes import read_values

TEXT = "run a recipe from data to figures and a report"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes beside the common options."""
    add_training(parser)
    add_unknown(parser)


def run(options: argparse.Namespace) -> int:
    """Run the recipe, write figures, report and overview into its folder, and print the figures."""
    start = time.perf_counter()
    read_values(options.recipe, scale=options.scale, overrides=overrides(options))  # before the slow imports
    ood = named_paths(options.ood)
    check_device(options)
    from antehoc.report import overview, page, text  # imports take seconds, which count
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
    write_json(result.folder / "figures.json", result.summary())  # before the drawing, which could still fail
    html = page.reproduction(result)
    write(result.folder / "report.html", html)
    write(options.html, html)
    shown, spec = result.evaluations[result.recipe].shown, result.models[result.recipe].spec
    write(result.folder / "overview.png", overview.overview(shown, spec))
    summary = replace(result, seconds=time.perf_counter() - start).summary()
    write_json(result.folder / "figures.json", summary)
    write_json(options.json, summary)
    sys.stdout.write(text.reproduction(result))
    sys.stdout.write(
        f"\nmodel: {result.folder / 'main' / 'model'}\nreport: {options.html or result.folder / 'report.html'}\n"
    )
    return 0
