"""Explanations added afterwards to any classifier, for comparison: one call, and a check of every result."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from antehoc.cards import Card
from antehoc.errors import DataError, ModelError, RecipeError, choose
from antehoc.posthoc import cams, gradients, masking, relevance
from antehoc.posthoc.ascent import ASCENT, gradient_ascent
from antehoc.posthoc.attributed import Attributions
from antehoc.posthoc.cards import CARDS
from antehoc.posthoc.checks import Made, Mapped, Passes, judge
from antehoc.posthoc.options import checked_options
from antehoc.posthoc.preprocessing import other_input, read
from antehoc.posthoc.probe import Probe, standing_still
from antehoc.task import Task, probabilities, strongest
from antehoc.types import Images, Labels, checked

__all__ = [
    "ASCENT", "METHODS", "Attributions", "Mapped", "Method", "Passes", "attributions", "gradient_ascent", "judge",
    "maps_of",
]  # fmt: skip


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
    preprocessing: object = None,
    classes: Sequence[str] = (),
    chunk: int = 16,
    seed: int = 0,
    task: Task = "single-label",
    **options: object,
) -> Attributions:
    """What a post-hoc method says each pixel does for a class's logit, and whether that may be looked at.

    Each image is explained as if it were alone: neither the batch nor `chunk` changes its map beyond rounding, and with
    a seed every image gets the same draws. The classifier runs in eval mode and comes back as it was. Channels are
    summed with their signs; `saliency` alone takes the largest absolute value.

    Args:
        classifier: maps images to logits (B, K); of a system, `system.as_classifier()`.
        images: in 0..1, where the classifier is.
        method: a name in `METHODS`.
        target: number of the class to explain: one for all images, or one for each. Default: the decided class.
        preprocessing: of a network of another library: timm's data configuration, torchvision's transforms, or
            (mean, std). Images are resized and cropped first, unless they have the size, and normalized inside of the
            classifier, so that maps, `fill` and `baseline` refer to pixels in 0..1. Without it, a network of timm
            or torchvision that gives normalized images another class gets a `PreprocessingWarning` and invalid maps.
        classes: names of all classes.
        chunk: the most images that the classifier sees at once; memory grows with it and with nothing else.
        seed: of the methods that draw at random.
        task: whether the classes share a softmax, or each has a sigmoid; it matters to methods that read probabilities.
        options: of the method, by name: see `METHODS[method].options`.
    Returns:
        Raw maps with the class that they explain and checks; NaN where pixels or logits are no finite numbers.
    Raises:
        RecipeError: if a method, option or preprocessing is unknown, an option is out of its range, a package is
            missing or `chunk` is below 1.
        DataError: if there are no images, no such class, other class names, or pixels to be normalized outside 0..1.
        ModelError: if the classifier gives no logits (B, K), or the method cannot be used on it.
    Example:
        >>> classifier = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
        >>> classifier[1].weight.data = torch.tensor([[1.0, 0.0, 0.0, -1.0], [0.0, 0.0, 0.0, 0.0]])
        >>> found = attributions(classifier, torch.ones(1, 1, 2, 2), method="input-x-gradient", target=0)
        >>> found.maps, bool(found.valid)
        (tensor([[[[ 1.,  0.],
              [ 0., -1.]]]]), True)
    """
    entry, settings = _method(method, options, seed)
    _check_counts(images, chunk)
    prepare = None if preprocessing is None else read(preprocessing)
    probe = Probe(classifier, chunk, task, None if prepare is None else prepare.normalized)
    with standing_still(classifier), _named(method, classifier):
        images, usable = _usable(images)
        images = images if prepare is None else prepare.resized(images)
        asked = _asked(probe, images, target, usable)
        names = _class_names(classes, asked.logits.shape[1])
        own, notes = other_input(probe, prepare, images, torch.where(asked.usable, asked.decided, -1))
        mapped = _mapped(probe, entry, images, asked.target, asked.usable, settings, own)
    return _attributed(mapped, asked, method, settings, images, names, notes)


class _Asked(NamedTuple):
    """What the classifier says about the images before they are explained."""

    logits: Tensor  #: (B, K)
    decided: Tensor  #: (B,)
    target: Tensor  #: (B,)
    probability: Tensor  #: (B,) of the target; NaN where the image is not usable
    usable: Tensor  #: (B,) whether pixels and logits are finite


def _asked(probe: Probe, images: Tensor, target: object, usable: Tensor) -> _Asked:
    logits = probe.all_logits(images)
    usable = usable & ~(logits.isnan() | logits.isposinf()).any(1)  # minus infinity is the logit of a probability of 0
    decided = strongest(logits.nan_to_num())
    wanted = decided if target is None else _targets(images, target)
    probability = probe.chosen(probabilities(probe.task, logits), wanted)
    return _Asked(logits, decided, wanted, probability.masked_fill(~usable, torch.nan), usable)


def _attributed(
    mapped: Mapped,
    asked: _Asked,
    method: str,
    settings: dict[str, object],
    images: Tensor,
    names: tuple[str, ...],
    notes: tuple[str, ...],
) -> Attributions:
    return Attributions(
        mapped.maps,
        asked.target,
        mapped.valid,
        mapped.checks,
        mapped.why,
        mapped.passes,
        method,
        settings,
        asked.probability,
        asked.decided,
        images,
        names,
        notes,
    )


@checked
def maps_of(
    classifier: nn.Module, images: Images, target: Labels, *, method: str, chunk: int = 16, seed: int = 0, task: Task
) -> Mapped:
    """The maps of `attributions` for classes that are known: nothing is asked of the classifier beside the method.

    Args:
        classifier: maps images in 0..1 to logits (B, K).
        images: in 0..1, where the classifier is.
        target: the number of the class to explain.
        method: a name in `METHODS`, with its default options.
        chunk: the most images that the classifier sees at once.
        seed: of the methods that draw at random.
        task: whether the classes share a softmax, or each has a sigmoid.
    Raises:
        RecipeError, DataError, ModelError: as `attributions`.
    """
    entry, settings = _method(method, {}, seed)
    _check_counts(images, chunk)
    probe = Probe(classifier, chunk, task)
    with standing_still(classifier), _named(method, classifier):
        images, usable = _usable(images)
        return _mapped(probe, entry, images, target, usable, settings, {})


def _method(method: str, options: dict[str, object], seed: int) -> tuple[Method, dict[str, object]]:
    """The method, and its options with the defaults."""
    entry = choose("post-hoc method", method, METHODS)
    given = checked_options(method, options, entry.options, entry.needs)
    return entry, entry.options | given | ({"seed": seed} if entry.random else {})


def _mapped(
    probe: Probe,
    entry: Method,
    images: Tensor,
    target: Tensor,
    usable: Tensor,
    settings: Mapping[str, object],
    checks: Mapping[str, Tensor],
) -> Mapped:
    """The maps of all images, those that are not usable NaN; `checks` are made beside the method's own."""
    made = [entry.run(probe, images[part], target[part], **settings) for part in probe.parts(len(images))]
    maps = torch.cat([one.maps for one in made]).detach()
    maps[~usable] = torch.nan
    own = {name: torch.cat([one.checks[name] for one in made]) for name in made[0].checks}
    valid, every, why = judge(maps, {**own, **checks})
    passes = Passes(probe.forward / len(images), probe.backward / len(images))
    return Mapped(maps, valid, every, why, passes)


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


def _targets(images: Tensor, target: object) -> Tensor:
    """The class to explain of each image (B,)."""
    try:
        numbers = torch.as_tensor(target, device=images.device)
    except (TypeError, ValueError, RuntimeError):
        numbers = torch.empty(0, dtype=torch.bool)
    if numbers.dtype.is_floating_point or numbers.dtype == torch.bool or numbers.shape not in ((), (len(images),)):
        raise DataError(f"target must be a class number, or one for each of the {len(images)} images; got {target!r}.")
    return numbers.long().expand(len(images))


def _class_names(classes: Sequence[str], count: int) -> tuple[str, ...]:
    if classes and (isinstance(classes, str) or len(classes) != count):
        raise DataError(f"classes are the names of all {count} classes; got {len(classes)}.")
    return tuple(map(str, classes))
