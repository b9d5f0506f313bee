"""`antehoc explain`: decide, explain and question images."""

import argparse
import glob
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from antehoc.cli.device import check_device, device
from antehoc.cli.output import check_output, write, write_json
from antehoc.errors import AntehocError, ImageError, OutputError, out_of_reach
from antehoc.saved import check_files

if TYPE_CHECKING:
    from antehoc.model import Model

TEXT = "decide on images, with reasons and verdicts"
STDOUT = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes beside the common options."""
    parser.add_argument("model", help="folder of a saved model")
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="PNG, JPEG, WebP, BMP or TIFF of any size and mode; or a folder, a pattern such as 'photos/*.jpg', a zip",
    )
    parser.add_argument("--masks", type=Path, metavar="FOLDER", help="write each mask as PNG, alone and over its image")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="write a row for each image to FILE.jsonl or FILE.csv and go on after a stop; -: stdout",
    )
    parser.add_argument("--format", choices=("jsonl", "csv"), help="format of --out, where the name does not say it")
    parser.add_argument("--overwrite", action="store_true", help="start --out again instead of going on")


def run(options: argparse.Namespace) -> int:
    """Print a decision for each image, or write rows; report and skip images that cannot be read."""
    _check_out(options)
    check_files(options.model)
    _check_images(options.images)
    check_device(options)
    from antehoc.model import load

    model = load(options.model, device=device(options))
    return _rows(options, model) if options.out else _printed(options, model)


def _printed(options: argparse.Namespace, model: "Model") -> int:
    """Decisions as text, and the files that hold all of them."""
    from antehoc.report import masks, page, text
    from antehoc.runs.explain import explain
    from antehoc.runs.rows import model_record, to_row

    results = []
    for name, item in explain(model, options.images):
        results.append((Path(name), item))
        if isinstance(item, AntehocError):
            sys.stderr.write(f"antehoc: {item}\n")
        else:
            sys.stdout.write(text.decision(str(name), item))
    if options.json:
        rows = [to_row(path, item) for path, item in results]
        write_json(options.json, {"model": model_record(model), "images": rows})
    write(options.html, page.decisions(results, model) if options.html else "")
    if options.masks:
        masks.write(results, model.preprocessing, options.masks)
    bad = sum(isinstance(item, AntehocError) for _, item in results)
    if bad:
        sys.stderr.write(f"antehoc: {bad} of {len(results)} images were skipped; the lines above say why.\n")
    return 2 if bad else 0


def _rows(options: argparse.Namespace, model: "Model") -> int:
    """A row for each image, in a file or on standard output."""
    from antehoc.runs.explain import explain_to_file, explain_to_stream, format_of

    out = options.out
    try:
        if out == STDOUT:
            done = explain_to_stream(model, options.images, sys.stdout, format_of(out, options.format))
        else:
            done = explain_to_file(model, options.images, out, format=options.format, overwrite=options.overwrite)
    except KeyboardInterrupt:
        again = "" if out == STDOUT else f"; the same command goes on from the rows in {out}"
        sys.stderr.write(f"antehoc: stopped{again}.\n")
        return 130
    except BrokenPipeError:  # such as `| head`, which has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if not options.quiet:
        before = f", {done.before:,} were there already" if done.before else ""
        sys.stderr.write(f"antehoc: {_images(done.images)}{before}.\n")
    if done.errors:
        sys.stderr.write(f"antehoc: {_images(done.errors)} could not be read; the rows with an error say why.\n")
    return 2 if done.errors else 0


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"


def _check_out(options: argparse.Namespace) -> None:
    """Refuse what `--out` cannot be, before torch is loaded."""
    if not options.out:
        for name in ("format", "overwrite"):
            if getattr(options, name):
                raise OutputError(f"--{name}: belongs to --out; give --out FILE, or leave it out.")
        return
    for name in ("json", "html", "masks"):
        if getattr(options, name):
            raise OutputError(f"--{name}: keeps all decisions in memory, and --out keeps none; leave one of them out.")
    if options.out == STDOUT:
        return
    if not options.format and Path(options.out).suffix.lower() not in (".jsonl", ".ndjson", ".csv"):
        raise OutputError(f"--out {options.out}: its name must end in .jsonl or .csv; rename it, or give --format.")
    check_output(Path(options.out))


def _check_images(paths: Sequence[str]) -> None:
    """Refuse paths of which none exists; an image may also be a member of a zip archive."""
    places = [Path(path) for path in paths]
    more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
    said = [out_of_reach(place) for place in places]
    if said[0] and all(said):
        raise ImageError(f"{paths[0]}{more}: it cannot be read ({said[0]}); give the path of a readable image.")
    if not any(
        os.path.exists(place) or any(map(os.path.isfile, place.parents)) or glob.has_magic(str(place))
        for place in places
    ):
        raise ImageError(f"{paths[0]}{more}: there is no such file; give the path of an image.")
