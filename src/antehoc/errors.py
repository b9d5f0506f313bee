"""What a caller may catch. Every message says where the problem is, what was received, and how to fix it."""

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class AntehocError(Exception):
    """Base of all errors that a user can fix: the command line prints the message and exits with code 2."""


class RecipeError(AntehocError):
    """A recipe, or a value given on the command line, says something that cannot be done."""


class DataError(AntehocError):
    """Images, labels or attributes that cannot be used as they are."""


class ImageError(DataError):
    """One image file that cannot be read; the others may still be good."""


class ModelError(AntehocError):
    """A saved model that is damaged, incomplete or from another version."""


class OutputError(AntehocError):
    """A result that cannot be written to the given path."""


class PreprocessingWarning(UserWarning):
    """A network of another library gets images that were not normalized as its weights ask for."""


def choose(kind: str, name: object, table: Mapping[str, T]) -> T:
    """The entry of a table, or an error that helps.

    Example:
        >>> choose("system", "miror", {"mirror": 1})
        Traceback (most recent call last):
        antehoc.errors.RecipeError: no system is called 'miror'. Did you mean 'mirror'? Known: mirror.
    """
    if isinstance(name, str) and name in table:  # a recipe may hold a list here
        return table[name]
    raise RecipeError(f"no {kind} is called {name!r}.{near_miss(name, table)} Known: {', '.join(sorted(table))}.")


def near_miss(name: object, known: Iterable[str]) -> str:
    """A hint at the likely typo, with a leading space; empty if no known name is close."""
    near = get_close_matches(str(name), list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def install(extra: str) -> str:
    """How to install an extra, as an error says it.

    Example:
        >>> install("ood")
        "install the extra `ood` (in a checkout of antehoc: pip install '.[ood]')"
    """
    return f"install the extra `{extra}` (in a checkout of antehoc: pip install '.[{extra}]')"


def inside(where: str, key: object) -> str:
    """The place of a key, or of the item of that number, in a place of a YAML or JSON file, as every error names it.

    Example:
        >>> inside(inside("birds.yaml", "phases"), 0)
        'birds.yaml, phases.0'
    """
    return f"{where}{', ' if where.endswith(_FILES) else '.'}{key}"


_FILES = (".yaml", ".yml", ".json")


def shown(name: object) -> str:
    """A name as a message can hold it: on one line, with unusual characters escaped."""
    return text if (text := str(name)).isprintable() else repr(text)


def out_of_reach(path: str | Path) -> str | None:
    """Why it is unknown what is at a path, such as "Permission denied"; None where something or nothing is there.

    Example:
        >>> out_of_reach("here/is/nothing"), out_of_reach("a" * 5000)
        (None, 'File name too long')
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        return getattr(error, "strerror", None) or str(error)
    return None
