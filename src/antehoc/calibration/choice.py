"""Which products of doubts a model's verdict uses: chosen on decisions that trained nothing and set no threshold."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from antehoc.calibration.product import CONFIDENCE, Product, fit_product
from antehoc.doubts import DOUBTS
from antehoc.metrics.selective import auroc
from antehoc.types import Flags, Scores, checked

ENOUGH = 100  # wrong decisions from which on a rule is chosen by what it finds; with 50, a gain of .02 is often missed
_SOME = 20  # wrong decisions from which on a doubt at chance is left out
SOFTMAX, NEIGHBORS, PRODUCT = "softmax", "softmax-neighbors", "product"  #: rules, the simplest first


@dataclass(frozen=True)
class Candidate:
    """What one rule gave on the rows that the choice was made on."""

    rule: str
    auroc: float  #: on wrong decisions; NaN is stored as -1, where no decision or every decision is wrong
    gain: float  #: over the simpler rule that it was compared with; 0 for the simplest
    error: float  #: standard error of the gain


class Choice(NamedTuple):
    """The chosen rule, its products, and what every rule gave."""

    rule: str
    products: tuple[Product, ...]
    candidates: tuple[Candidate, ...]


def choose(doubts: Mapping[str, Tensor], wrong: Tensor, names: Sequence[str]) -> Choice:
    """The rule for a verdict: the simplest one that no richer rule beats beyond its standard error.

    The rules are maximum softmax with fitted temperature; that and the doubt `neighbors`; and these with all that the
    explanation says. Where fewer than 100 decisions are wrong, the richest is taken: it needs no wrong decision. Doubts
    that tell unknown images form a product of their own beside it. A doubt that finds wrong decisions no better than
    chance, within a standard error, is left out where 20 or more are wrong.

    Args:
        doubts: (n,) by name, of decisions that trained no network and set no threshold.
        wrong: (n,) True where the decision is wrong.
        names: of the doubts that may be used; those that `doubts` lacks are ignored. `Doubt.about` says which product
            each enters; one that says nothing enters that for wrong decisions.
    Raises:
        DataError: fewer than 20 decisions are correct, or a doubt is not finite.
    """
    correct, errors = ~wrong, int(wrong.sum())
    usable = [name for name in names if name in doubts and name != CONFIDENCE]
    helps = [name for name in usable if "wrong" in DOUBTS[name].about or not DOUBTS[name].about]
    for_wrong = [name for name in helps if not _at_chance(doubts[name], wrong)]
    rules = {SOFTMAX: [], NEIGHBORS: [name for name in for_wrong if name == "neighbors"], PRODUCT: for_wrong}
    products = {
        rule: fit_product(doubts, correct, own, about="wrong")
        for number, (rule, own) in enumerate(rules.items())
        if own not in list(rules.values())[:number]
    }
    chosen, candidates = SOFTMAX, []
    for rule, product in products.items():
        score, simpler = product.logarithm(doubts), products[chosen].logarithm(doubts)
        gain, error = difference(score, simpler, wrong) if 0 < errors < len(wrong) else (0.0, 0.0)
        value = float(auroc(score, wrong)) if 0 < errors < len(wrong) else -1.0
        candidates.append(Candidate(rule, value, gain, error))
        if gain > error or errors < ENOUGH:
            chosen = rule
    unknown = [name for name in usable if "unknown" in DOUBTS[name].about]
    both = [products[chosen]]
    if unknown:
        both.append(fit_product(doubts, correct, unknown, about="unknown", softmax=0.5))
    return Choice(chosen, tuple(both), tuple(candidates))


_RULES = {
    SOFTMAX: "maximum softmax alone",
    NEIGHBORS: "softmax with the nearest training images",
    PRODUCT: "softmax with all that the explanation says",
}


def default_names(doubts: Collection[str]) -> list[str]:
    """The doubts that a rule may use where a recipe names none.

    `distance` and `stages` are used only where the system has no `knn`: images of pure noise lie closer to the means of
    the classes than photographs do, so that they would be accepted.

    Args:
        doubts: the names of all that the system has.
    """
    spare = {"distance", "stages"} if "knn" in doubts else set()
    return [name for name, doubt in DOUBTS.items() if doubt.about and name in doubts and name not in spare]


def why(rule: str, candidates: Sequence[Candidate], errors: int) -> str:
    """What each rule gave and why one was chosen, in a sentence or two; empty where nothing was compared.

    Args:
        rule: the chosen one.
        candidates: what every rule gave.
        errors: wrong decisions among the rows.
    """
    if not candidates:
        return ""
    if len(candidates) == 1:
        said = "No other doubt finds wrong decisions better than chance here, so maximum softmax is used alone."
    elif errors < ENOUGH:
        said = f"{errors} wrong decisions are too few to choose a rule by; the richest one is used, which needs none."
    elif rule == SOFTMAX:
        said = "Maximum softmax alone does as well here; the explanation adds nothing to it."
    elif rule == NEIGHBORS:
        said = "The nearest training images do as well here as the explanation, which adds nothing to them."
    else:
        said = "What the explanation says finds more wrong decisions than softmax and the nearest training images do."
    found = [f"{one.auroc:.3f} by {_RULES[one.rule]}" for one in candidates if one.auroc >= 0]
    return f"{said} AUROC on wrong decisions: {', '.join(found)}." if found else said


def _at_chance(doubt: Tensor, wrong: Tensor) -> bool:
    """Whether a doubt finds wrong decisions no better than chance, within a standard error; False with too few."""
    if int(wrong.sum()) < _SOME or bool(wrong.all()):
        return False
    gain, error = difference(doubt.double(), torch.zeros(len(doubt), dtype=torch.float64), wrong)
    return gain <= error


@checked
def difference(first: Scores, second: Scores, positive: Flags) -> tuple[float, float]:
    """How much larger the AUROC of one score is than that of another on the same rows, and its standard error.

    Args:
        first: (n,) higher should mean positive.
        second: (n,) of the same rows.
        positive: True for what the scores should find; one or more, and not all.
    Source:
        DeLong, DeLong and Clarke-Pearson, "Comparing the Areas under Two or More Correlated Receiver Operating
        Characteristic Curves", Biometrics 1988.
    """
    found = [_placements(score, positive) for score in (first, second)]
    above, below = (found[0][side] - found[1][side] for side in (0, 1))
    spread = sum(float(side.var()) / len(side) if len(side) > 1 else 0.0 for side in (above, below))
    return float(above.mean()), spread**0.5


def _placements(score: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
    """For each positive row the share of others below it, and for each other row the share of positive rows below."""
    high, low = score[positive].double(), score[~positive].double()
    lows, highs = low.sort().values, high.sort().values
    below = (torch.searchsorted(lows, high) + torch.searchsorted(lows, high, right=True)).double() / (2 * len(low))
    under = (torch.searchsorted(highs, low) + torch.searchsorted(highs, low, right=True)).double() / (2 * len(high))
    return below, under
