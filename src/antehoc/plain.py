"""YAML and JSON from users and strangers as plain values: no key twice, no surprises in numbers, bounded size."""

import json
import math
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import yaml

from antehoc.errors import RecipeError

ITEMS = 100_000  #: most values in one file, each alias counted as often as it is used


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice and a number with a leading zero, which YAML reads as octal."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is given twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        if re.fullmatch(r"[-+]?0[0-9_]+", str(node.value)):
            raise yaml.constructor.ConstructorError(
                None, None, f"the number {node.value} has a leading zero, which YAML reads as octal", node.start_mark
            )
        return int(super().construct_yaml_int(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def read_yaml(text: str, where: str) -> Any:
    """The plain values of a YAML text.

    Args:
        text: of one document.
        where: what an error names first.
    Raises:
        RecipeError: it is not YAML, gives a key twice, or is too large or nested too deep; with the line, where known.
    """
    try:
        values = yaml.load(text, _Loader)
    except RecursionError:
        raise RecipeError(f"{where}: is nested too deep.") from None
    # ValueError: a date that does not exist, a number of 5,000 digits; the others: text that is not what its tag says
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        said = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise RecipeError(f"{where}{line}: is not valid YAML ({said}).") from error
    _check_size(values, where)
    return values


def read_json(text: str, where: str) -> Any:
    """The plain values of a JSON text.

    Raises:
        RecipeError: it is not JSON, gives a key twice, holds NaN or infinity, or is too large or nested too deep.
    """
    try:
        values = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse, parse_float=_bounded)
    except RecursionError:
        raise RecipeError(f"{where}: is nested too deep.") from None
    except ValueError as error:  # also a number of 5,000 digits
        raise RecipeError(f"{where}: is not valid JSON ({error}).") from error
    _check_size(values, where)
    return values


def finite(values: Any) -> Any:
    """Plain values with null for NaN and infinity, which JSON does not know; tuples as lists.

    Example:
        >>> finite({"a": (1.0, math.nan)})
        {'a': [1.0, None]}
    """
    if isinstance(values, float) and not math.isfinite(values):
        return None
    if isinstance(values, Mapping):
        return {key: finite(value) for key, value in values.items()}
    return [finite(value) for value in values] if isinstance(values, list | tuple) else values


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} is given twice")
        found[key] = value
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number in JSON")


def _bounded(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits[:20]} is too large")
    return value


def _check_size(values: Any, where: str) -> None:
    """Refuse more values than any file of ours holds; an alias inside an alias multiplies them."""
    waiting, count = [values], 0
    while waiting:
        value, count = waiting.pop(), count + 1
        if count > ITEMS:
            raise RecipeError(f"{where}: holds more than {ITEMS:,} values; make it smaller.")
        if isinstance(value, Mapping):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            waiting += value
