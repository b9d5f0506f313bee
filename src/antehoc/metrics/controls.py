"""Control maps, made without any classifier: an explanation has to beat what a measure says of them."""

import zlib

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn import functional as F

from antehoc.metrics.maps import Maps
from antehoc.types import Images, checked

CONTROLS = ("ones", "zeros", "box", "gaussian", "random", "edges")  # and `perfect`, where masks are given


@checked
def controls(
    images: Images, mask: Bool[Tensor, "batch 1 height width"] | None = None, *, seed: int = 0
) -> dict[str, Maps]:
    """Control rows for any table of maps.

    Args:
        images: in 0..1.
        mask: the objects, for the row `perfect`.
        seed: of the row `random`, together with the image's values: the batch that it comes in changes nothing.
    Returns:
        By name, in 0..1 but for `edges`: `ones`, `zeros`; `box` half as high and wide as the image, in its center;
        `gaussian` around the center, with a quarter of each side as its standard deviation; `random`, even noise;
        `edges`, the size of the Sobel gradient of the mean over channels; `perfect`, the mask.
    Example:
        >>> controls(torch.zeros(1, 3, 4, 4))["box"][0, 0, 1]
        tensor([0., 1., 1., 0.])
    """
    batch, _, height, width = images.shape
    ones = images.new_ones(batch, 1, height, width)
    y, x = (_centred(side).to(images) for side in (height, width))
    box, gaussian = (_outer(own(y), own(x)) for own in (_half, _bell))
    found = {
        "ones": ones,
        "zeros": torch.zeros_like(ones),
        "box": box.expand_as(ones).clone(),
        "gaussian": gaussian.expand_as(ones).clone(),
        "random": torch.stack([_noise(image, seed) for image in images]),
        "edges": _sobel(images.mean(1, keepdim=True)),
    }
    return found if mask is None else found | {"perfect": mask.to(images)}


def _centred(side: int) -> Tensor:
    """Places of the pixels' centers along a side of length 2, the middle at 0."""
    return (2 * torch.arange(side) + 1 - side) / side


def _half(place: Tensor) -> Tensor:
    return (place.abs() <= 0.5).to(place)


def _bell(place: Tensor) -> Tensor:
    return (-(place**2) / (2 * 0.5**2)).exp()


def _outer(rows: Tensor, columns: Tensor) -> Tensor:
    return rows[:, None] * columns


def _noise(image: Tensor, seed: int) -> Tensor:
    """(1, H, W) even noise from the seed and the image's values."""
    own = zlib.crc32(image.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes(), seed % 2**32)
    draws = torch.Generator().manual_seed(own)
    return torch.rand(1, *image.shape[1:], generator=draws, dtype=image.dtype).to(image.device)


def _sobel(gray: Tensor) -> Tensor:
    """(B, 1, H, W) size of the gradient by Sobel's two filters; the border is repeated outwards."""
    smooth, slope = gray.new_tensor([1.0, 2.0, 1.0]), gray.new_tensor([-1.0, 0.0, 1.0])
    filters = torch.stack([_outer(slope, smooth), _outer(smooth, slope)])[:, None]
    gradient = F.conv2d(F.pad(gray, (1, 1, 1, 1), mode="replicate"), filters)
    return gradient.square().sum(1, keepdim=True).sqrt()
