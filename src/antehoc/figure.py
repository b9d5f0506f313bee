"""A measured figure: its value with all that is needed to read it, and the one way in which numbers are written."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, assert_never

Better = Literal["higher", "lower"]
Written = Literal["number", "count", "difference", "quantity", "probability", "score"]

_WIDE = 1e6  # from here on, four decimals would not fit into a column


@dataclass(frozen=True)
class Figure:
    """One figure of a run, an evaluation or a study.

    Whoever measures it says what it means, so that no report has to guess from the name.
    """

    name: str  #: in JSON, recipes and docs; unique within a run
    value: float | None  #: None where it is undefined
    meaning: str  #: what it is, in a few words, without its direction
    group: str  #: the heading under which it is read
    better: Better | None = None  #: which direction is better; None where neither is
    interval: tuple[float, float] | None = None  #: 95 %
    headline: bool = False  #: whether it is shown first
    written: Written = "number"  #: how its value is written
    of_set: str | None = None  #: the set of images that it belongs to, if a table of sets shows it already
    variant: str = ""  #: of the recipe; empty for the recipe itself

    def under(self, prefix: str) -> "Figure":
        """The same figure of a variant, whose name goes in front."""
        return replace(self, name=f"{prefix}_{self.name}", variant=prefix) if prefix else self

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return number(self.value, self.written)


def values(figures: Iterable[Figure]) -> dict[str, float | None]:
    """Values by name."""
    return {figure.name: figure.value for figure in figures}


def intervals(figures: Iterable[Figure]) -> dict[str, tuple[float, float]]:
    """The 95 % intervals of those that have one, by name."""
    return {figure.name: figure.interval for figure in figures if figure.interval is not None}


def value_of(figures: Iterable[Figure], name: str) -> float | None:
    """The value of one figure; None where it is undefined or was not measured."""
    return next((figure.value for figure in figures if figure.name == name), None)


def grouped(figures: Iterable[Figure]) -> dict[str, list[Figure]]:
    """Figures by their heading, in the order in which the headings first occur."""
    found: dict[str, list[Figure]] = {}
    for figure in figures:
        found.setdefault(figure.group, []).append(figure)
    return found


def defined(value: float) -> float | None:
    """A number as JSON can hold it: None for NaN."""
    return None if value != value else float(value)


def number(value: float | None, written: Written = "number") -> str:
    """A number as it is written everywhere; `-` where it is undefined.

    Args:
        value: None or NaN where it is undefined.
        written: `number` has four decimals, two digits where it is smaller; `difference` has a sign besides;
            `count` has no decimals; `quantity`, such as milliseconds, three digits or no decimals; `probability` two
            decimals; `score` one.
    Example:
        >>> number(0.98765), number(0.000123), number(None), number(-0.5, "difference"), number(3.0, "count")
        ('0.9877', '0.00012', '-', '-0.5000', '3')
        >>> number(1586510878.6), number(1234.5, "quantity"), number(0.25, "quantity")
        ('1.587e+09', '1,234', '0.25')
        >>> number(0.934, "probability"), number(8.13, "score")
        ('0.93', '8.1')
    """
    if value is None or value != value:
        return "-"
    value += 0.0  # never -0
    match written:
        case "count":
            return f"{value:.0f}"
        case "probability":
            return f"{value:.2f}"
        case "score":
            return f"{value:.1f}"
        case "quantity":
            return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        case "number" | "difference":
            sign = "+" if written == "difference" else ""
            if abs(value) >= _WIDE:
                return f"{value:{sign}.4g}"
            return f"{value:{sign}.4f}" if abs(value) >= 0.001 or value == 0 else f"{value:{sign}.2g}"
        case _:
            assert_never(written)


def span(interval: tuple[float, float] | None) -> str:
    """An interval as it is written everywhere; empty where there is none.

    Example:
        >>> span((0.25, 0.5))
        '0.2500 to 0.5000'
    """
    return "" if interval is None else " to ".join(map(number, interval))


def percent(share: float) -> str:
    """A share in percent, never rounded to all or none where it is neither.

    Example:
        >>> percent(0.8642), percent(0.999908), percent(1.0), percent(0.000116961)
        ('86.4 %', '99.991 %', '100 %', '0.012 %')
    """
    if not 0 < share < 1:
        return f"{100 * share:g} %"
    rounded = f"{100 * share:.1f}"
    if 0 < float(rounded) < 100:
        return f"{rounded} %"
    if share < 0.5:
        return f"{100 * share:.2g} %"
    rest = float(f"{100 * (1 - share):.1g}")
    places = -math.floor(math.log10(rest))
    return f"{100 - rest:.{places}f} %" if places < 12 else "100 %"


def listed(parts: Iterable[str]) -> str:
    """Words as a list in a sentence.

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    every = list(parts)
    return f"{', '.join(every[:-1])} and {every[-1]}" if len(every) > 1 else "".join(every)


def prefixed(by_variant: Mapping[str, Iterable[Figure]]) -> list[Figure]:
    """The figures of all variants in one list; the recipe's own stand under the empty name."""
    return [figure.under(name) for name, figures in by_variant.items() for figure in figures]
