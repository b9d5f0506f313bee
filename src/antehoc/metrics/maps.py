"""What all measures of explanation maps share: their types, the grid of patches, and the classifier's answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from antehoc.errors import DataError, RecipeError
from antehoc.task import Task, checked_logits, probabilities
from antehoc.types import Images, Labels, Scores, checked

Maps = Float[Tensor, "batch 1 height width"]  # raw: higher is more relevant, no scale of their own
ObjectMasks = Bool[Tensor, "batch 1 height width"]
Grid = Int[Tensor, "height width"]
PIXELS_AT_ONCE = 200_000  # in one forward pass; on a CPU larger batches are slower, a GPU likes more
PIXELS_AT_ONCE_ELSEWHERE = 6_400_000


@checked
def grid(height: int, width: int, patch: int | float) -> Grid:
    """The number of the patch that each pixel belongs to, row by row.

    Args:
        height: of the image, in pixels.
        width: of the image, in pixels.
        patch: a side in pixels (int), counted from the top left, so that the last row and column may be smaller; or a
            share of each side (float), such as 1/7: as many patches as fit, rounded, whose sides differ by a pixel.
    Raises:
        RecipeError: if the side is below 1 pixel or above the image's, or the share outside 0..1.
    Example:
        >>> grid(2, 5, 2)
        tensor([[0, 0, 1, 1, 2],
                [0, 0, 1, 1, 2]])
        >>> grid(2, 5, 0.5)
        tensor([[0, 0, 0, 1, 1],
                [2, 2, 2, 3, 3]])
    """
    whole = isinstance(patch, int)
    if not (1 <= patch <= min(height, width) if whole else 0 < patch <= 1):
        raise RecipeError(f"a patch is 1 to {min(height, width)} pixels wide, or a share of the side such as 1/7; "
                          f"got {patch}.")  # fmt: skip
    rows, columns = (
        torch.arange(side) // patch
        if whole
        else torch.arange(side) * min(round(1 / patch), side) // side  # a patch holds a pixel at least
        for side in (height, width)
    )
    return rows[:, None] * (int(columns[-1]) + 1) + columns


@checked
def usable(maps: Tensor, images: Images, name: str = "") -> Maps:
    """The maps, detached; a DataError where one is not finite or does not lie over its image."""
    batch, _, height, width = images.shape
    called = f" {name!r}" if name else ""
    if maps.shape != (batch, 1, height, width):
        raise DataError(f"maps{called} of these images are {(batch, 1, height, width)}; got {tuple(maps.shape)}.")
    if not maps.isfinite().all():
        raise DataError(f"maps{called} hold a number that is not finite, which has no rank; did its method fail?")
    return maps.detach()


@checked
def target_probability(
    classifier: nn.Module,
    batch_at: Callable[[int, int], Tensor],
    target: Labels,
    *,
    pixels: int,
    chunk: int | None = None,
    task: Task = "single-label",
) -> Scores:
    """The probability of one class for each of many images that are made only when they are needed.

    The classifier looks in evaluation mode and without gradients; its modes are as before afterwards.

    Args:
        classifier: images (B, C, H, W) in 0..1 to logits (B, K).
        batch_at: makes the images from one number up to another, on the classifier's device.
        target: the class asked for, one for each image.
        pixels: of one image; says how many go in one pass where `chunk` does not.
        chunk: images in one forward pass. The result does not depend on it.
        task: whether the classes share a softmax, or each has a sigmoid.
    Returns:
        Probabilities in 0..1, on the CPU in double precision.
    Raises:
        DataError: if a target is not a class of the classifier, or a logit is not finite.
        ModelError: if the classifier gives no logits (B, K).
        RecipeError: if `chunk` is below 1.
    """
    limit = PIXELS_AT_ONCE_ELSEWHERE if target.device.type != "cpu" else PIXELS_AT_ONCE
    at_once = max(1, limit // pixels) if chunk is None else chunk
    if at_once < 1:
        raise RecipeError(f"a chunk holds one image or more; got {chunk}.")
    found = []
    with torch.no_grad(), _evaluating(classifier):
        for first in range(0, len(target), at_once):
            own = target[first : first + at_once]
            logits = checked_logits(classifier, classifier(batch_at(first, first + len(own))), len(own), task)
            if bad := int((logits.isnan() | logits.isposinf()).any(1).sum()):  # minus infinity: a probability of 0
                raise DataError(f"the classifier gave logits that are NaN or infinite for {bad} of {len(own)} images.")
            if len(strange := own[(own < 0) | (own >= logits.shape[1])]):
                raise DataError(f"a target is a class from 0 to {logits.shape[1] - 1}; got {int(strange[0])}.")
            found.append(probabilities(task, logits).gather(1, own[:, None])[:, 0].cpu().double())
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.float64)


@contextmanager
def _evaluating(classifier: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; every module's mode is restored, also after an error."""
    modes = [(module, module.training) for module in classifier.modules()]
    classifier.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
