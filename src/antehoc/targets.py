"""What a figure of a recipe is meant to reach: a bound that is a number or depends on another figure of the run."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from antehoc.errors import RecipeError

Sign = Literal[">=", "<="]
Lookup = Callable[[str], float | None]  # the value of a figure by name; None where it is undefined

_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_FIXED = re.compile(rf"(>=|<=)\s*({_NUMBER})")
_RELATIVE = re.compile(rf"(>=|<=)\s*(?:({_NUMBER})\s*\*\s*)?([A-Za-z_][\w-]*)(?:\s+([+-])\s+({_NUMBER}))?")


@dataclass(frozen=True)
class Bound:
    """One condition on a figure: at least, or at most, `times` another figure plus `plus`.

    Example:
        >>> bound = Bound(">=", "msp_auroc", plus=0.02)
        >>> str(bound), bound.holds(0.93, {"msp_auroc": 0.9}.get), bound.holds(0.93, {}.get)
        ('>= msp_auroc + 0.02', True, None)
    """

    sign: Sign
    figure: str | None = None  #: the other figure; None: `plus` is the bound itself
    times: float = 1.0
    plus: float = 0.0

    def holds(self, value: float | None, others: Lookup) -> bool | None:
        """Whether a value keeps the bound; None where it or the other figure is undefined."""
        limit: float | None = self.plus
        if self.figure is not None:
            other = others(self.figure)
            limit = None if other is None else self.times * other + self.plus
        if value is None or limit is None:
            return None
        return value >= limit if self.sign == ">=" else value <= limit

    def __str__(self) -> str:
        if self.figure is None:
            return f"{self.sign} {self.plus:g}"
        times = f"{self.times:g} * " if self.times != 1 else ""
        plus = f" {'+' if self.plus > 0 else '-'} {abs(self.plus):g}" if self.plus else ""
        return f"{self.sign} {times}{self.figure}{plus}"


def read_target(text: str) -> tuple[Bound, ...]:
    """The bounds that a target states, joined by `and`.

    Args:
        text: such as `>= 0.995`, `>= msp_auroc + 0.02`, `<= 0.9 * msp_aurc`, or `>= 0.85 and >= msp_auroc`.
    Raises:
        RecipeError: it has another form.
    Example:
        >>> [str(bound) for bound in read_target(">= 0.85 and <= 0.9 * msp_aurc")]
        ['>= 0.85', '<= 0.9 * msp_aurc']
    """
    return tuple(_bound(part.strip(), text) for part in re.split(r"\sand\s", text))


def _bound(part: str, whole: str) -> Bound:
    sign: Sign = ">=" if part.startswith(">=") else "<="
    if found := _FIXED.fullmatch(part):
        return Bound(sign, plus=float(found[2]))
    if found := _RELATIVE.fullmatch(part):
        plus = float(f"{found[4]}{found[5]}") if found[5] else 0.0
        return Bound(sign, found[3], float(found[2] or 1), plus)
    raise RecipeError(
        f"{whole!r} is not a target; write >= or <= and a bound, such as '>= 0.9', '>= msp_auroc + 0.02' or "
        "'<= 0.9 * msp_aurc', and join several by 'and'."
    )


def met(bounds: Sequence[Bound], value: float | None, others: Lookup) -> bool | None:
    """Whether a value keeps every bound; None where none is missed and one cannot be judged."""
    found = [bound.holds(value, others) for bound in bounds]
    return False if False in found else None if None in found else True


def value_of(
    name: str,
    figures: Mapping[str, float | None],
    intervals: Mapping[str, Sequence[float]],
    seconds: float,
) -> float | None:
    """A figure of a run by name; so are `seconds`, and the lower end of an interval under `<figure>_low`.

    Example:
        >>> value_of("accuracy_low", {"accuracy": 0.9}, {"accuracy": (0.85, 0.95)}, 60.0)
        0.85
    """
    if name == "seconds":
        return seconds
    if name in figures:
        return figures[name]
    interval = intervals.get(name.removesuffix("_low")) if name.endswith("_low") else None
    return interval[0] if interval else None
