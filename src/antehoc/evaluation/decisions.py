"""How many decisions are correct, and which classes are confused."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from antehoc.blocks import Block, Matrix, Section, Table
from antehoc.evaluation.scoring import Scored
from antehoc.figure import Figure, defined, listed, percent
from antehoc.metrics import share_interval

_PAIRS = 12  # so many confused pairs are shown, where classes are more than these
_SENTENCE = 5  # so many confused pairs are named in a sentence


@dataclass(frozen=True)
class Pair:
    """How often images of one class were taken for another."""

    images: int
    truth: str
    predicted: str


def figures(scored: Scored) -> list[Figure]:
    """The accuracy, of images or with several labels of label decisions."""
    what = (
        "share of test images decided correctly"
        if scored.task == "single-label"
        else "share of correct label decisions"
    )
    correct = ~scored.wrong
    value = defined(float(correct.double().mean()))
    # labels of one image are not independent: their decisions give no binomial interval
    span = share_interval(correct)[1:] if correct.ndim == 1 and len(correct) else None
    return [Figure("accuracy", value, what, "Decisions", "higher", span, headline=True)]


def confusion(scored: Scored, classes: int) -> tuple[tuple[int, ...], ...]:
    """Counts of images: a row for each predicted class, a column for each true class; one label per image only."""
    cells = torch.bincount(scored.predicted * classes + scored.label, minlength=classes**2)
    return tuple(tuple(int(value) for value in row) for row in cells.view(classes, classes))


def confused(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> list[Pair]:
    """Pairs of classes of which one was taken for the other, the most frequent first."""
    pairs = [
        Pair(count, classes[column], classes[row])
        for row, line in enumerate(counts)
        for column, count in enumerate(line)
        if row != column and count
    ]
    return sorted(pairs, key=lambda pair: -pair.images)


def section(counts: tuple[tuple[int, ...], ...], classes: tuple[str, ...]) -> Section:
    """The confusion matrix; of many classes also the most frequent mistakes in a table."""
    pairs, many = confused(counts, classes), len(classes) > _PAIRS
    words = [f"{pair.truth} taken for {pair.predicted} ({pair.images:,})" for pair in pairs[:_SENTENCE]]
    said = f"The most frequent mistakes: {listed(words)}." if words else "No mistakes."
    if many:
        said = "Shade: the share of a true class. On the diagonal: correct decisions."
    blocks: list[Block] = [Matrix(counts, classes, said)]
    if many and pairs:
        images = dict(zip(classes, map(sum, zip(*counts, strict=True)), strict=True))
        rows = [
            (pair.truth, pair.predicted, f"{pair.images:,}", percent(pair.images / images[pair.truth]))
            for pair in pairs[:_PAIRS]
        ]
        head = ("true class", "taken for", "images", "of that class")
        blocks.append(Table(head, tuple(rows), f"The most frequent of {len(pairs):,} confused pairs"))
    return Section("Decisions", tuple(blocks))
