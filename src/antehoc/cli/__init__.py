"""The command line: one file per command, which parses, calls a job and prints. `antehoc --help` loads no torch."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import NamedTuple

from antehoc.cli import compare, evaluate, explain, init, recalibrate, reproduce, train
from antehoc.cli.options import add_common
from antehoc.cli.output import check_outputs
from antehoc.errors import AntehocError, shown

BAD_INPUT = 2  #: the exit code


class _Version(argparse.Action):
    """Print the version; reading it takes a moment, which other commands need not wait for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import antehoc

        sys.stdout.write(f"antehoc {antehoc.__version__}\n")
        parser.exit()


class Command(NamedTuple):
    """One command: what it does, its arguments, and the job that it calls."""

    text: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    page: bool = True  #: whether it can write an HTML page


COMMANDS: dict[str, Command] = {
    "init": Command(init.TEXT, init.add_arguments, init.run, page=False),
    "reproduce": Command(reproduce.TEXT, reproduce.add_arguments, reproduce.run),
    "train": Command(train.TEXT, train.add_arguments, train.run, page=False),
    "evaluate": Command(evaluate.TEXT, evaluate.add_arguments, evaluate.run),
    "recalibrate": Command(recalibrate.TEXT, recalibrate.add_arguments, recalibrate.run, page=False),
    "compare": Command(compare.TEXT, compare.add_arguments, compare.run),
    "explain": Command(explain.TEXT, explain.add_arguments, explain.run),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns 0, or 2 after bad input, which one sentence on stderr describes."""
    for stream in (sys.stdout, sys.stderr):  # a name such as möwe on a terminal that knows ASCII alone
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options = build_parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING, format="%(message)s", stream=sys.stderr
    )
    if not options.quiet:
        logging.getLogger("antehoc").setLevel(logging.INFO)
    try:
        check_outputs(options)
        code: int = options.command(options)
    except AntehocError as error:
        sys.stderr.write(f"antehoc: {' '.join(str(error).split())}\n")
        return BAD_INPUT
    except OSError as error:  # such as a disk that is full in the middle of a training
        sys.stderr.write(f"antehoc: {_unusable(error)}\n")
        return BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("antehoc: stopped; continue a training run with --resume.\n")
        return 130
    return code


def _unusable(error: OSError) -> str:
    """An error of the machine's files as a sentence."""
    said = error.strerror or (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
    what = shown(error.filename) if error.filename else "a file or folder"
    return f"{what}: cannot be used ({said}); check the path, its permissions and the space on its disk."


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="antehoc",
        description="Train image classifiers that explain each decision, and flag the contradictory ones.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.text, description=command.text)
        sub.set_defaults(command=command.run)
        add_common(sub, page=command.page)
        command.add_arguments(sub)
    return parser
