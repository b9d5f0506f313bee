"""What training came to, as blocks: curves of each phase and the seconds that each part took."""

import math
from collections.abc import Mapping, Sequence

from antehoc.blocks import Block, Cell, Lines, Section, Strong, Table
from antehoc.figure import number

Epochs = Sequence[Mapping[str, float]]  #: figures by name, for each epoch

_LOSSES = {"train/loss": "training", "val/loss": "validation"}


def blocks(history: Sequence[Epochs], parts: Mapping[str, float], seconds: float) -> list[Block]:
    """Curves of each phase, then a table of seconds.

    Args:
        history: figures by phase and epoch.
        parts: seconds by part of the run.
        seconds: of everything.
    """
    named = [name for name in parts if "phase " in name]
    if len(named) != len(history):
        named = [f"phase {number}" for number, _ in enumerate(history, 1)]
    titles = [name.replace("_", ", ") for name in named]
    phases = [curves(epochs, title) for epochs, title in zip(history, titles, strict=True) if epochs]
    rows: list[tuple[Cell, ...]] = [(name.replace("_", ", "), number(value, "score")) for name, value in parts.items()]
    rows.append((Strong("everything"), Strong(number(seconds, "score"))))
    return [*phases, Section("Seconds by part", (Table(("part", "seconds"), tuple(rows)),))]


def curves(epochs: Epochs, title: str) -> Section:
    """One phase: the losses, and beside them the validation figures."""
    names = list(dict.fromkeys(name for epoch in epochs for name in epoch))
    losses = {said: _series(epochs, name) for name, said in _LOSSES.items() if name in names}
    figures = [name for name in names if name.startswith("val/") and name not in _LOSSES]
    shares = {name.removeprefix("val/").replace("_", " "): _series(epochs, name) for name in figures}
    charts = (Lines(losses, "epoch", "loss"), Lines(shares, "epoch", "share of validation images"))
    return Section(title.capitalize(), charts)


def _series(epochs: Epochs, name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Epochs, counted from 1, and the figure in each; NaN where it is missing."""
    return tuple(float(n) for n in range(1, len(epochs) + 1)), tuple(epoch.get(name, math.nan) for epoch in epochs)
