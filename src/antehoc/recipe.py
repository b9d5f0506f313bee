"""Recipes: one YAML file per experiment, checked at the edge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml

from antehoc.calibration import Guarantee
from antehoc.data import DATASETS, Source
from antehoc.errors import RecipeError, near_miss
from antehoc.schema import build, build_named
from antehoc.training.phases import Phase

Study = Literal["leakage", "background", "masks", "compare", "cost", "shape_bias", "pretrained_shape_bias"]


@dataclass(frozen=True)
class Verdicts:
    """How decisions are questioned.

    Args:
        alpha: the largest expected share of correct decisions that is questioned.
        doubts: what enters the combined score.
        late: those of them that speak only where they are rarer than one in ten among correct decisions, and then count
            double: for what tells unknown images, but little of errors on known classes.
        folds: into so many parts the training images are split to fit the combined score on decisions by networks
            that were not trained on them; all calibration images then set the threshold. 0: calibration is halved.
        per_class: a threshold of its own for each class with enough correct calibration decisions (1 / alpha - 1).
        method: `combined`, or one doubt's name to question by it alone.
        guarantee: `expected`, or `binomial` (with probability 0.95 over the calibration data).
    """

    alpha: float = 0.01
    doubts: tuple[str, ...] = ("margin", "likelihood", "distance")
    late: tuple[str, ...] = ()
    folds: int = 0
    per_class: bool = False
    method: str = "combined"
    guarantee: Guarantee = "expected"

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise RecipeError(f"alpha lies between 0 and 1; got {self.alpha}.")
        if self.folds < 0 or self.folds == 1:
            raise RecipeError(f"folds is 0, or 2 and more; got {self.folds}.")
        if foreign := set(self.late) - set(self.doubts):
            raise RecipeError(f"`late` names some of `doubts`; {min(foreign)!r} is none of them.")
        if not self.doubts:
            raise RecipeError("`doubts` names one or more; got none.")


@dataclass(frozen=True)
class Unknown:
    """Images of no known class that a run is tried on, beside species or classes that the data leave out.

    Args:
        kinds: built-in ones, `noise`, strange shapes, or test images `blurred`, `dark`, `cropped` or `rotated`.
        count: of each kind, at most.
        from_disk: whether the sets named by `--ood` are tried.
        only: by the name of such a set, patterns of which its files fit one, such as `*/images/*`.
        exclude: by the name of such a set, patterns that leave files out: those that show a known class.
        peers: compare with the detectors of pytorch-ood on the same features.
    """

    kinds: tuple[str, ...] = ("noise",)
    count: int = 2500
    from_disk: bool = True
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    peers: bool = False

    def __post_init__(self) -> None:
        if self.count < 1:
            raise RecipeError(f"count is 1 or more; got {self.count}.")


@dataclass(frozen=True)
class Recipe:
    """One experiment. `data` and `system` hold a `name` and what the data set or system of that name takes."""

    data: Mapping[str, Any]
    system: Mapping[str, Any]
    phases: tuple[Phase, ...]
    verdict: Verdicts = field(default_factory=Verdicts)
    unknown: Unknown = field(default_factory=Unknown)
    seed: int = 0
    operating_points: tuple[float, ...] = ()  #: shares of correct decisions questioned at which verdicts are compared
    draws: int = 0  #: random calibration sets that check the promise of the threshold
    studies: tuple[Study, ...] = ()  #: of the finished model
    published: Mapping[str, float | None] = field(default_factory=dict)  #: figures of the paper
    variants: Mapping[str, Any] = field(default_factory=dict)  #: further runs: what differs, by prefix of figures
    faults: tuple[Literal["ood-pairing"], ...] = ()  #: faults of the originals to measure beside the repaired figure

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise RecipeError(f"a seed lies in 0..2**63 - 1; got {self.seed}.")
        if not all(0 < point < 1 for point in self.operating_points):
            raise RecipeError(f"operating points lie between 0 and 1; got {list(self.operating_points)}.")
        if not self.phases:
            raise RecipeError("a recipe has one phase or more; `phases` is empty.")

    def source(self, where: str, seed: int) -> Source:
        """The data that the recipe names."""
        return build_named("data set", DATASETS, self.data, f"{where}, data", seed=seed)


def known_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = resources.files("antehoc") / "recipes"
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


def read_recipe(name: str, *, scale: str = "small", overrides: Sequence[str] = ()) -> tuple[Recipe, dict[str, Any]]:
    """A recipe of the package by name, or a YAML file by path.

    Args:
        name: such as `shapes`, or `my/birds.yaml`.
        scale: which of the recipe's scales; `small` is the recipe itself.
        overrides: `section.key=value`, the value in YAML.
    Returns:
        The checked recipe, and its plain values for the record.
    Raises:
        RecipeError: unreadable, unknown keys, wrong values; the message says where.
    """
    text, where = _text(name)
    try:
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that there is not
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise RecipeError(f"{where}{line}: is not YAML ({str(error).splitlines()[0]}).") from error
    if not isinstance(values, dict):
        raise RecipeError(f"{where}: a recipe holds keys and values; got {type(values).__name__}.")
    scales = values.pop("scales", {})
    if scale != "small":
        known = scales if isinstance(scales, dict) else {}
        if not isinstance(known.get(scale), dict):
            raise RecipeError(f"{where}: has no scale {scale!r}; it has {', '.join(map(str, ['small', *known]))}.")
        values = merge(values, known[scale])
    values = overridden(values, overrides)
    return build(Recipe, values, where), values


def overridden(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Plain values with `section.key=value` laid on them, one after the other.

    Raises:
        RecipeError: where one is not of that form.
    """
    values = dict(values)
    for override in overrides:
        values = merge(values, _override(override))
    return values


def variant(values: Mapping[str, Any], name: str, where: str) -> tuple[Recipe, dict[str, Any]]:
    """A recipe's variant: its values over the recipe's own."""
    over = values["variants"][name]
    if not isinstance(over, Mapping):
        raise RecipeError(f"{where}, variants.{name}: needs keys and values; got {over!r}.")
    merged = merge({key: value for key, value in values.items() if key != "variants"}, over)
    return build(Recipe, merged, f"{where}, variants.{name}"), merged


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, mapping by mapping. One with another `name` replaces the whole mapping."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, str) and isinstance(value, Mapping) and "name" not in value:
            old = {"name": old}  # a group may be given by its name alone
        same = (
            isinstance(old, Mapping)
            and isinstance(value, Mapping)
            and value.get("name", old.get("name")) == old.get("name")
        )
        merged[key] = merge(old, value) if same and not value.get("replace") else value  # type: ignore[arg-type]
        if isinstance(merged[key], Mapping):
            merged[key] = {name: value for name, value in merged[key].items() if name != "replace"}
    return merged


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
        raise RecipeError(f"no recipe is called {name!r}.{hint} Known: {', '.join(known)}; or name a .yaml file.")
    return (resources.files("antehoc") / "recipes" / f"{name}.yaml").read_text(), f"{name}.yaml"


def _override(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set {text}: needs KEY=VALUE, such as data.train=2000.")
    try:
        parsed: Any = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError) as error:
        raise RecipeError(f"--set {text}: the value is not YAML.") from error
    for part in reversed(key.strip().split(".")):
        parsed = {part: parsed}
    return dict(parsed)
