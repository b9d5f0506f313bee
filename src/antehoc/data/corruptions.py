"""Common corruptions of images at graded strength: noise, blur, wrong light, coarse pixels and strong compression."""

import io
import math
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
import torchvision.transforms.v2.functional as tv  # type: ignore[import-untyped]
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from antehoc.errors import choose
from antehoc.seeds import mix
from antehoc.types import checked

Corruption = Literal["gaussian_noise", "gaussian_blur", "contrast", "brightness", "jpeg", "pixelate"]
Strength = Literal[1, 2, 3, 4, 5]
Change: TypeAlias = Callable[[Tensor, int, torch.Generator], Tensor]

_SIDE = 224  # pixels of the images for which the published strengths were set


@checked
def corrupt(
    image: UInt8[Tensor, "n channels height width"], name: str, strength: int, *, seed: int
) -> UInt8[Tensor, "n channels height width"]:
    """Images with one corruption.

    Args:
        image: at the model's size.
        name: one of `CORRUPTIONS`.
        strength: 1 (light) to 5 (strong).
        seed: of the noise. What becomes of an image depends on its pixels, its place among these and the seed.
    Returns:
        The corrupted images, clipped to 0..255 and rounded.
    Raises:
        RecipeError: an unknown name, or a strength outside 1..5.
    Source:
        Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR
        2019, with the strengths of its code for ImageNet-C.
    Differs: images have the model's own size, so the blur is scaled by the shorter side over 224 pixels.
    Example:
        >>> corrupt(torch.full((1, 1, 2, 2), 100, dtype=torch.uint8), "brightness", 1, seed=0).unique()
        tensor([126], dtype=torch.uint8)
    """
    change = choose("corruption", name, CORRUPTIONS)
    level = choose("strength", str(strength), {str(number): number - 1 for number in range(1, 6)})
    generator = torch.Generator().manual_seed(mix(seed, [*CORRUPTIONS].index(name), level))
    return (change(image.float() / 255, level, generator).clamp(0, 1) * 255).round().byte()


def _noise(image: Tensor, level: int, generator: torch.Generator) -> Tensor:
    deviation = (0.08, 0.12, 0.18, 0.26, 0.38)[level]
    return image + deviation * torch.randn(image.shape, generator=generator)


def _blur(image: Tensor, level: int, _: torch.Generator) -> Tensor:
    side = min(image.shape[2:])
    sigma = (1, 2, 3, 4, 6)[level] * side / _SIDE
    reach = min(math.ceil(4 * sigma), side - 1)  # reflected borders cannot reach further
    return Tensor(tv.gaussian_blur(image, [2 * reach + 1] * 2, [sigma] * 2))


def _contrast(image: Tensor, level: int, _: torch.Generator) -> Tensor:
    mean = image.mean((2, 3), keepdim=True)
    return mean + (0.4, 0.3, 0.2, 0.1, 0.05)[level] * (image - mean)


def _brightness(image: Tensor, level: int, _: torch.Generator) -> Tensor:
    """The value of HSV raised; hue and saturation stay, so all channels grow by one factor."""
    value = image.amax(1, keepdim=True)
    raised = (value + (0.1, 0.2, 0.3, 0.4, 0.5)[level]).clamp(max=1)
    return torch.where(value > 0, image * raised / value.clamp(min=1e-6), raised)  # black has no hue: it becomes gray


def _jpeg(image: Tensor, level: int, _: torch.Generator) -> Tensor:
    pixels = (image * 255).round().byte().permute(0, 2, 3, 1).squeeze(3).numpy()  # squeeze: Pillow takes gray as (H, W)
    read = []
    for picture in pixels:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=(25, 18, 15, 10, 7)[level])
        read.append(torch.from_numpy(np.array(Image.open(file))))
    return torch.stack(read).reshape(*image.shape[:1], *image.shape[2:], -1).permute(0, 3, 1, 2).float() / 255


def _pixelate(image: Tensor, level: int, _: torch.Generator) -> Tensor:
    share = (0.6, 0.5, 0.4, 0.3, 0.25)[level]
    height, width = (max(1, int(side * share)) for side in image.shape[2:])
    small = F.adaptive_avg_pool2d(image, (height, width))
    return F.interpolate(small, size=list(image.shape[2:]))


CORRUPTIONS: Mapping[str, Change] = {
    "gaussian_noise": _noise,
    "gaussian_blur": _blur,
    "contrast": _contrast,
    "brightness": _brightness,
    "jpeg": _jpeg,
    "pixelate": _pixelate,
}
