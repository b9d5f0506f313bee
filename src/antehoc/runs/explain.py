"""Decide on images: as pairs of a name and a decision, or row by row into a file that outlives a kill."""

import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from antehoc.data.inputs import Input, inputs
from antehoc.errors import AntehocError, OutputError
from antehoc.model import Model
from antehoc.runs.rowfile import LINE, Done, head, opened
from antehoc.runs.rows import FORMATS, Format, model_record
from antehoc.types import Decision

log = logging.getLogger(__name__)

EVERY = 10.0  #: seconds between two lines on progress, at least
_PIXELS_AT_ONCE = 2**20  # of one batch and channel, as in `evaluation.scoring`


def explain(model: Model, images: object) -> Iterator[tuple[Path | str, Decision | AntehocError]]:
    """A decision for every image, or the error of one that cannot be read; the others come out all the same.

    Args:
        model: decides.
        images: in any form that `Model.decide` takes.
    Returns:
        The path of each image, or a name such as `image 3`, and its decision, one after the other: memory does not grow
        with their number.
    Raises:
        DataError: something is given that is no image.
    """
    return model.decide_named(images, batch_size=batch_size(model))


def batch_size(model: Model) -> int:
    """Images per forward pass: as many as processor caches hold, 8 to 64."""
    return max(8, min(64, _PIXELS_AT_ONCE // (model.spec.height * model.spec.width)))


@runtime_checkable
class Writable(Protocol):
    """An open text file, such as standard output."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


class Explained(NamedTuple):
    """What a run over many images came to."""

    images: int  #: decided or refused now
    errors: int  #: rows of images that could not be read, those of earlier runs included
    before: int  #: images that had a row already


def format_of(out: str | Path, format: str | None = None) -> Format:
    """The format of a file of rows: what was asked for, or what its name ends in; `-` is JSON lines.

    Raises:
        OutputError: neither says one.
    """
    named = format or ("jsonl" if str(out) == "-" else Path(out).suffix.lower().removeprefix("."))
    named = "jsonl" if named == "ndjson" else named
    for one in FORMATS:
        if one == named:
            return one
    raise OutputError(f"--out {out}: its name must end in .jsonl or .csv; choose such a name, or give --format.")


def explain_to_file(
    model: Model, images: object, out: str | Path, *, format: str | None = None, overwrite: bool = False
) -> Explained:
    """Write a row for every image as soon as it is decided.

    Images that have a row in the file are passed over, so that a run that was killed goes on where it stopped, and a
    run over a folder that has grown decides on what is new. Each path has one row.

    Args:
        model: decides.
        images: in any form that `Model.decide` takes.
        out: the file, `.jsonl` or `.csv`. The record of the model is the first line of the former, and lies beside the
            latter as `<out>.model.json`.
        format: `jsonl` or `csv`, where the name of the file does not say it.
        overwrite: start again instead of going on.
    Raises:
        OutputError: the file holds something else or decisions of another model, or cannot be written.
        DataError: something is given that is no image.
    """
    path, kind = Path(out), format_of(out, format)
    with opened(path, kind, model_record(model), overwrite=overwrite) as (file, done):
        before, images_done, write = len(done), 0, LINE[kind]
        if before:
            log.info("%s has rows of %s images already; the run goes on behind them", path, f"{before:,}")
        for part in _parts(model, _new(inputs(images), done)):
            file.write("".join(write(name, item) for name, item in part).encode("utf-8", "backslashreplace"))
            file.flush()  # what a kill finds is in the file, not in this process
            images_done += len(part)
            done.errors += sum(isinstance(item, AntehocError) for _, item in part)
        return Explained(images_done, done.errors, before)


def explain_to_stream(model: Model, images: object, stream: Writable, format: Format = "jsonl") -> Explained:
    """Write a row for every image to an open stream, such as standard output, in the form of `explain_to_file`."""
    count = errors = 0
    stream.write(head(format, model_record(model)))
    for part in _parts(model, inputs(images)):
        stream.write("".join(LINE[format](name, item) for name, item in part))
        stream.flush()
        count += len(part)
        errors += sum(isinstance(item, AntehocError) for _, item in part)
    return Explained(count, errors, 0)


def _new(images: Iterable[Input], done: Done) -> Iterator[Input]:
    """The images whose path has no row yet."""
    return (one for one in images if done.add(one.name))


def _parts(model: Model, images: Iterator[Input]) -> Iterator[list[tuple[Path | str, Decision | AntehocError]]]:
    """The decisions a batch at a time, with a line on progress now and then."""
    size = batch_size(model)
    count, errors, started = 0, 0, time.monotonic()
    logged, part = started, []
    for pair in model.decide_inputs(images, batch_size=size):
        part.append(pair)
        count, errors = count + 1, errors + isinstance(pair[1], AntehocError)
        if len(part) == size:
            yield part
            part = []
        if (now := time.monotonic()) - logged >= EVERY:
            said = f", {errors:,} could not be read" if errors else ""
            log.info("%s images, %.0f a second%s", f"{count:,}", count / (now - started), said)
            logged = now
    if part:
        yield part
