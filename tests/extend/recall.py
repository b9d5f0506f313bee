"""A study: of the labels that images carry, how many are found?"""

from dataclasses import dataclass
from typing import ClassVar

from antehoc import task
from antehoc.blocks import Block, Note, Table
from antehoc.data import Source
from antehoc.evaluation import score
from antehoc.figure import Figure, number
from antehoc.model import Model
from antehoc.studies import Finding


@dataclass(frozen=True)
class Recall(Finding):
    """The recall of every label, in 0..1; None for a label that no image carries."""

    shares: dict[str, float | None]

    title: ClassVar[str] = "Which labels are found?"

    def figures(self) -> list[Figure]:
        return [
            Figure(f"recall_{name}", share, f"images with {name} that are found", "Recall", "higher", headline=True)
            for name, share in self.shares.items()
        ]

    def blocks(self) -> list[Block]:
        rows = tuple((name, number(share)) for name, share in self.shares.items())
        return [Table(("label", "recall"), rows), Note("A high recall does not say how much is found too often.")]


def run(model: Model, source: Source, *, seed: int, least: float = 0.5) -> Recall:
    """The recall of every label on the test images.

    Args:
        model: of several labels.
        source: its data.
        seed: changes nothing: all test images are looked at.
        least: probability from which on a label counts as found, in 0..1.
    """
    scored = score(model.system, source.roles["test"])
    present, found = scored.label >= 0.5, task.probabilities(scored.task, scored.logits) >= least
    counts = zip(model.spec.classes, (present & found).sum(0).tolist(), present.sum(0).tolist(), strict=True)
    return Recall({name: hits / total if total else None for name, hits, total in counts})
