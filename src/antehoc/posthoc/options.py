"""The options of a post-hoc method, checked before anything runs."""

import math
from collections.abc import Mapping
from importlib.util import find_spec

from antehoc.errors import RecipeError, install, near_miss

_RANGES: dict[str, tuple[float, float, bool]] = {  # of options: the least, the largest, and whether they are whole
    "samples": (1, 10**6, True), "masks": (1, 10**6, True), "steps": (1, 10**4, True), "cells": (1, 10**3, True),
    "window": (1e-9, 1, False), "area": (1e-9, 1, False), "shown": (1e-9, 1, False),
    "noise": (0, math.inf, False), "fill": (-math.inf, math.inf, False), "baseline": (-math.inf, math.inf, False),
}  # fmt: skip


def _check_option(method: str, name: str, value: object) -> None:
    least, largest, whole = _RANGES[name]
    number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if number and math.isfinite(value) and least <= value <= largest:  # type: ignore[arg-type,operator]
        return
    kind = "a whole number" if whole else "a finite number"
    span = (
        ""
        if least == -math.inf
        else f", {least:g} or more"
        if largest == math.inf
        else f" in 1..{largest:,}"
        if whole
        else f" above 0, at most {largest:g}"
    )
    raise RecipeError(f"method {method!r}: option {name!r} must be {kind}{span}; got {value!r}.")


def checked_options(
    method: str, options: dict[str, object], known: Mapping[str, object], needs: tuple[str, ...]
) -> dict[str, object]:
    """The options, if the method has them and its packages are here.

    Args:
        method: its name.
        options: as they were given.
        known: all that the method has, by name.
        needs: packages of the extra `posthoc`.
    Raises:
        RecipeError: otherwise.
    """
    for name in options:
        if name not in known:
            listed = ", ".join(known) or "none"
            hint = near_miss(name, known)
            raise RecipeError(f"method {method!r} has no option {name!r}.{hint} Known: {listed}.")
        _check_option(method, name, options[name])
    missing = [package for package in needs if find_spec(package) is None]
    if missing:
        raise RecipeError(f"method {method!r} needs {' and '.join(missing)}; {install('posthoc')}.")
    return options
