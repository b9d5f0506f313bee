"""Does a map stay the same where it should, and change where it must?"""

from collections.abc import Callable
from copy import deepcopy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from antehoc.errors import RecipeError
from antehoc.metrics.maps import usable
from antehoc.types import Images, Scores, checked

Explain = Callable[[Tensor], Tensor]  # images (B, C, H, W) to raw maps (B, 1, H, W)
Changes = Float[Tensor, "batch samples"]
Correlations = Float[Tensor, "batch stages"]


@checked
def stability(explain: Explain, images: Images, *, noise: float = 0.02, samples: int = 10, seed: int = 0) -> Changes:
    """How far the map moves when the image moves a little: one relative change for each sample.

    |E(x + d) - E(x)| / |E(x)|, with d drawn evenly from -noise..noise for each value, and x + d kept in 0..1. The noise
    is the same for every image, so the batch changes nothing. Take `mean_sensitivity` or `max_sensitivity` of it.

    Args:
        explain: images (B, C, H, W) to raw maps (B, 1, H, W), always for the same classes.
        images: in 0..1.
        noise: largest change of a value.
        samples: number of noisy copies.
        seed: of the noise.
    Returns:
        Numbers of at least 0; infinite where a map of zeros becomes another one.
    Raises:
        DataError: if a map is not finite.
        RecipeError: if `noise` is not above 0, or `samples` below 1.
    Source:
        Yeh et al., "On the (In)fidelity and Sensitivity of Explanations", NeurIPS 2019, definition 2.1.
        Differs: relative to the map, which has no scale of its own, and the maximum is over samples.
    Example:
        >>> stability(lambda images: images.sum(1, keepdim=True) * 0 + 1, torch.rand(1, 3, 2, 2), samples=2)
        tensor([[0., 0.]], dtype=torch.float64)
    """
    if noise <= 0 or samples < 1:
        raise RecipeError(f"stability needs noise above 0 and 1 or more samples; got {noise} and {samples}.")
    draws = torch.Generator().manual_seed(seed)
    before, found = _maps(explain, images), []
    size = before.norm(dim=1)
    for _ in range(samples):
        shift = (2 * torch.rand(images.shape[1:], generator=draws, dtype=images.dtype) - 1) * noise
        change = (_maps(explain, (images + shift.to(images.device)).clamp(0, 1)) - before).norm(dim=1)
        found.append((change / size).where(change > 0, 0))
    return torch.stack(found, 1)


@checked
def mean_sensitivity(changes: Changes) -> Scores:
    """The mean of `stability`'s changes of each image. Lower is better."""
    return changes.mean(1)


@checked
def max_sensitivity(changes: Changes) -> Scores:
    """The largest of `stability`'s changes of each image: Yeh et al. 2019, definition 2.1. Lower is better."""
    return changes.amax(1)


@checked
def layers_from_the_top(classifier: nn.Module) -> list[str]:
    """Names of the modules that own parameters, the last one declared first: the stages of `randomization`."""
    names = [name for name, module in classifier.named_modules() if [*module.parameters(recurse=False)]]
    return names[::-1]


@checked
def randomization(
    explain_of: Callable[[nn.Module], Explain],
    classifier: nn.Module,
    images: Images,
    *,
    cascade: bool = False,
    seed: int = 0,
) -> Correlations:
    """Whether the map depends on what the classifier learned: its rank correlation with the map of random weights.

    A map that stays the same (1) shows the image, not the classifier. The weights of each parameter are drawn from a
    normal distribution with the mean and standard deviation that they had; the classifier given stays as it is.

    Args:
        explain_of: from a classifier to a function that maps its images to raw maps, for the same classes each time.
        classifier: what is explained.
        images: in 0..1.
        cascade: one stage for each of `layers_from_the_top`, every stage with all above it also random; else one stage
            with all weights random.
        seed: of the weights.
    Returns:
        Spearman's rank correlation in -1..1 by image and stage; 1 where both maps are flat, 0 where one of them is.
    Raises:
        DataError: if a map is not finite.
        RecipeError: if the classifier has no parameter.
    Source:
        Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018, section 3.
        Differs: the published check draws from the layer's initialization, which not every module tells.
    """
    layers = layers_from_the_top(classifier)
    if not layers:
        raise RecipeError("randomization needs a classifier with parameters; this one has none.")
    draws, copied, found = torch.Generator().manual_seed(seed), deepcopy(classifier), []
    before = _ranks(_maps(explain_of(classifier), images))
    for name in layers:
        for parameter in copied.get_submodule(name).parameters(recurse=False):
            _redraw(parameter, draws)
        if cascade or name == layers[-1]:
            found.append(_correlation(before, _ranks(_maps(explain_of(copied), images))))
    return torch.stack(found, 1)


@checked
def randomized_similarity(correlations: Correlations) -> Scores:
    """The correlation of `randomization` once all weights are random. Lower is better: near 1 the map has failed."""
    return correlations[:, -1]


def _maps(explain: Explain, images: Tensor) -> Tensor:
    return usable(explain(images), images).flatten(1).cpu().double()


@torch.no_grad()
def _redraw(parameter: Tensor, draws: torch.Generator) -> None:
    noise = torch.randn(parameter.shape, generator=draws).to(parameter)
    parameter.copy_(parameter.mean() + parameter.std(correction=0) * noise)


def _ranks(values: Tensor) -> Tensor:
    """(B, pixels) ranks, tied values with the mean of theirs."""
    ordered = values.sort(1).values
    return (torch.searchsorted(ordered, values) + torch.searchsorted(ordered, values, right=True)).double()


def _correlation(first: Tensor, second: Tensor) -> Tensor:
    """(B,) Pearson correlation of rows."""
    first, second = (rank - rank.mean(1, keepdim=True) for rank in (first, second))
    size = (first.square().sum(1) * second.square().sum(1)).sqrt()
    flat = (first == 0).all(1) & (second == 0).all(1)
    return ((first * second).sum(1) / size.where(size > 0, 1)).where(~flat, 1)
