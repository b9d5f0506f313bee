"""Plain values to objects: the signature is the schema, for recipes and for saved models alike."""

import dataclasses
import inspect
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from beartype.door import is_bearable

from antehoc.errors import RecipeError, choose, inside, near_miss

T = TypeVar("T")


def build(target: Callable[..., T], values: object, where: str, **given: object) -> T:
    """Call `target` with keyword arguments from plain values, each checked against the signature.

    Args:
        target: a class or function whose parameters are annotated.
        values: a mapping of parameter names to plain values (as YAML and JSON give them).
        where: what an error names first, such as `birds.yaml, system`.
        given: arguments that do not come from the values.
    Raises:
        RecipeError: unknown or missing keys, values of the wrong type.
    Example:
        >>> build(complex, {"reel": 1}, "file.yaml, number")
        Traceback (most recent call last):
        antehoc.errors.RecipeError: file.yaml, number: no key 'reel'. Did you mean 'real'? Known: real, imag.
    """
    arguments = check_arguments(target, values, where, given)
    try:
        return target(**arguments, **given)
    except RecipeError as error:
        key, colon, rest = str(error).partition(": ")
        if colon and key.partition(".")[0] in arguments:  # it names the argument
            raise RecipeError(f"{inside(where, key)}: {rest}") from None
        raise RecipeError(f"{where}: {error}") from None


def build_named(
    kind: str, table: Mapping[str, Callable[..., T]], values: object, where: str, *, key: str = "name", **given: object
) -> T:
    """Build the entry of a table that `values` name by one key, from the other keys.

    Args:
        kind: what the entries are.
        table: the entries by name.
        values: a mapping with that key.
        where: what an error names first.
        key: the one that names the entry.
        given: arguments that do not come from the values.
    Raises:
        RecipeError: no name or an unknown one, and all that `build` raises.
    """
    if not isinstance(values, Mapping) or key not in values:
        raise RecipeError(f"{where}: key {key!r} is missing; it names the {kind}. Known: {', '.join(sorted(table))}.")
    try:
        target = choose(kind, values[key], table)
    except RecipeError as error:
        raise RecipeError(f"{inside(where, key)}: {error}") from None
    return build(target, {name: value for name, value in values.items() if name != key}, where, **given)


def check_arguments(
    target: Callable[..., object], values: object, where: str, given: Mapping[str, object] | None = None
) -> dict[str, object]:
    """The checked keyword arguments that `build` would call with."""
    if not isinstance(values, Mapping):
        raise RecipeError(f"{where}: needs a mapping; got {values!r}.")
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(target).parameters.items()
        if name not in (given or {}) and parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }
    for key in values:
        if key not in parameters:
            raise RecipeError(f"{where}: no key {key!r}.{near_miss(key, parameters)} Known: {', '.join(parameters)}.")
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in values:
            raise RecipeError(f"{where}: key {name!r} is missing; it has no default.")
    hints = _hints(target)
    return {key: convert(value, hints.get(key, Any), inside(where, key)) for key, value in values.items()}


def convert(value: object, hint: Any, where: str) -> object:
    """A plain value as the type that the hint names: lists to tuples, mappings to dataclasses, whole numbers to float.

    Raises:
        RecipeError: where that cannot be.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _one_of(value, hint, where)
    if _is_group(hint):
        return value if isinstance(value, hint) else build(hint, value, where)
    if origin in (tuple, Mapping, Sequence):
        return _collection(value, hint, where)
    if origin is Literal and not any(value == known and type(value) is type(known) for known in arguments):
        known = ", ".join(map(str, arguments))
        raise RecipeError(
            f"{where}: {value!r} is not one of its choices.{near_miss(str(value), map(str, arguments))} Known: {known}."
        )
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not abs(value) <= sys.float_info.max:  # NaN passes every check of a range
            raise RecipeError(f"{where}: got {value!r}, needs a finite number.")
        return float(value)
    return _plain(value, hint, where)


def _is_group(hint: Any) -> bool:
    """Whether it is a dataclass, which is given as a mapping."""
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def _collection(value: object, hint: Any, where: str) -> object:
    """A tuple, mapping or sequence, item by item: beartype looks at the first alone."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple and isinstance(value, list | tuple):
        inner = arguments[:1] * len(value) if arguments[-1:] == (...,) else arguments
        if len(inner) != len(value):
            raise RecipeError(f"{where}: needs {len(inner)} values; got {len(value)}.")
        return tuple(convert(v, h, inside(where, i)) for i, (v, h) in enumerate(zip(value, inner, strict=True)))
    if origin is Mapping and isinstance(value, Mapping):
        return {_plain(k, arguments[0], where): convert(v, arguments[1], inside(where, k)) for k, v in value.items()}
    if origin is Sequence and isinstance(value, list | tuple):
        return [convert(v, arguments[0], inside(where, i)) for i, v in enumerate(value)]
    return _plain(value, hint, where)


def _one_of(value: object, hint: Any, where: str) -> object:
    """The value as the first type of a union that takes it.

    A mapping that no type takes is most likely meant as the dataclass that knows most of its keys: the error is that
    one's, which names the key that is wrong.
    """
    arguments = get_args(hint)
    if value is None and type(None) in arguments:
        return None
    options = [option for option in arguments if option is not type(None)]
    if len(options) == 1:
        return convert(value, options[0], where)
    for option in options:
        try:
            return convert(value, option, where)
        except RecipeError:
            continue
    groups = [option for option in options if _is_group(option)]
    if isinstance(value, Mapping) and groups:
        return convert(value, max(groups, key=lambda group: len(set(value) & {*_fields(group)})), where)
    return _plain(value, hint, where, refuse=True)


def _fields(group: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(group)]


def _plain(value: object, hint: Any, where: str, *, refuse: bool = False) -> object:
    if hint is int and isinstance(value, int) and abs(value) >= 2**63:
        raise RecipeError(f"{where}: the number is too large; at most {2**63 - 1} is possible.")
    bad = hint is not Any and (not is_bearable(value, hint) or (isinstance(value, bool) and hint in (int, float)))
    if bad or refuse:
        raise RecipeError(f"{where}: got {value!r}, needs {words(hint)}.{_slip(value, hint)}")
    return value


_WORDS: dict[Any, str] = {
    str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null",
    Path: "a path", Any: "any value",
}  # fmt: skip


def words(hint: Any) -> str:
    """What a type asks of a value in YAML or JSON, in words.

    Example:
        >>> words(tuple[str, ...]), words(int | None), words(Literal["add", "concat"])
        ('a list of text', 'a whole number or null', 'add or concat')
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(words(one) for one in arguments))
    if origin is Literal:
        return " or ".join(map(str, arguments))
    if origin in (tuple, list, Sequence):
        inner = [one for one in arguments if one is not ...]
        same = len(set(inner)) == 1
        count = f"{len(inner)} values, each " if same and len(inner) > 1 else ""
        return f"a list of {count}{_plural(words(inner[0]), one=bool(count))}" if same else "a list"
    if origin is Mapping or origin is dict or _is_group(hint):
        return f"a mapping with keys of {', '.join(_fields(hint))}" if _is_group(hint) else "a mapping"
    return _WORDS.get(hint) or str(getattr(hint, "__name__", hint))


def _plural(text: str, *, one: bool) -> str:
    return (
        text if one else {"a whole number": "whole numbers", "a number": "numbers", "a path": "paths"}.get(text, text)
    )


def _slip(value: object, hint: Any) -> str:
    """A hint at what YAML makes of a number such as 1e-3."""
    if hint is not float or not isinstance(value, str):
        return ""
    try:
        float(value)
    except ValueError:
        return ""
    return " YAML reads a number with an exponent as text unless it has a point and a sign, as in 1.0e-3."


def _hints(target: Callable[..., object]) -> dict[str, Any]:
    if isinstance(target, type) and not dataclasses.is_dataclass(target):
        return get_type_hints(inspect.getattr_static(target, "__init__"))
    return get_type_hints(target)
