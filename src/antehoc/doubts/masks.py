"""Doubts of decisions that are explained by a mask: the image is looked at again with, without and past the mask."""

from torch import Tensor

from antehoc.doubts.certainty import probability
from antehoc.doubts.likelihood import PerClass
from antehoc.types import Labels, Scores, checked


@checked
def sufficiency(kept: PerClass, predicted: Labels) -> Scores:
    """1 minus the decided class's probability where everything is hidden that the mask hides, in 0..1.

    Args:
        kept: logits of the image with everything hidden that the mask hides.
        predicted: number of the decided class.
    """
    return 1 - probability(kept, predicted)


@checked
def necessity(removed: PerClass, predicted: Labels, absent: int | None = None) -> Scores:
    """The decided class's probability where everything is hidden that the mask shows, in 0..1.

    Args:
        removed: logits of the image with everything hidden that the mask shows.
        predicted: number of the decided class.
        absent: number of the class that means nothing is there; of that one it is the other classes' probability.
    """
    left: Tensor = probability(removed, predicted)
    return left if absent is None else left.where(predicted != absent, 1 - left)


@checked
def whole(unmasked: PerClass, predicted: Labels) -> Scores:
    """1 minus the decided class's probability on the whole image, without its mask, in 0..1.

    Args:
        unmasked: logits of the whole image.
        predicted: number of the decided class.
    """
    return 1 - probability(unmasked, predicted)
