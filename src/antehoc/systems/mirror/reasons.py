"""What the predicted attributes say for and against a decided class, as reasons in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from antehoc.explanations import PRESENT
from antehoc.figure import number
from antehoc.types import DataSpec, Reason

_NOTABLE = 0.1  # nats: what an attribute adds to a likelihood ratio is said from here on
_MOST = 8  # reasons of attributes, each way


@dataclass(frozen=True)
class Read:
    """What is read of one image's attributes."""

    probabilities: Sequence[float]  #: of each attribute, in 0..1
    adds: Sequence[float]  #: of each, to the log-likelihood ratio of the decided class over the best other one, in nats
    decided: int  #: number of the decided class
    shares: Sequence[float]  #: P(class | attributes)


def attribute_reasons(spec: DataSpec, read: Read) -> list[Reason]:
    """Reasons for and against a decision, the strongest first: what decides between its class and the best other.

    Named are attributes that add to the likelihood ratio of the two classes, the largest first; after them those that
    the two share: present as expected, or clearly other than expected.
    """
    name = spec.classes[read.decided]
    parts: tuple[list[tuple[float, float, Reason]], ...] = ([], [])
    columns = (spec.attributes, read.probabilities, spec.class_attributes[read.decided], read.adds)
    for attribute, p, expected, add in zip(*columns, strict=True):
        seen, wanted, clash = p >= PRESENT, expected > 0.5, abs(p - expected) >= 0.5
        if abs(add) >= _NOTABLE:
            against = add < 0
        elif clash or (seen and wanted):
            against, add = clash, 0.0
        else:
            continue
        reason = _reason(attribute, p, expected, name, against=against)
        parts[against].append((abs(add), abs(p - expected) if against else p, reason))
    agree, disagree = ([r for *_, r in sorted(part, key=lambda s: (-s[0], -s[1]))[:_MOST]] for part in parts)
    return [*_other_class(spec, read), *disagree, *agree]


def _other_class(spec: DataSpec, read: Read) -> list[Reason]:
    """The class that the attributes fit best, where it is not the decided one."""
    shares = read.shares
    best = max(range(len(shares)), key=shares.__getitem__)
    if best == read.decided:
        return []
    other, name = spec.classes[best], spec.classes[read.decided]
    text = f"the attributes fit the class {other!r} ({number(shares[best], 'probability')}) better than {name!r}"
    return [Reason("fits-another-class", f"{text} ({number(shares[read.decided], 'probability')})")]


def _reason(attribute: str, p: float, expected: float, name: str, *, against: bool) -> Reason:
    """An attribute for or against a class of which the share `expected` has it."""
    seen = p >= PRESENT
    code = "attribute-agrees" if not against else "attribute-unexpected" if seen else "attribute-missing"
    if 0.005 < expected < 0.995:
        only = "only " if seen == against else ""
        has = f"{only}{100 * expected:.0f} % of the class {name!r} have it"
    else:
        has = f"the class {name!r} {'has it' if expected > 0.5 else 'does not have it'}"
    state = f"{'present' if seen else 'absent'} ({number(p, 'probability')})"
    text = f"'{attribute}' is {state}, {'but' if against else 'and'} {has}"
    return Reason(code, text, attribute, p, expected, agrees=not against)
