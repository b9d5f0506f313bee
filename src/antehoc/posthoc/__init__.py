"""Explanations added afterwards to any classifier, for comparison: one call, and a check of every result."""

import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from antehoc.cards import Card
from antehoc.errors import DataError, ModelError, RecipeError, choose, install, near_miss
from antehoc.posthoc import cams, gradients, masking, relevance
from antehoc.posthoc.ascent import ASCENT, gradient_ascent
from antehoc.posthoc.cards import CARDS
from antehoc.posthoc.checks import Attributions, Made, Passes, judge
from antehoc.posthoc.probe import Probe, standing_still
from antehoc.task import Task, strongest
from antehoc.types import Images, checked

__all__ = ["ASCENT", "METHODS", "Attributions", "Method", "Passes", "attributions", "gradient_ascent", "judge"]


@dataclass(frozen=True)
class Method:
    """A post-hoc method: `run(probe, images, target, **options)` makes maps of at most a chunk of images."""

    run: Callable[..., Made]
    card: Card
    signed: bool  #: negative values speak against the class; else the map has none
    needs: tuple[str, ...] = ()  #: packages of the extra `posthoc`

    @property
    def options(self) -> dict[str, object]:
        """The options by name, with their defaults."""
        found = inspect.signature(self.run).parameters.values()
        return {p.name: p.default for p in found if p.kind is p.KEYWORD_ONLY and p.name != "seed"}

    @property
    def random(self) -> bool:
        """Whether it draws at random, from the seed."""
        return "seed" in inspect.signature(self.run).parameters


METHODS: dict[str, Method] = {
    "saliency": Method(gradients.saliency, CARDS["saliency"], signed=False),
    "input-x-gradient": Method(gradients.input_x_gradient, CARDS["input-x-gradient"], signed=True),
    "smoothgrad": Method(gradients.smoothgrad, CARDS["smoothgrad"], signed=True),
    "integrated-gradients": Method(gradients.integrated_gradients, CARDS["integrated-gradients"], signed=True),
    "guided-backprop": Method(gradients.guided_backprop, CARDS["guided-backprop"], signed=True),
    "deconvolution": Method(gradients.deconvolution, CARDS["deconvolution"], signed=True),
    "grad-cam": Method(cams.grad_cam, CARDS["grad-cam"], signed=False),
    "guided-grad-cam": Method(cams.guided_grad_cam, CARDS["guided-grad-cam"], signed=True),
    "grad-cam++": Method(cams.grad_cam_plus_plus, CARDS["grad-cam++"], signed=False),
    "score-cam": Method(cams.score_cam, CARDS["score-cam"], signed=False),
    "lrp": Method(relevance.lrp, CARDS["lrp"], signed=True),
    "occlusion": Method(masking.occlusion, CARDS["occlusion"], signed=True, needs=("captum",)),
    "lime": Method(masking.lime, CARDS["lime"], signed=True, needs=("captum", "sklearn")),
    "rise": Method(masking.rise, CARDS["rise"], signed=False),
    "extremal-perturbation": Method(masking.extremal_perturbation, CARDS["extremal-perturbation"], signed=False),
}


@checked
def attributions(
    classifier: nn.Module,
    images: Images,
    *,
    method: str,
    target: object = None,
    chunk: int = 16,
    seed: int = 0,
    task: Task = "single-label",
    **options: object,
) -> Attributions:
    """What a post-hoc method says each pixel does for a class's logit, and whether that may be looked at.

    Each image is explained as if it were alone: neither the batch nor `chunk` changes its map beyond rounding, and with
    a seed every image gets the same draws. The classifier runs in eval mode; its modes, flags and gradients come back
    as they were. Channels are summed with their signs; `saliency` alone takes the largest absolute value.

    Args:
        classifier: maps images to logits (B, K); of a system, `system.as_classifier()`.
        images: in 0..1, where the classifier is.
        method: a name in `METHODS`.
        target: the number of the class to explain, whether or not it is decided: one for all images, or one for each
            (a list, an array or a tensor). Default: the class with the highest logit.
        chunk: the most images that the classifier sees at once; memory grows with it and with nothing else.
        seed: of the methods that draw at random.
        task: whether the classes share a softmax, or each has a sigmoid; it matters to methods that read probabilities.
        options: of the method, by name: see `METHODS[method].options`.
    Returns:
        Raw maps, with `valid` and the checks that it comes from.
    Raises:
        RecipeError: if a method or option is unknown, an option is out of its range, a package is missing or `chunk`
            is below 1.
        DataError: if there are no images, or no such class.
        ModelError: if the classifier gives no logits (B, K), or the method cannot be used on it.
    Images with a pixel that is not a finite number, or whose logits are not, get an invalid map of NaN.
    Example:
        >>> classifier = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
        >>> classifier[1].weight.data = torch.tensor([[1.0, 0.0, 0.0, -1.0], [0.0, 0.0, 0.0, 0.0]])
        >>> found = attributions(classifier, torch.ones(1, 1, 2, 2), method="input-x-gradient", target=0)
        >>> found.maps, bool(found.valid)
        (tensor([[[[ 1.,  0.],
              [ 0., -1.]]]]), True)
    """
    entry = choose("post-hoc method", method, METHODS)
    settings = entry.options | _known(method, entry, options) | ({"seed": seed} if entry.random else {})
    _check_counts(images, chunk)
    probe = Probe(classifier, chunk, task)
    with standing_still(classifier), _named(method, classifier):
        images, usable = _usable(images)
        classes, finite = _targets(probe, images, target)
        made = [entry.run(probe, images[part], classes[part], **settings) for part in probe.parts(len(images))]
    maps = torch.cat([one.maps for one in made]).detach()
    maps[~(usable & finite)] = torch.nan
    own = {name: torch.cat([one.checks[name] for one in made]) for name in made[0].checks}
    valid, checks, why = judge(maps, own)
    passes = Passes(probe.forward / len(images), probe.backward / len(images))
    return Attributions(maps, classes, valid, checks, why, passes, method, settings)


def _check_counts(images: Tensor, chunk: int) -> None:
    if chunk < 1:
        raise RecipeError(f"chunk is the number of images at once, 1 or more; got {chunk}.")
    if not len(images):
        raise DataError("attributions need one image or more; got none.")


def _usable(images: Tensor) -> tuple[Tensor, Tensor]:
    """Copies of the images, zero where a pixel is not finite, so that they spoil no other image; which are finite."""
    images = images.detach().clone()  # of no other graph, and no inference tensor
    usable = images.isfinite().flatten(1).all(1)
    images[~usable] = 0
    return images, usable


@contextmanager
def _named(method: str, classifier: nn.Module) -> Iterator[None]:
    """One sentence for what a foreign classifier raises, or a method that cannot take it apart."""
    try:
        yield
    except _FOREIGN as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"method {method!r} cannot be used on {type(classifier).__name__} ({said}).") from error


_FOREIGN = (RuntimeError, NotImplementedError, TypeError, AttributeError, ValueError, IndexError, KeyError)

_RANGES: dict[str, tuple[float, float, bool]] = {  # of options: the least, the largest, and whether they are whole
    "samples": (1, 10**6, True), "masks": (1, 10**6, True), "steps": (1, 10**4, True), "cells": (1, 10**3, True),
    "window": (1e-9, 1, False), "area": (1e-9, 1, False), "shown": (1e-9, 1, False),
    "noise": (0, math.inf, False), "fill": (-math.inf, math.inf, False), "baseline": (-math.inf, math.inf, False),
}  # fmt: skip


def _check_option(method: str, name: str, value: object) -> None:
    least, largest, whole = _RANGES[name]
    number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if number and math.isfinite(value) and least <= value <= largest:  # type: ignore[arg-type,operator]
        return
    kind = "a whole number" if whole else "a finite number"
    span = (
        ""
        if least == -math.inf
        else f", {least:g} or more"
        if largest == math.inf
        else f" in 1..{largest:,}"
        if whole
        else f" above 0, at most {largest:g}"
    )
    raise RecipeError(f"method {method!r}: option {name!r} must be {kind}{span}; got {value!r}.")


def _known(method: str, entry: Method, options: dict[str, object]) -> dict[str, object]:
    """The options, if the method has them and its packages are here."""
    for name in options:
        if name not in entry.options:
            known = ", ".join(entry.options) or "none"
            hint = near_miss(name, entry.options)
            raise RecipeError(f"method {method!r} has no option {name!r}.{hint} Known: {known}.")
        _check_option(method, name, options[name])
    missing = [package for package in entry.needs if find_spec(package) is None]
    if missing:
        raise RecipeError(f"method {method!r} needs {' and '.join(missing)}; {install('posthoc')}.")
    return options


def _targets(probe: Probe, images: Tensor, target: object) -> tuple[Tensor, Tensor]:
    """The class to explain of each image (B,), and whether its logits, where they were computed, are finite (B,)."""
    if target is None:
        with torch.no_grad():
            logits = torch.cat([probe.logits(images[part]) for part in probe.parts(len(images))])
        finite = ~(logits.isnan() | logits.isposinf()).any(1)  # minus infinity is the logit of a probability of 0
        return strongest(logits.nan_to_num()), finite
    try:
        classes = torch.as_tensor(target, device=images.device)
    except (TypeError, ValueError, RuntimeError):
        classes = torch.empty(0, dtype=torch.bool)
    if classes.dtype.is_floating_point or classes.dtype == torch.bool or classes.shape not in ((), (len(images),)):
        raise DataError(f"target must be a class number, or one for each of the {len(images)} images; got {target!r}.")
    return classes.long().expand(len(images)), torch.ones(len(images), dtype=torch.bool, device=images.device)
