"""Explanations added afterwards to any classifier, for comparison: one call, and a check of every result."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from antehoc.cards import Card
from antehoc.errors import DataError, RecipeError, choose, install, near_miss
from antehoc.posthoc import cams, gradients, masking, relevance
from antehoc.posthoc.ascent import ASCENT, gradient_ascent
from antehoc.posthoc.cards import CARDS
from antehoc.posthoc.checks import Attributions, Made, Passes, judge
from antehoc.posthoc.probe import Probe, standing_still
from antehoc.task import Task, strongest
from antehoc.types import Images, Labels, checked

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
    target: int | Labels | None = None,
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
        target: the number of the class to explain, for all images or for each, whether or not it is decided; by
            default the class with the highest logit.
        chunk: the most images that the classifier sees at once; memory grows with it and with nothing else.
        seed: of the methods that draw at random.
        task: whether the classes share a softmax, or each has a sigmoid; it matters to methods that read probabilities.
        options: of the method, by name: see `METHODS[method].options`.
    Returns:
        Raw maps, with `valid` and the checks that it comes from.
    Raises:
        RecipeError: if a method or option is unknown, a package is missing or `chunk` is below 1.
        DataError: if there are no images, or no such class.
        ModelError: if the classifier gives no logits (B, K), or the method cannot be used on it.
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
    if chunk < 1:
        raise RecipeError(f"chunk is the number of images at once, 1 or more; got {chunk}.")
    if not len(images):
        raise DataError("attributions need one image or more; got none.")
    probe = Probe(classifier, chunk, task)
    with standing_still(classifier):
        images = images.detach().clone()  # of no other graph, and no inference tensor
        classes = _targets(probe, images, target)
        made = [entry.run(probe, images[part], classes[part], **settings) for part in probe.parts(len(images))]
    maps = torch.cat([one.maps for one in made]).detach()
    own = {name: torch.cat([one.checks[name] for one in made]) for name in made[0].checks}
    valid, checks, why = judge(maps, own)
    passes = Passes(probe.forward / len(images), probe.backward / len(images))
    return Attributions(maps, classes, valid, checks, why, passes, method, settings)


def _known(method: str, entry: Method, options: dict[str, object]) -> dict[str, object]:
    """The options, if the method has them and its packages are here."""
    for name in options:
        if name not in entry.options:
            known = ", ".join(entry.options) or "none"
            hint = near_miss(name, entry.options)
            raise RecipeError(f"method {method!r} has no option {name!r}.{hint} Known: {known}.")
    missing = [package for package in entry.needs if find_spec(package) is None]
    if missing:
        raise RecipeError(f"method {method!r} needs {' and '.join(missing)}; {install('posthoc')}.")
    return options


def _targets(probe: Probe, images: Tensor, target: int | Tensor | None) -> Tensor:
    if target is None:
        with torch.no_grad():
            return torch.cat([strongest(probe.logits(images[part])) for part in probe.parts(len(images))])
    classes = torch.as_tensor(target, device=images.device).long()
    return classes.expand(len(images)) if classes.dim() == 0 else classes
