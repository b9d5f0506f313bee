"""Products of doubts: scores that need no wrong decisions to be fitted, one for errors and one for unknown images."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from antehoc.calibration.evidence import Evidence, fit_evidence
from antehoc.errors import DataError

About = Literal["wrong", "unknown"]
CONFIDENCE = "confidence"  #: the doubt that every product starts from
SHIFT = 1.0  # a factor grows from about one deviation below the mean of correct decisions on
LATER = 0.7  # nats that the score for unknown images must exceed the other by before it decides: half as often


@dataclass(frozen=True)
class Term:
    """One factor of a product, as its logarithm: log(1 + exp(z + 1)), where z is the doubt standardized over correct
    decisions. It is near 0 for a usual doubt and grows with an unusual one. `confidence` is a logarithm already, and
    enters as it is.

    Source: Xia and Bouganis, "Augmenting Softmax Information for Selective Classification with Out-of-Distribution
    Data", ACCV 2022, eq. 11.
    Differs: several factors instead of one, and they grow from one deviation below the mean on, instead of three.
    """

    doubt: str
    mean: float  #: over correct decisions
    deviation: float
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and 0 < self.deviation < math.inf and 0 < self.weight < math.inf):
            raise DataError(f"the term of {self.doubt!r} needs a finite mean, and deviation and weight above 0.")

    def __call__(self, doubt: Tensor) -> Tensor:
        """The logarithm of the factor, in the shape of the doubts, float64."""
        if self.doubt == CONFIDENCE:
            return self.weight * doubt.double()
        return self.weight * F.softplus((doubt.double() - self.mean) / self.deviation + SHIFT)

    def beyond(self, doubt: Tensor) -> Tensor:
        """How much larger it is than at the mean of correct decisions, 0 or more."""
        return (self(doubt) - self(torch.full_like(doubt, self.mean))).clamp(min=0)


@dataclass(frozen=True)
class Product:
    """Doubts multiplied, and how rare the product is among correct decisions: minus the log of the share above it."""

    about: About
    terms: tuple[Term, ...]
    evidence: Evidence  #: of the product's logarithm among correct decisions
    discount: float = 0.0  #: taken off its evidence, in nats: it decides later

    def __post_init__(self) -> None:
        if not self.terms or len({term.doubt for term in self.terms}) < len(self.terms):
            raise DataError("a product holds one or more terms, each of another doubt.")
        if not (math.isfinite(self.discount) and self.discount >= 0):
            raise DataError(f"the discount of a product must be 0 or more; got {self.discount}.")

    @property
    def doubts(self) -> tuple[str, ...]:
        return tuple(term.doubt for term in self.terms)

    def logarithm(self, doubts: Mapping[str, Tensor]) -> Tensor:
        """The sum of the terms, in the shape of the doubts."""
        return torch.stack([term(doubts[term.doubt]) for term in self.terms]).sum(0)

    def __call__(self, doubts: Mapping[str, Tensor]) -> Tensor:
        """Its evidence in nats, minus the discount; float64, in the shape of the doubts."""
        return self.evidence(self.logarithm(doubts)) - self.discount


def fit_product(
    doubts: Mapping[str, Tensor],
    correct: Tensor,
    names: Sequence[str],
    *,
    about: About,
    softmax: float = 1.0,
) -> Product:
    """A product of doubts, from correct decisions that trained no network and set no threshold.

    Args:
        doubts: (n,) by name.
        correct: True where the decision is correct, (n,). No wrong decision is used.
        names: of the factors. One that does not vary among correct decisions is left out.
        about: what the score is for.
        softmax: the power of `confidence` in the product; 0 leaves it out.
    Raises:
        DataError: fewer than 20 decisions are correct, or a doubt is not finite.
    """
    terms = [Term(CONFIDENCE, float(doubts[CONFIDENCE][correct].double().mean()), 1.0, softmax)] if softmax else []
    for name in names:
        values = doubts[name][correct].double()
        deviation = float(values.std()) if len(values) > 1 else 0.0
        if deviation > 1e-12 * max(1.0, float(values.abs().max())):
            terms.append(Term(name, float(values.mean()), deviation))
    draft = torch.stack([term(doubts[term.doubt]) for term in terms]).sum(0)[correct]
    return Product(about, tuple(terms), fit_evidence(draft), LATER if about == "unknown" else 0.0)


def larger(products: Sequence[Product], doubts: Mapping[str, Tensor]) -> Tensor:
    """The largest score of any product: an image is questioned as wrong or as unknown, whichever is the rarer."""
    return torch.stack([product(doubts) for product in products]).amax(0)


def shares(products: Sequence[Product], doubts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What each doubt adds to the largest score, by name; the parts sum to it where it is above 0.

    Only doubts that are larger than in the mean correct decision take part, those of the product that decides.
    """
    scores = torch.stack([product(doubts) for product in products])
    largest, deciding = scores.max(0)
    parts: dict[str, Tensor] = {}
    for number, product in enumerate(products):
        beyond = {term.doubt: term.beyond(doubts[term.doubt]) for term in product.terms}
        whole = torch.stack(list(beyond.values())).sum(0).clamp(min=1e-12)
        for name, value in beyond.items():
            own = torch.where(deciding == number, largest.clamp(min=0) * value / whole, 0.0)
            parts[name] = parts.get(name, torch.zeros_like(own)) + own
    return parts
