"""Charts as SVG that stands alone or inside a page: matrices, strips, histograms and curves."""

import math
from collections.abc import Sequence
from typing import assert_never

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import FigureBase
from matplotlib.ticker import FixedLocator, FormatStrFormatter, FuncFormatter, MaxNLocator

from antehoc.blocks import Histogram, Lines, Matrix, Strips
from antehoc.figure import listed, number, percent
from antehoc.report.look import BLUE, GREEN, GREY, INK, ORANGE, RED, drawing, short

Chart = Matrix | Strips | Histogram | Lines

_PERCENT = FuncFormatter(lambda share, _: f"{100 * share:g} %")
_NO_THRESHOLD = 1e300  # the largest float stands for infinity
_SMALLEST = 1e-30  # on an axis of a smaller scale divisions overflow
_NAMED_CELLS, _NAMED_CLASSES = 12, 40  # up to so many classes a matrix shows counts, and names
_COLORS = (BLUE, ORANGE, GREEN, RED, GREY)


def matrix(block: Matrix, key: str) -> str:
    """Counts, rows predicted and columns true; shade is the share of a true class."""
    return _svg(block, f"confusion matrix of {len(block.names)} classes", key)


def _svg(block: Chart, description: str, key: str) -> str:
    with drawing(*size_in(block), description, key) as (figure, out):
        draw(block, figure)
    return out[0]


def size_in(block: Chart) -> tuple[float, float]:
    """Width and height of a chart in inches."""
    match block:
        case Matrix():
            side = 5.6 if _NAMED_CELLS < len(block.names) <= _NAMED_CLASSES else 3.9
            return side + 0.9, side
        case Strips():
            return 7.2, 0.6 + 0.42 * len(_finite(block))
        case Histogram():
            return 5.4, 2.1
        case Lines():
            return 5.4, 3.1
        case _:
            assert_never(block)


def draw(block: Chart, figure: FigureBase) -> None:
    """Draw a chart on a figure, or on a part of one."""
    match block:
        case Matrix():
            _matrix(block, figure)
        case Strips():
            _strips(block, figure)
        case Histogram():
            _histogram(block, figure)
        case Lines():
            _lines(block, figure)
        case _:
            assert_never(block)


def _matrix(block: Matrix, figure: FigureBase) -> None:
    size = len(block.names)
    cells = np.array(block.counts, dtype=float)
    share = cells / np.maximum(cells.sum(0, keepdims=True), 1)
    axes = figure.subplots()
    shades = LinearSegmentedColormap.from_list("blue", ["#ffffff", "#9cc9e3", BLUE, "#00466e"])
    image = axes.imshow(share, cmap=shades, vmin=0, vmax=1, interpolation="nearest", aspect="equal")
    axes.set(xlabel="true class", ylabel="predicted class")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set(xticks=[], yticks=[])
    if size <= _NAMED_CLASSES:
        names = [short(name, 18) for name in block.names]
        axes.set_xticks(range(size), names, rotation=0 if size <= 5 else 90)
        axes.set_yticks(range(size), names)
    if size <= _NAMED_CELLS:
        for (row, column), count in np.ndenumerate(cells):
            color = "white" if share[row, column] > 0.55 else GREY if count == 0 else INK
            axes.text(column, row, f"{int(count):,}", ha="center", va="center", color=color)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, format=_PERCENT, ticks=[0, 0.5, 1])
    bar.outline.set_visible(False)
    bar.set_label("share of the true class")


def strips(block: Strips, key: str) -> str:
    """One strip for each set over one axis, with the share of its values that lie above the threshold.

    The axis is linear up to the threshold and logarithmic beyond, so that both the crowd and the tail can be seen.
    """
    return _svg(block, f"{block.x} by set of images, with the threshold", key)


def _finite(block: Strips) -> dict[str, np.ndarray]:
    """The finite values of each set that has any."""
    finite = {name: np.array([one for one in values if math.isfinite(one)]) for name, values in block.sets.items()}
    return {name: values for name, values in finite.items() if len(values)} or {"": np.zeros(1)}


def _strips(block: Strips, figure: FigureBase) -> None:
    sets = _finite(block)
    threshold = None if block.threshold is None or block.threshold >= _NO_THRESHOLD else block.threshold
    if threshold is not None and abs(threshold) < _SMALLEST:
        threshold = 0.0
    edges, scale = _edges(np.concatenate(list(sets.values())), threshold)
    rows = figure.subplots(len(sets), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, values) in zip(rows, sets.items(), strict=True):
        _strip(axes, values, edges, scale, threshold)
        above = 0.0 if threshold is None else float((values > threshold).mean())
        axes.set_ylabel(short(name, 22), rotation=0, ha="right", va="center")
        axes.annotate(f"{percent(above)} {short(block.above, 16)}", (1.01, 0.2), xycoords="axes fraction")
    low, high = min(float(edges[0]), 0.0), float(edges[-1])
    linear = [tick for tick in MaxNLocator(5).tick_values(low, scale) if low <= tick <= scale]
    rows[-1].xaxis.set_major_locator(FixedLocator([*linear, *_decades(1.6 * linear[-1], high)]))
    rows[-1].xaxis.set_major_formatter(FormatStrFormatter("%g"))
    rows[-1].minorticks_off()
    rows[-1].set_xlabel(block.x)


def _edges(values: np.ndarray, threshold: float | None) -> tuple[np.ndarray, float]:
    """Edges of the bins, the threshold among them, and up to where the axis is linear."""
    scale = abs(threshold) if threshold else float(np.abs(values).max())
    scale = scale if scale > _SMALLEST else 1.0
    low, high = min(float(values.min()), 0.0), max(float(values.max()), scale)
    edges = np.sinh(np.linspace(np.arcsinh(low / scale), np.arcsinh(1.04 * high / scale), 72)) * scale
    return np.unique(np.append(edges, low if threshold is None else threshold)), scale


def _strip(axes: Axes, values: np.ndarray, edges: np.ndarray, scale: float, threshold: float | None) -> None:
    density = np.histogram(values, edges)[0] / np.diff(np.arcsinh(edges / scale)) / len(values)
    split = len(edges) - 1 if threshold is None else int(np.searchsorted(edges, threshold))
    axes.stairs(density[:split], edges[: split + 1], fill=True, color=GREY)
    axes.stairs(density[split:], edges[split:], fill=True, color=RED)
    if threshold is not None:
        axes.axvline(threshold, color=INK, linewidth=1)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    axes.set_xscale("asinh", linear_width=scale)
    axes.set_xlim(edges[0], edges[-1])


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten between two numbers, a few at most."""
    if not 0 < low < high:
        return []
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    inside = [step for step in steps if low <= step <= high]
    return inside[:: max(1, len(inside) // 4)]


def histogram(block: Histogram, key: str) -> str:
    """How often values occur, with the reference line and the mean."""
    return _svg(block, f"{block.x}: {len(block.values)} values and {block.line_name}", key)


def _histogram(block: Histogram, figure: FigureBase) -> None:
    mean = sum(block.values) / max(len(block.values), 1)
    axes = figure.subplots()
    axes.hist(block.values, bins=20, color=GREY)
    marks = ((block.line, "-", INK, short(block.line_name, 24)), (mean, "--", BLUE, "mean"))
    for place, line, color, name in marks:
        said = f"{name} {percent(place) if block.percent else number(place)}"
        axes.axvline(place, color=color, linestyle=line, linewidth=1.4, label=said)
    axes.set(xlabel=block.x, ylabel=block.y)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    if block.percent:
        axes.set_xlim(0, None)
        axes.xaxis.set_major_formatter(_PERCENT)
    axes.legend(loc="upper right", fontsize=8)


def lines(block: Lines, key: str) -> str:
    """Curves over a common axis, those in front and those to compare with named in a legend."""
    return _svg(block, f"{block.title or block.y} over {block.x}: {listed(block.series)}", key)


def _lines(block: Lines, figure: FigureBase) -> None:
    axes = figure.subplots()
    for name, (color, line, width, label) in _looks(block):
        x, y = block.series[name]
        axes.plot(x, y, line, color=color, linewidth=width, label=label, marker="o" if len(x) == 1 else "")
    axes.set(xlabel=block.x, ylabel=block.y, title=short(block.title, 60))
    _scale(axes, block)
    axes.grid()
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)


def _looks(block: Lines) -> Sequence[tuple[str, tuple[str, str, float, str]]]:
    """Color, line, width and name of each curve, from back to front; the first of those in front is blue."""
    cycle = [(color, line) for line in ("-", "--", ":") for color in _COLORS]
    front = [name for name in block.series if name not in block.dashed and (not block.solid or name in block.solid)]
    if block.solid:
        front = [name for name in block.solid if name in front]
    named = {name: (*cycle[place % len(cycle)], 1.8, short(name, 40)) for place, name in enumerate(front)}
    named |= {name: (INK, "--", 1.8, short(name, 40)) for name in block.dashed if name in block.series}
    thin = {name: (GREY, "-", 0.7, "_") for name in block.series if name not in named}  # "_": not in the legend
    return [*thin.items(), *named.items()]


def _scale(axes: Axes, block: Lines) -> None:
    """Shares in percent from 0 on; whole numbers on an axis that holds nothing else."""
    if block.x_percent:
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(_PERCENT)
    elif all(float(value).is_integer() for x, _ in block.series.values() for value in x):
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if block.y_percent:
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(_PERCENT)
