"""Class activation maps: the classifier's last feature map, its channels weighted, at the image's size."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from antehoc.errors import ModelError
from antehoc.posthoc.checks import Made
from antehoc.posthoc.gradients import guided_backprop
from antehoc.posthoc.probe import Probe

Seen = list[tuple[nn.Module, Tensor]]


def grad_cam(probe: Probe, images: Tensor, target: Tensor) -> Made:
    """Channels weighted by their mean gradient; what speaks against the class is cut to zero.

    Source:
        Selvaraju et al., "Grad-CAM", ICCV 2017, Eq. 1 and 2.
    """
    features, slopes = _features(probe, images, target)
    return _drawn(slopes.mean((2, 3), keepdim=True), features, images)


def grad_cam_plus_plus(probe: Probe, images: Tensor, target: Tensor) -> Made:
    """As Grad-CAM, with weights that do justice to several objects of one class.

    Source:
        Chattopadhyay et al., "Grad-CAM++", WACV 2018, Eq. 5, 6 and 19 (for the exponential of the logit).
    """
    features, slopes = _features(probe, images, target)
    below = 2 * slopes**2 + features.sum((2, 3), keepdim=True) * slopes**3
    shares = torch.where(below != 0, slopes**2 / torch.where(below != 0, below, 1), 0)
    return _drawn((shares * slopes.clamp(min=0)).sum((2, 3), keepdim=True), features, images)


def guided_grad_cam(probe: Probe, images: Tensor, target: Tensor) -> Made:
    """Guided backpropagation where Grad-CAM points: their product.

    Source:
        Selvaraju et al., "Grad-CAM", ICCV 2017, section 3.2.
    """
    fine, checks = guided_backprop(probe, images, target)
    return Made(fine * grad_cam(probe, images, target).maps, checks)


def score_cam(probe: Probe, images: Tensor, target: Tensor) -> Made:
    """Channels weighted by the logit of the image that each of them shows, as a softmax over channels.

    Source:
        Wang et al., "Score-CAM", CVPR workshops 2020, Eq. 6 to 8.
    """
    maps = []
    for image, label in zip(images, target, strict=True):
        features = _features(probe, image[None], label[None])[0][0, :, None]  # (channels, 1, h, w)
        scores = []
        for part in probe.parts(len(features)):
            shown = _resized(features[part], image)
            least, most = shown.amin((2, 3), keepdim=True), shown.amax((2, 3), keepdim=True)
            masks = (shown - least) / (most - least).clamp(min=1e-8)
            with torch.no_grad():
                scores.append(probe.scores(image * masks, label.expand(len(masks))))
        weights = torch.cat(scores).softmax(0)[None, :, None, None]
        maps.append(_drawn(weights, features.transpose(0, 1), image[None]).maps)
    return Made(torch.cat(maps))


def _drawn(weights: Tensor, features: Tensor, images: Tensor) -> Made:
    return Made(_resized((weights * features).sum(1, keepdim=True).clamp(min=0), images))


def _resized(maps: Tensor, images: Tensor) -> Tensor:
    return F.interpolate(maps, images.shape[-2:], mode="bilinear", align_corners=False)


def _features(probe: Probe, images: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The last feature map (B, channels, h, w) of each image, and the logit's gradient there."""
    module, call = last_map(probe, images[:1], target[:1])
    with watched([module]) as seen:
        scores = probe.scores(images.detach().clone().requires_grad_(), target)
    features = seen[call][1]
    return features.detach(), probe.slopes(scores, features)[0]


def last_map(probe: Probe, image: Tensor, target: Tensor) -> tuple[nn.Module, int]:
    """The module that gives the last feature map that the logit is made from, and the number of its call.

    That is the last map of more than one pixel from a module with a convolution inside, or what later modules make of
    it without a change of shape (batch norm, ReLU).

    Raises:
        ModelError: if there is none, or what follows works on tokens, as in transformers.
    """
    with watched(probe.classifier.modules()) as every:
        scores = probe.scores(image.detach().clone().requires_grad_(), target)
    seen = [pair for pair in every if pair[1].requires_grad]
    probe.backward += 1
    slopes = torch.autograd.grad(scores.sum(), [output for _, output in seen], allow_unused=True) if seen else ()
    reached = [(pair, slope) for pair, slope in zip(seen, slopes, strict=True) if slope is not None]
    # a branch of another label may be joined to the logits: its slopes are there, and all of them are 0;
    # so they are everywhere on an image that no ReLU lets through
    moved, every_map = [pair for pair, slope in reached if slope.any()], [pair for pair, _ in reached]
    later = _from_last_map(moved) or _from_last_map(every_map)
    if not later or any(isinstance(module, nn.Linear) and output.dim() > 2 for module, output in later):
        raise ModelError(
            f"class activation maps need a convolutional feature map of more than one pixel just before the pooling; "
            f"{type(probe.classifier).__name__} has none. Use a method on pixels, such as integrated-gradients."
        )
    module, output = [pair for pair in later if pair[1].shape == later[0][1].shape][-1]
    return module, [o is output for m, o in every if m is module].index(True)


def _from_last_map(used: Seen) -> Seen:
    """From the last feature map of a module with a convolution on; nothing where there is none."""
    maps = [i for i, (module, output) in enumerate(used) if _is_map(output) and _convolves(module)]
    return used[maps[-1] :] if maps else []


def _is_map(output: Tensor) -> bool:
    return output.dim() == 4 and output.shape[2] * output.shape[3] > 1


def _convolves(module: nn.Module) -> bool:
    return any(isinstance(part, nn.Conv2d) for part in module.modules())


@contextmanager
def watched(modules: Iterable[nn.Module]) -> Iterator[Seen]:
    """What modules give, in order, safe from changes in place by those that follow."""
    seen: Seen = []

    def keep(module: nn.Module, _: object, output: object) -> Tensor | None:
        if not isinstance(output, Tensor):
            return None
        seen.append((module, output))
        return output.clone()

    handles = [module.register_forward_hook(keep) for module in modules]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
