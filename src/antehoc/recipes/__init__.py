"""Recipe files as plain values: those of the package by name, scales, overrides, and how one is laid on another.

Nothing here loads torch, so that a wrong name is reported at once. `antehoc.recipe` checks what the values say.
"""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from antehoc.errors import RecipeError, near_miss, shown
from antehoc.plain import read_yaml


def known_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = resources.files("antehoc") / "recipes"
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


def read_values(name: str, *, scale: str = "small", overrides: Sequence[str] = ()) -> tuple[dict[str, Any], str]:
    """The plain values of a recipe of the package by name, or of a YAML file by path, and what errors call it.

    Args:
        name: such as `shapes`, or `my/birds.yaml`.
        scale: which of the recipe's scales; `small` is the recipe itself.
        overrides: `section.key=value`, the value in YAML.
    Raises:
        RecipeError: no such recipe, unreadable, no YAML, no such scale, or an override of another form.
    """
    text, where = _text(name)
    values = read_yaml(text, where)
    if not isinstance(values, dict):
        raise RecipeError(f"{where}: a recipe must be a mapping; got {type(values).__name__}.")
    scales = values.pop("scales", {})
    if scale != "small":
        known = scales if isinstance(scales, dict) else {}
        if not isinstance(known.get(scale), dict):
            raise RecipeError(f"{where}: has no scale {scale!r}; it has {', '.join(map(str, ['small', *known]))}.")
        values = merge(values, known[scale])
    return overridden(values, overrides), where


def overridden(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Plain values with `section.key=value` laid on them, one after the other.

    Raises:
        RecipeError: where one is not of that form.
    """
    values = dict(values)
    for override in overrides:
        values = merge(values, _override(override))
    return values


def changed_keys(override: str) -> list[str]:
    """The keys that `section.key=value` changes; where the value is a mapping, those in it.

    Raises:
        RecipeError: it is not of that form.
    Example:
        >>> changed_keys("data.test=4"), changed_keys("unknown={kinds: [noise], count: 5}")
        (['data.test'], ['unknown.kinds', 'unknown.count'])
    """
    return _leaves(_override(override))


def _leaves(values: Mapping[str, Any], above: str = "") -> list[str]:
    found: list[str] = []
    for key, value in values.items():
        inner = isinstance(value, Mapping) and value
        found += _leaves(value, f"{above}{key}.") if inner else [f"{above}{key}"]
    return found


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, mapping by mapping.

    A section `data` or `system` of another `name` replaces the whole section. Inside them, another name of a group,
    also one given by its name alone (`backbone: resnet18`), leaves the group's other keys as they are. `replace: true`
    in a mapping replaces it.

    Example:
        >>> merge({"system": {"backbone": {"name": "small", "weights": True}}}, {"system": {"backbone": "resnet18"}})
        {'system': {'backbone': {'name': 'resnet18', 'weights': True}}}
    """
    merged = dict(base)
    for key, value in over.items():
        old, value = _alike(merged.get(key), value)
        other = key in _NAMED and isinstance(old, Mapping) and isinstance(value, Mapping) and _renamed(old, value)
        if isinstance(old, Mapping) and isinstance(value, Mapping) and not other and not value.get("replace"):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
        if isinstance(merged[key], Mapping):
            merged[key] = {name: value for name, value in merged[key].items() if name != "replace"}
    return merged


_NAMED = ("data", "system")  # sections that another name replaces: its keys are others


def _renamed(old: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    return bool(value.get("name", old.get("name")) != old.get("name"))


def _alike(old: Any, value: Any) -> tuple[Any, Any]:
    """Two values in one form: a name alone is a mapping with that name, a list of names one of them without options."""
    if isinstance(value, Mapping) and isinstance(old, str) and "name" not in value:
        return {"name": old}, value
    if isinstance(value, str) and isinstance(old, Mapping) and "name" in old:
        return old, {"name": value}
    if isinstance(value, Mapping) and isinstance(old, list) and all(isinstance(one, str) for one in old):
        return {one: {} for one in old}, value
    return old, value


def _text(name: str) -> tuple[str, str]:
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        try:
            return path.read_text(), str(path)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not text"
            raise RecipeError(f"{path}: the recipe cannot be read ({reason}); name a YAML file.") from error
    known = known_recipes()
    if name not in known:
        hint = near_miss(name, known)
        raise RecipeError(
            f"no recipe is called {name!r}.{hint} Known: {', '.join(known)}; or name a .yaml file, or images."
        )
    return (resources.files("antehoc") / "recipes" / f"{name}.yaml").read_text(), f"{name}.yaml"


def _override(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set {text}: needs KEY=VALUE, such as data.train=2000.")
    parsed = read_yaml(value, f"--set {shown(text if len(text) < 80 else text[:77] + '...')}")
    for part in reversed(key.strip().split(".")):
        parsed = {part: parsed}
    return dict(parsed)
