"""What the looks with, without and past the mask say for and against a decided class, as reasons in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from antehoc.figure import number
from antehoc.types import DataSpec, Reason


@dataclass(frozen=True)
class Looks:
    """Class probabilities of one image, each way that it was looked at."""

    decided: int  #: number of the decided class
    kept: Sequence[float]  #: with everything hidden that the mask hides
    removed: Sequence[float]  #: with everything hidden that the mask shows
    whole: Sequence[float]  #: the whole image
    masked: bool = True  #: whether the decision saw through the mask; else that on the whole image is the same one


def mask_reasons(spec: DataSpec, looks: Looks) -> list[Reason]:
    """Reasons against the decision, then those for it."""

    def say(code: str, text: str, look: Sequence[float], *, agrees: bool) -> Reason:
        seen = _largest(look)
        words = f"{text} {spec.classes[seen]!r} ({number(look[seen], 'probability')})"
        return Reason(code, words, probability=look[seen], agrees=agrees)

    decided, found = looks.decided, []
    if _largest(looks.kept) == decided:
        found.append(say("mask-enough", "what the mask shows is enough: alone it is", looks.kept, agrees=True))
    else:
        text = "what the mask shows is not enough: alone it is"
        found.append(say("mask-not-enough", text, looks.kept, agrees=False))
    if spec.classes[decided] != spec.absent:
        if _largest(looks.removed) != decided:
            text = "what the mask shows is needed: without it this is"
            found.append(say("mask-needed", text, looks.removed, agrees=True))
        else:
            text = "what the mask shows is not needed: without it this is still"
            found.append(say("mask-not-needed", text, looks.removed, agrees=False))
    if not looks.masked:
        return sorted(found, key=lambda reason: reason.agrees)
    if _largest(looks.whole) == decided:
        found.append(say("whole-agrees", "the whole image gets the same class:", looks.whole, agrees=True))
    else:
        found.append(say("whole-disagrees", "the whole image gets another class:", looks.whole, agrees=False))
    return sorted(found, key=lambda reason: reason.agrees)


def _largest(values: Sequence[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)
