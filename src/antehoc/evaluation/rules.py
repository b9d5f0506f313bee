"""Rules that question a decision at a fixed limit of one doubt, without calibration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from antehoc.doubts.rules import default_n

_BEST = 10  # the published top-n rule questions where the class is not among so many best by the attributes


@dataclass(frozen=True)
class Rule:
    """A rule by name: from which value of one doubt on it questions a decision."""

    name: str  #: in the names of its figures
    doubt: str  #: what it looks at
    words: str  #: what it is called in a sentence
    questions: Callable[[Tensor, int], Tensor]  #: from the doubt and the number of classes, True where questioned
    beyond: int = 0  #: it says something with more classes than this
    of_sets: bool = False  #: whether it is also measured on sets of no known class
    headline: bool = False

    def applied(self, doubts: Mapping[str, Tensor], classes: int) -> Tensor | None:
        """True where it questions; None where the system has no such doubt, or too few classes."""
        if self.doubt not in doubts or classes <= self.beyond:
            return None
        return self.questions(doubts[self.doubt], classes)


RULES = (
    Rule("support", "support", "the support rule", lambda doubt, _: doubt > 0, of_sets=True, headline=True),
    Rule(
        "topn",
        "top-n",
        f"the top-n rule as published (class not among the {_BEST} best)",
        lambda doubt, _: doubt >= _BEST,
        beyond=_BEST,
        headline=True,
    ),
    Rule(
        "topn_centred",
        "top-n-centred",
        "the corrected top-n rule",
        lambda doubt, classes: doubt >= default_n(classes),
        beyond=_BEST,
    ),
)
