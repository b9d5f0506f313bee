"""Shape bias: of an object's two cues in conflict, shape and texture, which one does a classifier go by?"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from antehoc.metrics.bootstrap import Interval, share_interval
from antehoc.types import Flags, Labels, checked

#: The numbers of ImageNet's 1000 classes that make up each of the 16, in the order of the synsets' numbers.
SIXTEEN: dict[str, tuple[int, ...]] = {
    "airplane": (404,),
    "bear": (294, 295, 296, 297),
    "bicycle": (444, 671),
    "bird": (
        *(8, *range(10, 17), 18, 19, 20, 22, 23, 24, *range(80, 84), *range(87, 97), 98, 99, 100),
        *(*range(127, 134), *range(135, 146)),
    ),
    "boat": (472, 554, 625, 814, 914),
    "bottle": (440, 720, 737, 898, 899, 901, 907),
    "car": (436, 511, 817),
    "cat": tuple(range(281, 287)),
    "chair": (423, 559, 765, 857),
    "clock": (409, 530, 892),
    "dog": tuple(number for number in range(152, 269) if number not in (192, 204, 227, 242, 251, 258, 260, 264)),
    "elephant": (385, 386),
    "keyboard": (508, 878),
    "knife": (499,),
    "oven": (766,),
    "truck": (555, 569, 656, 675, 717, 734, 864, 867),
}


class ShapeBias(NamedTuple):
    """How often a classifier goes by shape; shares in 0..1, NaN where they are of nothing."""

    shape_bias: Interval  #: share of `decided` that goes by shape, with its interval
    accuracy_shape: float  #: share of all cue conflicts that are given the class of their shape
    accuracy_texture: float  #: share of all cue conflicts that are given the class of their texture
    decided: int  #: cue conflicts that are given the class of their shape or of their texture


@checked
def shape_bias(predicted: Labels, shape: Labels, texture: Labels, *, level: float = 0.95) -> ShapeBias:
    """Of the decisions that go by shape or by texture, the share that goes by shape: 1 is shape alone, 0 texture alone.

    Images whose shape and texture are of one class are no cue conflict; they do not count.

    Args:
        predicted: the class that was decided for each image.
        shape: the class that gave each image its shape.
        texture: the class that gave each image its texture.
        level: confidence of the interval, in 0..1.
    Returns:
        The share with its Wilson interval, and the two accuracies, which say how often a cue was used at all.
    Raises:
        RecipeError: if `level` lies outside 0..1.
    Source:
        Geirhos et al., "ImageNet-trained CNNs are biased towards texture; increasing shape bias improves accuracy and
        robustness", ICLR 2019, figure 4.
    Example:
        >>> predicted, shape = torch.tensor([0, 1, 3, 2, 2]), torch.tensor([0, 0, 0, 1, 2])
        >>> texture = torch.full((5,), 2)
        >>> result = shape_bias(predicted, shape, texture)  # by shape, neither, neither, by texture, no conflict
        >>> result.shape_bias.estimate, result.accuracy_shape, result.decided
        (0.5, 0.25, 2)
    """
    conflict = shape != texture
    by_shape, by_texture = (predicted == shape) & conflict, (predicted == texture) & conflict
    decided = by_shape | by_texture
    return ShapeBias(
        share_interval(by_shape[decided], level=level),
        _share(by_shape[conflict]),
        _share(by_texture[conflict]),
        int(decided.sum()),
    )


@checked
def sixteen(logits: Float[Tensor, "batch 1000"]) -> Float[Tensor, "batch 16"]:
    """How probable each of the 16 classes of the cue-conflict stimuli is to a classifier of ImageNet's 1000.

    Each is the mean softmax over its classes of the 1000, so that a class with many members has no advantage. The rows
    do not sum to 1: most of the 1000 belong to none of the 16.

    Args:
        logits: of the 1000 classes, in the usual order of their synsets' numbers.
    Returns:
        Means in 0..1 in the order of `SIXTEEN`, which is that of the alphabet.
    Source:
        Geirhos et al. 2019 (see `shape_bias`). The members of the 16 are those of Geirhos et al., "Generalisation in
        humans and deep neural networks", NeurIPS 2018 (categories of MS COCO and what WordNet puts below them), as the
        public repository of the stimuli, rgeirhos/texture-vs-shape, lists them.
    Example:
        >>> bool(sixteen(torch.eye(1000)[404:405] * 9).argmax() == 0)  # an airliner is an airplane
        True
    """
    probabilities = logits.softmax(1)
    return torch.stack([probabilities[:, list(members)].mean(1) for members in SIXTEEN.values()], 1)


def _share(flags: Flags) -> float:
    return float(flags.double().mean())  # NaN for no rows
