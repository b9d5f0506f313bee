"""Plain values with one thing wrong somewhere, and the question whether what reads them says so in a sentence."""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from antehoc.errors import AntehocError

ODD: list[Any] = [
    None, True, False, -1, 0, 1, 3, 10**30, 0.5, -2.5, math.nan, math.inf, "", "x", "none", "1e-3", "\n", "ü\u2028",
    [], ["x"], [None], [[]], [1, 2, 3], {}, {"name": "x"}, {"x": {}}, {1: 2}, {"name": None},
]  # fmt: skip


def places(values: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values inside, the whole left out."""
    inner = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    return [path for key, value in inner for path in ((*where, key), *places(value, (*where, key)))]


@st.composite
def damaged(draw: st.DrawFn, values: Any) -> Any:
    """A copy in which one value is another, of another type, is gone, stands under another key or one level deeper."""
    values = deepcopy(values)
    *path, last = draw(st.sampled_from(places(values)))
    parent = values
    for key in path:
        parent = parent[key]
    what = draw(st.sampled_from(["odd", "odd", "odd", "gone", "wrapped", "typed", "moved"]))
    if what == "gone":
        del parent[last]
    elif what == "wrapped":
        parent[last] = [parent[last]] if draw(st.booleans()) else {"name": parent[last]}
    elif what == "typed":
        parent[last] = str(parent[last])
    elif what == "moved" and isinstance(parent, dict):
        parent[draw(st.sampled_from([f"{last}s", str(last)[:-1], "", "x"]))] = parent.pop(last)
    else:
        parent[last] = draw(st.sampled_from(ODD))
    return values


def said(call: Callable[[], object]) -> str | None:
    """What is said of bad input; None where nothing is wrong. Any other error than the package's own is passed on."""
    try:
        call()
    except AntehocError as error:
        message = str(error)
        assert "\n" not in message, message
        assert message.endswith((".", "?")), message
        return message
    return None
