"""`antehoc explain`: decide, explain and question images."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from antehoc.cli.device import check_device, device
from antehoc.cli.output import write, write_json
from antehoc.errors import AntehocError, ImageError, out_of_reach
from antehoc.saved import check_files

if TYPE_CHECKING:
    from antehoc.types import Decision

TEXT = "decide on images, with reasons and verdicts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes beside the common options."""
    parser.add_argument("model", help="folder of a saved model")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="PNG, JPEG, WebP, BMP or TIFF of any size and mode")
    parser.add_argument("--masks", type=Path, metavar="FOLDER", help="write each mask as PNG, alone and over its image")


def run(options: argparse.Namespace) -> int:
    """Print a decision for each image; report and skip those that cannot be read."""
    check_files(options.model)
    _check_images(options.images)
    check_device(options)
    from antehoc.model import load
    from antehoc.report import masks, page, text
    from antehoc.runs.explain import explain

    model = load(options.model, device=device(options))
    results = []
    for path, item in explain(model, options.images):
        results.append((path, item))
        if isinstance(item, AntehocError):
            sys.stderr.write(f"antehoc: {item}\n")
        else:
            sys.stdout.write(text.decision(str(path), item))
    write_json(options.json, [to_row(path, item) for path, item in results])
    write(options.html, page.decisions(results, model) if options.html else "")
    if options.masks:
        masks.write(results, model.preprocessing, options.masks)
    bad = sum(isinstance(item, AntehocError) for _, item in results)
    if bad:
        sys.stderr.write(f"antehoc: {bad} of {len(results)} images were skipped; the lines above say why.\n")
    return 2 if bad else 0


def _check_images(paths: Sequence[str]) -> None:
    """Refuse paths of which none exists; an image may also be a member of a zip archive."""
    places = [Path(path) for path in paths]
    more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
    said = [out_of_reach(place) for place in places]
    if said[0] and all(said):
        raise ImageError(f"{paths[0]}{more}: it cannot be read ({said[0]}); give the path of a readable image.")
    if not any(os.path.exists(place) or any(map(os.path.isfile, place.parents)) for place in places):
        raise ImageError(f"{paths[0]}{more}: there is no such file; give the path of an image.")


def to_row(path: Path, item: "Decision | AntehocError") -> dict[str, Any]:
    """A decision, or the error of an image, as plain values for JSON."""
    if isinstance(item, AntehocError):
        return {"path": str(path), "error": str(item)}
    return {"path": str(path), **item.to_plain()}
