"""What an evaluation found: figures, cases, and the blocks of a report."""

from dataclasses import dataclass, field
from typing import Any

from antehoc.blocks import Block, Section, Table
from antehoc.display import Displayed
from antehoc.evaluation.cases import Shown
from antehoc.evaluation.classes import OfClass, table
from antehoc.evaluation.peers import Peers
from antehoc.evaluation.words import set_words
from antehoc.figure import Figure, intervals, listed, number, percent, value_of, values
from antehoc.plain import finite


@dataclass(frozen=True)
class Evaluation(Displayed):
    """A model's figures, shares in 0..1, None where undefined (`notes` say why), and what a report shows of them."""

    figures: list[Figure]
    notes: list[str] = field(default_factory=list)
    peers: Peers = field(default_factory=dict)  #: AUROC of other detectors, by detector and set
    shown: list[Shown] = field(default_factory=list)
    images: int = 0  #: test images
    wrong: int = 0  #: wrong decisions among them; with several labels each label is a decision
    sections: tuple[Section, ...] = ()
    sets: Table | None = None  #: the sets of no known class
    classes: tuple[OfClass, ...] = ()  #: what was decided on each class, where every labelled image was measured

    def headline(self) -> str:
        """What was found, in two or three sentences made from the figures."""
        accuracy, sentences = value_of(self.figures, "accuracy"), []
        if accuracy is not None:
            sentences.append(f"{percent(accuracy)} of the decisions on {self.images:,} test images are correct.")
        if found := self._questioned():
            sentences.append(f"The verdict questions {listed(found)}.")
        verdict, softmax = (value_of(self.figures, f"{name}_auroc") for name in ("verdict", "msp"))
        if verdict is not None and softmax is not None:
            sentences.append(
                f"Its AUROC for telling wrong decisions from correct ones is {number(verdict)}; that of maximum softmax"
                f" on the same model is {number(softmax)}."
            )
        return " ".join(sentences)

    def _questioned(self) -> list[str]:
        """The shares that the verdict questions, of wrong and correct decisions and of the first unknown set."""
        first = next((figure.of_set for figure in self.figures if figure.of_set), "")
        named = {
            "verdict_questioned_wrong": f"the {self.wrong:,} wrong decisions",
            "verdict_questioned_correct": "the correct ones",
            f"ood_{first}_questioned": f"the unknown images ({set_words(first or '')})",
        }
        found = {said: value_of(self.figures, name) for name, said in named.items()}
        return [f"{percent(share)} of {said}" for said, share in found.items() if share is not None]

    def blocks(self) -> list[Block]:
        """All that a page shows but figures and cases."""
        return [*self.sections]

    def brief(self) -> list[Block]:
        """What a terminal shows beside the figures: the tables of the classes, and of the sets of no known class."""
        own: list[Block] = [table(self.classes)] if self.classes else []
        return own if self.sets is None else [*own, self.sets]

    def records(self) -> list[dict[str, Any]]:
        """A row for each figure: name, value, 95 % interval and what it means."""
        return [
            {
                "name": one.name,
                "value": one.value,
                "low": one.interval[0] if one.interval else None,
                "high": one.interval[1] if one.interval else None,
                "group": one.group,
                "meaning": one.meaning,
                "better": one.better,
            }
            for one in self.figures
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, null for NaN: figures and intervals by name, and what the figures mean."""
        found = {
            "images": self.images,
            "wrong": self.wrong,
            "figures": values(self.figures),
            "intervals": intervals(self.figures),
            "meanings": {one.name: one.meaning for one in self.figures},
            "notes": list(self.notes),
            "peers": self.peers,
        }
        return dict(finite(found))
