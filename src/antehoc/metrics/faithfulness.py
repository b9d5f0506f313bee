"""Does the classifier need what a map calls relevant? Curves of the class's probability as the image is taken apart.

Maps are raw: only the order of their values counts. Every curve starts with the image (or picture) that it sets out
from and has one more point for each step. Curves are pure functions of their arguments: ties are broken by a seeded
order, random pictures are the same for every image, so neither the batch nor `chunk` changes a value. Images are looked
at once, however many maps reach them: the image itself, the last step, the same patches taken in another order, and
patches whose replacement changes nothing.
"""

from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from antehoc.errors import DataError, RecipeError
from antehoc.metrics.maps import Maps, grid, target_probability, usable
from antehoc.nn.blur import BLUR, blurred
from antehoc.task import Task
from antehoc.types import Images, Labels, Scores, checked

Perturbation = Literal["black", "white", "gray", "blur", "uniform"]
Mode = Literal["morf", "deletion", "insertion"]
Curve = Float[Tensor, "batch points"]
FILL = {"black": 0.0, "white": 1.0, "gray": 0.5}


class _States(NamedTuple):
    """Different pictures to look at, and where each point of each curve finds its own."""

    map: list[int]  # (states,)
    image: list[int]  # (states,)
    gone: Tensor  # (states,) number of cells replaced
    place: Tensor  # (maps, batch, points) number of the state


@checked
def replacement(images: Images, perturbation: Perturbation, *, seed: int = 0) -> Images:
    """What a patch is replaced by: the whole picture, from which patches are taken.

    Args:
        images: in 0..1.
        perturbation: `black` 0, `white` 1, `gray` 0.5; `blur` the image under a Gaussian of 1/22 of the shorter side
            (cut off and made to sum to 1 at the border); `uniform` one picture of even noise for all images.
        seed: of `uniform`.
    """
    if perturbation == "uniform":
        noise = torch.rand(images.shape[1:], generator=torch.Generator().manual_seed(seed), dtype=images.dtype)
        return noise.to(images.device).expand_as(images)
    if perturbation != "blur":
        return torch.full_like(images[:1], FILL[perturbation]).expand_as(images)
    return blurred(images, BLUR * min(images.shape[2:]))


@checked
def curves(
    mode: Mode,
    classifier: nn.Module,
    images: Images,
    maps: Mapping[str, Tensor],
    target: Labels,
    *,
    patch: int | float,
    perturbation: Perturbation,
    steps: int | None = None,
    absolute: bool = False,
    seed: int = 0,
    chunk: int | None = None,
    task: Task = "single-label",
) -> dict[str, Curve]:
    """The curves of several maps of the same images, which share what they have in common.

    Args:
        mode: `morf` replaces one patch a step, most relevant first; `deletion` replaces as many a step as end with the
            whole image replaced; `insertion` brings the image back into the replaced one in the same way.
        classifier: images (B, C, H, W) in 0..1 to logits (B, K).
        images: in 0..1.
        maps: raw maps (B, 1, H, W) by name.
        target: the class whose probability is followed.
        patch: side in pixels (int) or share of the side (float), see `grid`; a patch counts by its mean relevance.
        perturbation: what replaces a patch, see `replacement`.
        steps: at most this many (and never more than patches); without it one for each patch.
        absolute: whether values are ranked by their size, without the sign.
        seed: of the order among ties, and of `uniform`.
        chunk: images in one forward pass; the curves do not depend on it.
        task: whether the classes share a softmax, or each has a sigmoid.
    Returns:
        By name the probability of the target, in 0..1.
    Raises:
        DataError: if maps do not fit the images or are not finite, or a target is not a class.
        RecipeError: if a patch, the steps or the chunk cannot be.
    """
    if steps is not None and steps < 1:
        raise RecipeError(f"a curve needs one step or more; got {steps}.")
    cells = grid(images.shape[2], images.shape[3], patch)
    count = int(cells.max()) + 1
    last = min(steps or count, count)
    gone = torch.arange(last + 1) if mode == "morf" else torch.arange(last + 1) * count // last
    other = replacement(images, perturbation, seed=seed)
    start, end = (other, images) if mode == "insertion" else (images, other)
    order = torch.stack([_order(usable(own, images, name), cells, absolute, seed) for name, own in maps.items()])
    states = _distinct(order, gone, _changes(start, end, cells))
    wanted = target[torch.tensor(states.image, dtype=torch.long, device=target.device)]
    batch_at = _painter(start, end, cells, order, states)
    found = target_probability(classifier, batch_at, wanted, pixels=cells.numel(), chunk=chunk, task=task)
    return dict(zip(maps, found[states.place].unbind(0), strict=True))


def _painter(start: Tensor, end: Tensor, cells: Tensor, order: Tensor, states: _States) -> Callable[[int, int], Tensor]:
    """Makes the pictures from one number up to another: `start` with its first cells of an order taken from `end`."""
    rank = torch.empty_like(order).scatter_(2, order, torch.arange(order.shape[2]).expand_as(order)).to(start.device)
    cells = cells.to(start.device)
    sources = list(zip(states.map, states.image, strict=True))

    def batch_at(first: int, stop: int) -> Tensor:
        batch = start.new_empty(stop - first, *start.shape[1:])
        for (number, row), run in groupby(range(first, stop), key=sources.__getitem__):
            own = list(run)
            replaced = rank[number, row][cells] < states.gone[own].to(start.device)[:, None, None]
            part = batch[own[0] - first : own[-1] + 1 - first]
            # lerp is exact at 0 and 1, and many times faster than where
            torch.lerp(start[row], end[row], replaced[:, None].to(start), out=part)
        return batch

    return batch_at


@checked
def morf_many(
    classifier: nn.Module,
    images: Images,
    maps: Mapping[str, Tensor],
    target: Labels,
    *,
    patch: int | float = 1 / 7,
    perturbation: Perturbation = "blur",
    steps: int | None = None,
    absolute: bool = False,
    seed: int = 0,
    chunk: int | None = None,
    task: Task = "single-label",
) -> dict[str, Curve]:
    """`morf` of several maps of the same images at once: see `curves`."""
    return curves("morf", classifier, images, maps, target, patch=patch, perturbation=perturbation, steps=steps,
                  absolute=absolute, seed=seed, chunk=chunk, task=task)  # fmt: skip


@checked
def morf(
    classifier: nn.Module,
    images: Images,
    maps: Maps,
    target: Labels,
    *,
    patch: int | float = 1 / 7,
    perturbation: Perturbation = "blur",
    steps: int | None = None,
    absolute: bool = False,
    seed: int = 0,
    chunk: int | None = None,
    task: Task = "single-label",
) -> Curve:
    """The class's probability while patches are replaced one by one, most relevant first.

    A faithful map makes it fall fast. Arguments and errors: see `curves`.

    Returns:
        f(x0), f(x1), ... f(xL): probabilities in 0..1.
    Source:
        Samek et al., "Evaluating the Visualization of What a Deep Neural Network Has Learned", IEEE TNNLS 2017, eq. 7.
        Differs: the raw map ranks the patches; `absolute` gives the published choice of the `joint` paper.
    Example:
        >>> class Mean(nn.Module):
        ...     def forward(self, images):
        ...         brightness = images.mean((1, 2, 3))
        ...         return torch.stack([brightness, 1 - brightness], 1).log()
        >>> image, map = torch.tensor([[[[0.8, 0.4]]]]), torch.tensor([[[[2.0, 1.0]]]])
        >>> morf(Mean(), image, map, torch.tensor([0]), patch=1, perturbation="black")
        tensor([[0.6000, 0.2000, 0.0000]], dtype=torch.float64)
    """
    return morf_many(classifier, images, {"": maps}, target, patch=patch, perturbation=perturbation, steps=steps,
                     absolute=absolute, seed=seed, chunk=chunk, task=task)[""]  # fmt: skip


@checked
def deletion(
    classifier: nn.Module,
    images: Images,
    maps: Maps,
    target: Labels,
    *,
    patch: int | float = 1,
    perturbation: Perturbation = "black",
    steps: int | None = 100,
    absolute: bool = False,
    seed: int = 0,
    chunk: int | None = None,
    task: Task = "single-label",
) -> Curve:
    """The class's probability while equal shares of the pixels are replaced, most relevant first, down to none.

    Its `area` is lower for a more faithful map. Arguments and errors: see `curves`.

    Source:
        Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018.
    """
    return curves("deletion", classifier, images, {"": maps}, target, patch=patch, perturbation=perturbation,
                  steps=steps, absolute=absolute, seed=seed, chunk=chunk, task=task)[""]  # fmt: skip


@checked
def insertion(
    classifier: nn.Module,
    images: Images,
    maps: Maps,
    target: Labels,
    *,
    patch: int | float = 1,
    perturbation: Perturbation = "blur",
    steps: int | None = 100,
    absolute: bool = False,
    seed: int = 0,
    chunk: int | None = None,
    task: Task = "single-label",
) -> Curve:
    """The class's probability while equal shares of the pixels come back, most relevant first, up to the image.

    Its `area` is higher for a more faithful map. Arguments and errors: see `curves`.

    Source:
        Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018.
    """
    return curves("insertion", classifier, images, {"": maps}, target, patch=patch, perturbation=perturbation,
                  steps=steps, absolute=absolute, seed=seed, chunk=chunk, task=task)[""]  # fmt: skip


@checked
def aopc(curve: Curve) -> Scores:
    """Area over the perturbation curve: how far the probability falls on average. Higher is better.

    AOPC(L) = 1/(L+1) sum over k = 0..L of f(x0) - f(xk).

    Args:
        curve: of `morf`, f(x0) first.
    Returns:
        For each image a number in -1..1.
    Source:
        Samek et al., IEEE TNNLS 2017, eq. 12; its mean over images is the published figure.
    Example:
        >>> aopc(torch.tensor([[0.9, 0.5, 0.1]]))
        tensor([0.4000])
    """
    return (curve[:, :1] - curve).mean(1)


@checked
def area(curve: Curve) -> Scores:
    """Area under a curve whose steps are equal shares of 0..1, by trapezoids.

    Lower is better for `deletion`, higher for `insertion`.

    Returns:
        For each image a number in 0..1.
    Raises:
        DataError: if the curve has fewer than two points.
    Example:
        >>> area(torch.tensor([[1.0, 0.5, 0.0]]))
        tensor([0.5000])
    """
    if curve.shape[1] < 2:
        raise DataError(f"the area under a curve needs two points or more; got {curve.shape[1]}.")
    return torch.trapezoid(curve, dx=1 / (curve.shape[1] - 1), dim=1)


def _order(maps: Tensor, cells: Tensor, absolute: bool, seed: int) -> Tensor:
    """(B, cells) numbers of the cells, highest mean relevance first; ties as a seeded shuffle leaves them."""
    relevance = (maps.abs() if absolute else maps).flatten(1).cpu()
    count = int(cells.max()) + 1
    if count < relevance.shape[1]:  # in double, for sums of equal floats are then exact: no tie is lost to rounding
        total = torch.zeros(len(maps), count, dtype=torch.float64).index_add_(1, cells.flatten(), relevance.double())
        relevance = total / cells.flatten().bincount()
    shuffle = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return shuffle[relevance[:, shuffle].argsort(dim=1, descending=True, stable=True)]


def _changes(start: Tensor, end: Tensor, cells: Tensor) -> Tensor:
    """(B, cells) where replacing a cell changes a pixel."""
    differs = (start != end).any(1).flatten(1).cpu().long()
    return differs.new_zeros(len(start), int(cells.max()) + 1).index_add_(1, cells.flatten(), differs) > 0


def _distinct(order: Tensor, gone: Tensor, changes: Tensor) -> _States:
    """The pictures that differ, each once.

    Every cell that changes something draws 64 random bits; the sum over the replaced cells names the picture, whatever
    their order. Two of a million pictures share a name by chance once in some ten million runs.
    """
    bits = torch.randint(-(2**63), 2**63 - 1, changes.shape[1:], generator=torch.Generator().manual_seed(0))
    names = F.pad((bits * changes).expand_as(order).gather(2, order).cumsum(2), (1, 0))[..., gone]
    maps, batch, points = names.shape
    place, states = torch.empty_like(names), list[tuple[int, int, int]]()
    for row in range(batch):
        _, first, inverse = np.unique(names[:, row].numpy(), return_index=True, return_inverse=True)
        new = np.argsort(np.argsort(first))  # numbered as they come, so that neighbors are of one map
        place[:, row] = torch.from_numpy(new[inverse].reshape(maps, points)) + len(states)
        states += [(number // points, row, number % points) for number in sorted(first.tolist())]
    number, image, point = (list(column) for column in zip(*states, strict=True)) if states else ([], [], [])
    return _States(number, image, gone[point], place)
