"""Tables made from the code: commands, keys of a recipe, measures."""

import argparse
import dataclasses
import inspect
import re
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from antehoc import cli
from antehoc.data import DATASETS
from antehoc.metrics import Measure
from antehoc.recipe import Recipe, Unknown, Verdicts
from antehoc.studies import STUDIES
from antehoc.systems import SYSTEMS
from antehoc.training.phases import Phase
from tabled.markdown import markdown

GIVEN = ("model", "source", "seed", "context")  # what a study gets without the recipe
KEYS = {  # what the docstrings do not say of a key
    "data": "the data set's `name` and what it takes; see below",
    "system": "the system's `name` and what it takes; see below",
    "phases": "the stages of training, one after the other; see below",
    "verdict": "how decisions are questioned; see below",
    "unknown": "images of no known class that a run is tried on; see below",
    "seed": "of data, weights, order of images and split; `--seed` overrides it",
    "studies": "of the finished model: a list of names, or names with their options; see below",
}


def metrics(table: Mapping[str, Measure]) -> str:
    """A table of measures, with the group and the better direction of each."""
    rows = [
        [f"`{name}`", entry.group, entry.says, entry.direction, f"`metrics.{entry.family}`"]
        for name, entry in table.items()
    ]
    return markdown(["measure", "group", "what it tells", "better", "file"], rows)


def cli_help() -> str:
    """What every command takes, in a form that is the same under every version of Python."""
    parser = cli.build_parser()
    commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return "\n\n".join(_command(name, sub) for name, sub in commands.choices.items())


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    rows = [("-h, --help", "show this and stop")]
    usage = f"antehoc {name}"
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        value = (
            ""
            if action.nargs == 0
            else str(action.metavar or (action.choices and "|".join(action.choices)) or action.dest.upper())
        )
        if not action.option_strings:
            usage += f" [{value}]" if action.nargs == "?" else f" {value}" + (" ..." if action.nargs == "+" else "")
        default = (
            f" (default: {action.default})"
            if action.option_strings
            and action.default not in (None, False, [])
            and "default" not in (action.help or "")
            else ""
        )
        rows.append((" ".join([*action.option_strings, value]).strip(), (action.help or "") + default))
    rows.sort(key=lambda row: row[0].startswith("-"))
    width = max(len(left) for left, _ in rows)
    lines = [f"usage: {usage} [options]", "", f"{parser.description}", ""]
    lines += [f"  {left:<{width}}  {right}".rstrip() for left, right in rows]
    return f"### `antehoc {name}`\n\n```text\n" + "\n".join(lines) + "\n```"


def recipe_keys() -> str:
    """Every key of a recipe, of its sections, of each study, data set and system, and of a system's groups."""
    parts: list[tuple[str, Callable[..., object], Sequence[str]]] = [
        ("### The recipe", Recipe, ()),
        ("### A phase, in `phases`", Phase, ()),
        ("### `verdict`", Verdicts, ()),
        ("### `unknown`", Unknown, ()),
        *((f"### `studies: {{{name}: ...}}`", run, GIVEN) for name, run in STUDIES.items() if options(run)),
        *((f"### `data: {{name: {name}}}`", make, ("seed",)) for name, make in DATASETS.items()),
    ]
    for name, kind in SYSTEMS.items():
        parts.append((f"### `system: {{name: {name}}}`", kind, ("spec",)))
        parts += [(f"#### `{key}` of `{name}`", group, ()) for key, group in groups(kind).items()]
    head = ["key", "takes", "default", "meaning"]
    return "\n\n".join(f"{title}\n\n{markdown(head, keys(target, without))}" for title, target, without in parts)


def options(study: Callable[..., object]) -> list[str]:
    """What a recipe may set of a study."""
    return [name for name in inspect.signature(study).parameters if name not in GIVEN]


def groups(kind: Callable[..., object]) -> dict[str, type]:
    """The arguments of a system that are groups of arguments, by name."""
    hints = get_type_hints(kind.__init__)  # type: ignore[misc]
    found = {name: [one for one in (get_args(hint) or (hint,)) if is_group(one)] for name, hint in hints.items()}
    return {name: one[0] for name, one in found.items() if one and name != "spec"}


def is_group(hint: Any) -> bool:
    """Whether it is a dataclass: a group of arguments, written as keys and values."""
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def keys(target: Callable[..., object], without: Sequence[str] = ()) -> list[list[str]]:
    """A row for each parameter: name, type in words, default, meaning."""
    is_class = isinstance(target, type) and not dataclasses.is_dataclass(target)
    hints = get_type_hints(target.__init__ if is_class else target)
    said = {**comments(target), **KEYS, **arguments(target)}
    rows = []
    for name, parameter in inspect.signature(target).parameters.items():
        if name not in without:
            rows.append(
                [f"`{name}`", words(hints[name]), default(target, name, parameter), said.get(name, "").rstrip(".")]
            )
    return rows


def default(target: object, name: str, parameter: inspect.Parameter) -> str:
    """A default as YAML writes it."""
    value = parameter.default
    if dataclasses.is_dataclass(target):
        own = next(field for field in dataclasses.fields(target) if field.name == name)
        if own.default_factory is not dataclasses.MISSING:
            value = own.default_factory()
    if value is inspect.Parameter.empty:
        return "none: must be given"
    if dataclasses.is_dataclass(value):
        return "its own defaults"
    if isinstance(value, tuple):
        value = list(value)
    return f"`{yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix('...' + chr(10)).strip()}`"


def words(hint: Any) -> str:
    """A type as a person who writes YAML calls it."""
    plain_words = {
        int: "whole number", float: "number", str: "text", Path: "path",
        bool: "`true` or `false`", type(None): "`null`",
    }  # fmt: skip
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(
            dict.fromkeys("path" if one in (str, Path) and Path in inner else words(one) for one in inner)
        )
    if origin is tuple or (isinstance(origin, type) and issubclass(origin, Sequence)):
        return f"list of {words(inner[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "keys and values"
    return plain_words.get(hint) or "keys and values"


def arguments(target: object) -> dict[str, str]:
    """What the section `Args` says of each name, also that of a class that it extends."""
    kinds = target.__mro__[::-1] if isinstance(target, type) else (target,)
    found: dict[str, str] = {}
    for kind in kinds:
        found |= documented(inspect.cleandoc(kind.__doc__ or ""))
    return found


def documented(documentation: str) -> dict[str, str]:
    """What the section `Args` of a docstring says of each name; several names may share a line."""
    found: dict[str, str] = {}
    section = re.search(r"^(?:Args|Attributes):\n((?:[ ]{4}.*\n?|\n)+)", documentation, re.MULTILINE)
    for names, text in re.findall(r"^ {4}([\w, ]+): (.*(?:\n {8}.*)*)", section[1] if section else "", re.MULTILINE):
        found |= {name.strip(): re.sub(r"\s+", " ", text) for name in names.split(",")}
    return found


def comments(target: object) -> dict[str, str]:
    """What `#:` says behind a dataclass's fields."""
    if not dataclasses.is_dataclass(target):
        return {}
    lines = inspect.getsource(target).splitlines()  # type: ignore[arg-type]
    return {found[1]: found[2] for line in lines if (found := re.match(r" {4}(\w+): .*#: (.*)", line))}
