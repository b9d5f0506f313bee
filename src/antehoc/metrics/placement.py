"""Does a map lie where the object is? Measures of a map (B, 1, H, W) against an object's mask.

Each gives one figure for each image: NaN where the image has no object, for then the question has no answer. Maps of
post-hoc methods have no scale; a threshold means something for a map in 0..1, or after `max_scaled`.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from antehoc.errors import DataError
from antehoc.metrics.maps import Maps, ObjectMasks, target_probability, usable
from antehoc.task import Task
from antehoc.types import Images, Labels, Scores, checked

THRESHOLDS = tuple(step / 100 for step in range(100))
EPSILON = 1e-6


@checked
def pointing_game(maps: Maps, mask: ObjectMasks) -> Scores:
    """Whether the highest value lies on the object. Higher is better.

    Returns:
        1 or 0; of several equal maxima the share that lies on the object.
    Source:
        Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016, section 4.1 (here without its
        margin of 15 pixels).
    Example:
        >>> pointing_game(torch.tensor([[[[1.0, 3.0, 3.0]]]]), torch.tensor([[[[False, False, True]]]]))
        tensor([0.5000], dtype=torch.float64)
    """
    value, inside = _rows(maps, mask)
    top = value == value.amax(1, keepdim=True)
    return _answer((top & inside).sum(1).double() / top.sum(1), inside)


@checked
def energy(maps: Maps, mask: ObjectMasks) -> Scores:
    """How much of the map's positive part lies on the object. Higher is better.

    sum of max(z, 0) on the object / sum of max(z, 0).

    Returns:
        A share in 0..1; 0 for a map without a positive value, which shows nothing.
    Source:
        Wang et al., "Score-CAM", CVPR Workshops 2020, section 4.3 (energy-based pointing game).
    Example:
        >>> energy(torch.tensor([[[[3.0, 1.0, -9.0]]]]), torch.tensor([[[[True, False, False]]]]))
        tensor([0.7500], dtype=torch.float64)
    """
    value, inside = _rows(maps, mask)
    positive = value.clamp(min=0)
    return _answer(_share((positive * inside).sum(1), positive.sum(1)), inside)


@checked
def iou(maps: Maps, mask: ObjectMasks, threshold: float) -> Scores:
    """Intersection over union of the object and what the map shows. Higher is better.

    Args:
        maps: raw maps, or `max_scaled` ones.
        mask: the object.
        threshold: shown is what lies strictly above it.
    Returns:
        |shown and object| / |shown or object|, in 0..1.
    Source:
        Jaccard, "The Distribution of the Flora in the Alpine Zone", New Phytologist 1912.
    Example:
        >>> iou(torch.tensor([[[[0.9, 0.6, 0.1]]]]), torch.tensor([[[[True, False, False]]]]), 0.5)
        tensor([0.5000], dtype=torch.float64)
    """
    both, shown, inside = _counts(maps, mask, threshold)
    return both / (shown + inside - both).where(inside > 0, torch.nan)


@checked
def f1(maps: Maps, mask: ObjectMasks, threshold: float) -> Scores:
    """Harmonic mean of precision and recall of what the map shows. Higher is better.

    Returns:
        2 |shown and object| / (|shown| + |object|), in 0..1. Arguments as of `iou`.
    Source:
        Dice, "Measures of the Amount of Ecologic Association Between Species", Ecology 1945.
    Example:
        >>> f1(torch.tensor([[[[0.9, 0.6, 0.1]]]]), torch.tensor([[[[True, False, False]]]]), 0.5)
        tensor([0.6667], dtype=torch.float64)
    """
    both, shown, inside = _counts(maps, mask, threshold)
    return 2 * both / (shown + inside).where(inside > 0, torch.nan)


@checked
def coverage(maps: Maps, mask: ObjectMasks, threshold: float) -> Scores:
    """How much of the object the map shows. Higher is better, and 1 for a map of ones: read it beside `iou`.

    Returns:
        |shown and object| / |object|, in 0..1. Arguments as of `iou`.
    Example:
        >>> coverage(torch.tensor([[[[0.9, 0.6, 0.1]]]]), torch.tensor([[[[True, False, True]]]]), 0.5)
        tensor([0.5000], dtype=torch.float64)
    """
    both, _, inside = _counts(maps, mask, threshold)
    return both / inside.where(inside > 0, torch.nan)


@checked
def max_scaled(maps: Maps) -> Maps:
    """Each map's positive part over its own maximum, in 0..1; a map without a positive value stays zero.

    Only for thresholds: what is stored and compared otherwise stays raw.

    Raises:
        DataError: if a value is not finite.
    Example:
        >>> max_scaled(torch.tensor([[[[-1.0, 1.0, 4.0]]]]))
        tensor([[[[0.0000, 0.2500, 1.0000]]]])
    """
    positive = usable(maps, maps).clamp(min=0)
    top = positive.amax((2, 3), keepdim=True)
    return positive / top.where(top > 0, 1)


@checked
def best_threshold(maps: Maps, mask: ObjectMasks) -> float:
    """The one threshold under which these `max_scaled` maps have the best mean IoU.

    Choose it on other images than those that it is used for. Thresholds are tried from 0 to 0.99 in steps of 0.01 of
    each map's maximum: values, not quantiles, so a map may show as little as it likes.

    Returns:
        A threshold in 0..0.99 for `iou`, `f1` and `coverage` of `max_scaled(maps)`; of equal ones the lowest.
    Raises:
        DataError: if no image has an object.
    Example:
        >>> best_threshold(torch.tensor([[[[8.0, 4.0, 2.0]]]]), torch.tensor([[[[True, True, False]]]]))
        0.25
    """
    if not mask.any():
        raise DataError("a threshold is chosen on images with an object; all of these masks are empty.")
    scaled = max_scaled(maps)
    means = torch.stack([iou(scaled, mask, threshold).nanmean() for threshold in THRESHOLDS])
    return THRESHOLDS[int(means.argmax())]


@checked
def outline(mask: ObjectMasks, *, outside_px: int = 1, inside_px: int = 1) -> ObjectMasks:
    """A band along the edge of objects.

    Args:
        mask: the objects.
        outside_px: how wide the band is outside of an object.
        inside_px: how wide it is inside.
    Returns:
        True in the band; objects smaller than it lie in it whole.
    Example:
        >>> outline(torch.tensor([[[[False, False, False, True, True, True]]]])).int()
        tensor([[[[0, 0, 1, 1, 0, 0]]]], dtype=torch.int32)
    """
    value = mask.float()
    grown = F.max_pool2d(value, 2 * outside_px + 1, 1, outside_px)
    shrunk = 1 - F.max_pool2d(1 - value, 2 * inside_px + 1, 1, inside_px)
    return grown > shrunk


@checked
def saliency_metric(
    classifier: nn.Module,
    images: Images,
    maps: Maps,
    target: Labels,
    threshold: float,
    *,
    chunk: int | None = None,
    task: Task = "single-label",
) -> Scores:
    """Whether a small box around what the map shows is enough for the class. Lower is better.

    log max(a, 0.05) - log p, with a the share of the image in the tightest box around all shown pixels and p the
    class's probability for that box, enlarged (bilinear) to the image's size.

    Args:
        classifier: images (B, C, H, W) in 0..1 to logits (B, K).
        images: in 0..1.
        maps: raw maps, or `max_scaled` ones.
        target: the class asked for.
        threshold: shown is what lies strictly above it.
        chunk: images in one forward pass; the figure does not depend on it.
        task: whether the classes share a softmax, or each has a sigmoid.
    Returns:
        A number above log 0.05 = -3.0; where nothing is shown the box is the whole image, since nothing is told apart.
    Raises:
        DataError: if maps are not finite, or a target is not a class.
    Source:
        Dabkowski and Gal, "Real Time Image Saliency for Black Box Classifiers", NeurIPS 2017, eq. 3.
    """
    shown = usable(maps, images)[:, 0] > threshold
    boxes = [_box(own) for own in shown]
    size = (images.shape[2], images.shape[3])

    def batch_at(first: int, stop: int) -> Tensor:
        crops = [images[row : row + 1, :, *boxes[row]] for row in range(first, stop)]
        return torch.cat([F.interpolate(crop, size, mode="bilinear") for crop in crops])

    probability = target_probability(classifier, batch_at, target, pixels=shown[0].numel(), chunk=chunk, task=task)
    shares = [(rows.stop - rows.start) * (cols.stop - cols.start) / math.prod(size) for rows, cols in boxes]
    tiny = torch.finfo(images.dtype).tiny  # a probability of 0 is one below the smallest number
    return torch.tensor(shares, dtype=torch.float64).clamp(min=0.05).log() - probability.clamp(min=tiny).log()


@checked
def pompom(maps: Maps, mask: ObjectMasks) -> Scores:
    """How much of what is not the object the map shows at all: positive map outside the object mask. Lower is better.

    |{(1 - m) z > eps}| / (|{1 - m > eps}| + eps), with eps = 1e-6.

    Args:
        maps: raw maps z.
        mask: the object m.
    Returns:
        A share in 0..1; an image without an object gives the share of it that is shown.
    Source:
        The measure of Rio-Torto, Fernandes and Teixeira, "Understanding the decisions of CNNs: An in-model approach",
        Pattern Recognition Letters 2020; their code does not hold it.
    Example:
        >>> pompom(torch.tensor([[[[1.0, 0.2, 0.0]]]]), torch.tensor([[[[True, False, False]]]]))
        tensor([0.5000], dtype=torch.float64)
    """
    value, inside = _rows(maps, mask)
    return (~inside & (value > EPSILON)).sum(1).double() / ((~inside).sum(1) + EPSILON)


@checked
def gini(maps: Maps) -> Scores:
    """How few pixels hold the map: Gini index of the absolute values. Higher is sparser.

    1 - 2 sum over k = 1..N of c_k / |c| (N - k + 1/2) / N, with c the absolute values, smallest first.

    Returns:
        A number in 0..1: 0 for a flat map, zero or not, and 1 - 1/N where one pixel holds all.
    Raises:
        DataError: if a value is not finite.
    Source:
        Hurley and Rickard, "Comparing Measures of Sparsity", IEEE Transactions on Information Theory 2009, table I.
    Example:
        >>> gini(torch.tensor([[[[0.0, 0.0, 0.0, -5.0]]]]))
        tensor([0.7500], dtype=torch.float64)
    """
    value = usable(maps, maps).flatten(1).detach().cpu().double().abs().sort(1).values
    n = value.shape[1]
    weight = (n - torch.arange(1, n + 1, dtype=torch.float64) + 0.5) / n
    total = value.sum(1)
    return (1 - 2 * _share((value * weight).sum(1), total)).where(total > 0, 0).clamp(min=0)


def _rows(maps: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Values and object, (B, pixels) each, on the CPU; a DataError where a value is not finite."""
    return usable(maps, maps).flatten(1).cpu().double(), mask.flatten(1).cpu()


def _counts(maps: Tensor, mask: Tensor, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers of pixels that are shown and object, shown, object: (B,) each."""
    value, inside = _rows(maps, mask)
    shown = value > threshold
    return (shown & inside).sum(1).double(), shown.sum(1).double(), inside.sum(1).double()


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole, and 0 where the whole is 0."""
    return part / whole.where(whole > 0, 1)


def _answer(figure: Tensor, inside: Tensor) -> Tensor:
    """The figure where the image has an object, NaN elsewhere."""
    return figure.where(inside.any(1), torch.nan)


def _box(shown: Tensor) -> tuple[slice, slice]:
    """Rows and columns of the tightest box around what is shown (H, W)."""
    if not shown.any():
        return slice(0, shown.shape[0]), slice(0, shown.shape[1])
    places = [shown.any(axis).nonzero() for axis in (1, 0)]
    rows, columns = (slice(int(place[0]), int(place[-1]) + 1) for place in places)
    return rows, columns
