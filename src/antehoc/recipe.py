"""Recipes: one YAML file per experiment, checked at the edge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from antehoc.data import DATASETS, Source
from antehoc.errors import RecipeError
from antehoc.model import grouped_arguments
from antehoc.recipes import merge, read_values
from antehoc.schema import build, build_named
from antehoc.targets import read_target
from antehoc.training.phases import Phase

FROM_DISK = "from-disk"  #: in `unknown.means`: the sets that `--ood` named


@dataclass(frozen=True)
class Verdicts:
    """How decisions are questioned.

    Args:
        alpha: the largest expected share of correct decisions that is questioned.
        doubts: what the rule may use, or enters the combined score; without it, all that the system has.
        late: those of them that count only where they are rarer than one in ten among correct decisions, and then
            double: for doubts that tell unknown images, but little about errors on known classes.
        folds: into so many parts the training images are split to fit the combined score on decisions by networks
            that were not trained on them; all calibration images then set the threshold. 0: calibration is halved.
        per_class: a threshold of its own for each class with enough correct calibration decisions (1 / alpha - 1).
        method: `auto` lets the data choose between maximum softmax and products of it with the doubts, see
            `calibration.choice`; `combined` adds up the evidence of `doubts`, with weights fitted on errors; one
            doubt's name questions by it alone. With `late`, the default is `combined`.
        guarantee: `expected`, or `binomial` (with probability 0.95 over the calibration data).
        threshold: `split`: calibration images alone set it. `cross`, for few images: the out-of-fold scores of the
            training images set it too (cross-conformal; needs `folds`); alpha then is aimed at, not guaranteed.
    """

    alpha: float = 0.01
    doubts: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    folds: int = 0
    per_class: bool = False
    method: str = "auto"
    guarantee: Literal["expected", "binomial"] = "expected"
    threshold: Literal["split", "cross"] = "split"

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise RecipeError(f"alpha must be between 0 and 1; got {self.alpha}.")
        if self.folds < 0 or self.folds == 1:
            raise RecipeError(f"folds is 0, or 2 and more; got {self.folds}.")
        if self.threshold == "cross" and not self.folds:
            raise RecipeError("threshold `cross` needs `folds`, 2 or more, such as 5: it is set on out-of-fold scores.")
        if self.threshold == "cross" and self.guarantee == "binomial":
            raise RecipeError("the binomial guarantee needs threshold `split`; got `cross`.")
        if foreign := set(self.late) - set(self.doubts):
            raise RecipeError(f"`late` names some of `doubts`; {min(foreign)!r} is not one of them.")
        if self.method == "combined" and not self.doubts:
            raise RecipeError("the method `combined` needs `doubts`, one or more; got none.")
        if self.late and self.method == "auto":  # as recipes of earlier versions have it
            object.__setattr__(self, "method", "combined")


@dataclass(frozen=True)
class Unknown:
    """Images of no known class that a run is tried on, beside species or classes that the data leave out.

    Args:
        kinds: built-in ones: `noise`, those that the data set draws, or test images `blurred`, `dark`, `cropped` or
            `rotated`.
        count: of each kind, at most.
        from_disk: whether the sets named by `--ood` are tried.
        only: by the name of such a set, patterns of which its files fit one, such as `*/images/*`.
        exclude: by the name of such a set, patterns that leave files out: those that show a known class.
        peers: compare with the detectors of pytorch-ood on the same features.
        means: means over several sets, by name: which sets each counts, all the same, or `from-disk` for those that
            `--ood` names. A mean `far` gives `ood_far_auroc` and the same of maximum softmax and of the best peer,
            where every one of its sets was tried.
        paired: sets whose decisions are also set beside the explanations of test images, a fault of the originals,
            as `ood_<set>_support_questioned_paired`.
    """

    kinds: tuple[str, ...] = ("noise",)
    count: int = 2500
    from_disk: bool = True
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    peers: bool = False
    means: Mapping[str, tuple[str, ...] | Literal["from-disk"]] = field(default_factory=dict)
    paired: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.count < 1:
            raise RecipeError(f"count must be 1 or more; got {self.count}.")


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
    studies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  #: of the finished model, with their options
    published: Mapping[str, float | None] = field(default_factory=dict)  #: figures of the paper
    targets: Mapping[str, str] = field(default_factory=dict)  #: what a figure is meant to reach, such as `>= 0.9`
    variants: Mapping[str, Any] = field(default_factory=dict)  #: further runs: what differs, by prefix of figures
    aliases: Mapping[str, str] = field(default_factory=dict)  #: second names of figures, those of variants among them

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise RecipeError(f"a seed must be in 0..2**63 - 1; got {self.seed}.")
        if not all(0 < point < 1 for point in self.operating_points):
            raise RecipeError(f"operating points must be between 0 and 1; got {list(self.operating_points)}.")
        if not self.phases:
            raise RecipeError("a recipe has one phase or more; `phases` is empty.")
        for figure, text in self.targets.items():
            try:
                read_target(text)
            except RecipeError as error:
                raise RecipeError(f"targets.{figure}: {error}") from None

    def source(self, where: str, seed: int) -> Source:
        """The data that the recipe names."""
        return build_named("data set", DATASETS, self.data, f"{where}, data", seed=seed)


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
    values, where = read_values(name, scale=scale, overrides=overrides)
    return build_recipe(values, where), values


def build_recipe(values: Mapping[str, Any], where: str) -> Recipe:
    """The recipe that plain values describe, each checked; a list of studies stands for their default options.

    Args:
        values: as YAML gives them.
        where: what an error names first.
    Raises:
        RecipeError: unknown or missing keys, wrong values.
    """
    studies = values.get("studies")
    if isinstance(studies, list | tuple) and all(isinstance(name, str) for name in studies):
        values = {**values, "studies": {name: {} for name in studies}}
    return build(Recipe, values, where)


_REMOVED = ("average", "layer_decay")  # keys of phases that no recipe set


def upgrade(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a recipe as an older version recorded them in a saved model, in today's form.

    Example:
        >>> upgrade({"faults": ["ood-pairing"], "unknown": {"kinds": ["noise"]}})
        {'unknown': {'kinds': ['noise'], 'paired': ['noise']}}
    """
    upgraded = {key: value for key, value in values.items() if key != "faults"}
    faults, unknown = values.get("faults"), upgraded.get("unknown") or {}
    if isinstance(faults, list) and "ood-pairing" in faults and isinstance(unknown, Mapping):
        upgraded["unknown"] = {**unknown, "paired": ["noise"]}  # until 0.1 a key of its own
    if isinstance(upgraded.get("system"), Mapping):
        upgraded["system"] = grouped_arguments(upgraded["system"])
    if isinstance(upgraded.get("phases"), list):
        upgraded["phases"] = [
            {key: value for key, value in phase.items() if key not in _REMOVED} if isinstance(phase, Mapping) else phase
            for phase in upgraded["phases"]
        ]
    return upgraded


def variant(values: Mapping[str, Any], name: str, where: str) -> tuple[Recipe, dict[str, Any]]:
    """A recipe's variant: its values over the recipe's own."""
    over = values["variants"][name]
    if not isinstance(over, Mapping):
        raise RecipeError(f"{where}, variants.{name}: needs a mapping; got {over!r}.")
    merged = merge({key: value for key, value in values.items() if key != "variants"}, over)
    return build_recipe(merged, f"{where}, variants.{name}"), merged
