"""Attributions by gradients at the pixels: one backward pass, or the mean of many."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from antehoc.posthoc.checks import Made
from antehoc.posthoc.probe import Probe


def saliency(probe: Probe, images: Tensor, target: Tensor) -> Made:
    """How strongly the logit reacts to each pixel, either way: the largest absolute gradient over the channels.

    Source:
        Simonyan, Vedaldi and Zisserman, "Deep Inside Convolutional Networks", ICLR workshop 2014, section 3.
    """
    return Made(probe.gradient(images, target).abs().amax(1, keepdim=True))


def input_x_gradient(probe: Probe, images: Tensor, target: Tensor) -> Made:
    """Gradient times pixel, summed over the channels: what each pixel adds, were the net linear.

    Source:
        Shrikumar, Greenside, Shcherbina and Kundaje, "Not Just a Black Box", 2016 (arXiv 1605.01713).
    """
    return Made((images * probe.gradient(images, target)).sum(1, keepdim=True))


def smoothgrad(
    probe: Probe, images: Tensor, target: Tensor, *, samples: int = 25, noise: float = 0.15, seed: int
) -> Made:
    """The mean gradient over noisy copies of an image, summed over the channels.

    Args:
        samples: copies of each image.
        noise: standard deviation, as a share of the image's own range; every image gets the same draws.
    Source:
        Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017 (arXiv 1706.03825).
    """
    return Made(torch.stack([_smooth(probe, *row, samples, noise, seed) for row in zip(images, target, strict=True)]))


def _smooth(probe: Probe, image: Tensor, target: Tensor, samples: int, noise: float, seed: int) -> Tensor:
    generator, total = torch.Generator().manual_seed(seed), torch.zeros_like(image)
    for part in probe.parts(samples):
        draws = [torch.randn(image.shape, generator=generator) for _ in range(part.start, part.stop)]
        copies = image + noise * (image.max() - image.min()) * torch.stack(draws).to(image)
        total += probe.gradient(copies, target.expand(len(copies))).sum(0)
    return total.sum(0, keepdim=True) / samples


def integrated_gradients(
    probe: Probe, images: Tensor, target: Tensor, *, steps: int = 50, baseline: float = 0.0
) -> Made:
    """The gradient along the straight line from a plain image, times the way, summed over the channels.

    Check `completeness`: the sum misses F(x) - F(x') by this share of it.

    Args:
        steps: points of a Gauss-Legendre rule on the line.
        baseline: the brightness of the plain image x'; pixels of this very brightness always get zero.
    Source:
        Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, Eq. 1 and Prop. 1.
    """
    points, weights = (torch.from_numpy(values / 2).to(images) for values in np.polynomial.legendre.leggauss(steps))
    points = points + 0.5  # from -1..1 to 0..1
    maps = []
    for image, label in zip(images, target, strict=True):
        total, way = torch.zeros_like(image), image - baseline
        for part in probe.parts(steps):
            on_the_line = baseline + points[part, None, None, None] * way
            slopes = probe.gradient(on_the_line, label.expand(len(on_the_line)))
            total += (weights[part, None, None, None] * slopes).sum(0)
        maps.append((way * total).sum(0, keepdim=True))
    made = torch.stack(maps)
    with torch.no_grad():
        change = probe.scores(images, target) - probe.scores(torch.full_like(images, baseline), target)
    gap = (made.sum((1, 2, 3)) - change).abs() / change.abs().clamp(min=1e-3)
    return Made(made, {"completeness": gap})


def guided_backprop(probe: Probe, images: Tensor, target: Tensor) -> Made:
    """The gradient where every ReLU lets through what is positive on both ways, summed over the channels.

    Check `rectifiers`: how many ReLUs were met; without any, the result is the plain gradient.

    Source:
        Springenberg, Dosovitskiy, Brox and Riedmiller, "Striving for Simplicity", ICLR workshop 2015, section 3.4.
    """
    return _rectified(probe, images, target, guided=True)


def deconvolution(probe: Probe, images: Tensor, target: Tensor) -> Made:
    """The gradient where every ReLU lets through what is positive on the way back, summed over the channels.

    Check `rectifiers`: as in `guided_backprop`.

    Source:
        Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 2.1.
    """
    return _rectified(probe, images, target, guided=False)


def _rectified(probe: Probe, images: Tensor, target: Tensor, *, guided: bool) -> Made:
    with Rectifying(guided) as mode:
        gradient = probe.gradient(images, target)
    return Made(gradient.sum(1, keepdim=True), {"rectifiers": torch.full((len(images),), float(mode.met))})


class Rectifying(TorchFunctionMode):
    """While it lasts, every ReLU, module or function, in place or not, used once or often, has another gradient."""

    def __init__(self, guided: bool) -> None:
        super().__init__()
        self.guided, self.met = guided, 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        top = _ceiling(function, kwargs)
        if top is None or not torch.is_grad_enabled():
            return function(*args, **kwargs)
        self.met += 1
        values = args[0] if args else kwargs["input"]
        in_place = bool(kwargs.get("inplace")) or function.__name__.endswith("_")
        return _Rectifier.apply(values, top, self.guided, in_place)


def _ceiling(function: Any, kwargs: Any) -> float | None:
    """Where a rectifier stops to rise: infinity for ReLU, 6 for ReLU6; None for any other function."""
    if function in (F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_):
        return float("inf")
    if function is F.relu6:
        return 6.0
    if function is F.hardtanh and kwargs["min_val"] == 0:  # torch hands over both bounds by name
        return float(kwargs["max_val"])
    return None


class _Rectifier(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, top: float, guided: bool, in_place: bool) -> Tensor:
        ctx.guided = guided
        ctx.save_for_backward((values > 0) & (values < top))
        if in_place:
            ctx.mark_dirty(values)
            return values.clamp_(0, top)
        return values.clamp(0, top)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        (open_,) = ctx.saved_tensors
        kept = slopes[0].clamp(min=0)
        return kept * open_ if ctx.guided else kept, None, None, None
