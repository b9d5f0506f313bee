"""What was decided on the images of each class: how many, how many correctly, how many are questioned."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from antehoc.blocks import Cell, Note, Section, Table
from antehoc.calibration import Policy
from antehoc.evaluation.scoring import Scored
from antehoc.figure import percent
from antehoc.metrics import share_interval

Share = tuple[float, float, float]  #: the share, and its 95 % interval by Wilson's formula


@dataclass(frozen=True)
class OfClass:
    """One class of a labelled set."""

    name: str
    images: int
    correct: Share | None  #: of its images decided as this class; None: the model does not know it
    questioned: Share

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON."""
        own = {"images": self.images, "questioned": self.questioned[0], "questioned_interval": self.questioned[1:]}
        return own if self.correct is None else own | {"correct": self.correct[0], "correct_interval": self.correct[1:]}


def of_classes(
    names: Sequence[str], policy: Policy, known: Scored, unknown: Scored | None, unknown_labels: Sequence[str]
) -> tuple[OfClass, ...]:
    """Each class of one label per image that has an image: the model's in their order, then the others by name.

    Args:
        names: of the model's classes.
        policy: its calibration.
        known: scored images of these classes.
        unknown: scored images of other classes; None: there are none.
        unknown_labels: what these are called.
    """
    return (*_known(names, policy, known), *(_unknown(policy, unknown, unknown_labels) if unknown else ()))


def _known(names: Sequence[str], policy: Policy, scored: Scored) -> Iterator[OfClass]:
    questioned, correct = _questioned(policy, scored), ~scored.wrong
    for number, name in enumerate(names):
        own = scored.label == number
        if count := int(own.sum()):
            yield OfClass(name, count, share_interval(correct[own]), share_interval(questioned[own]))


def _unknown(policy: Policy, scored: Scored, labels: Sequence[str]) -> Iterator[OfClass]:
    questioned = _questioned(policy, scored)
    for name, count in sorted(Counter(labels).items()):
        own = [index for index, label in enumerate(labels) if label == name]
        yield OfClass(name, count, None, share_interval(questioned[own]))


def _questioned(policy: Policy, scored: Scored) -> Tensor:
    return policy.score(scored.doubts) > policy.thresholds(scored.about)


def table(classes: Sequence[OfClass]) -> Table:
    """A row for each class."""
    rows: list[tuple[Cell, ...]] = []
    for one in classes:
        correct = ("unknown", "") if one.correct is None else _cells(one.correct)
        rows.append((one.name, f"{one.images:,}", *correct, *_cells(one.questioned)))
    return Table(("class", "images", "correct", "95 %", "questioned", "95 %"), tuple(rows))


def _cells(share: Share) -> tuple[str, str]:
    return percent(share[0]), f"{100 * share[1]:.0f} to {100 * share[2]:.0f} %"


def section(classes: Sequence[OfClass]) -> Section:
    """The table with how to read it."""
    said = (
        "Intervals are Wilson's, for a share of so many images. A class that the model does not know cannot be decided"
    )
    said += " correctly; to question it is the most that the model can do."
    return Section("Classes", (table(classes), Note(said, "aside")))
