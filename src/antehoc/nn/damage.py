"""Damaged images, drawn again in every training step.

They come from torch's own random numbers, as dropout does: a forward pass has no generator, and the training loop seeds
these for every epoch.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from antehoc.nn.blur import BLUR, blurred

_SQUARES = (5, 16)  # to a side: the coarsest and the finest grid of squares, as many as measures of patches take
_BLOBS = (3, 8)  # the same of what is shown at random: about as large as what an explainer shows
_LEAST = 0.1  # the least that is shown of an image


def squares(images: Tensor, share: float) -> Tensor:
    """(B, 1, H, W), 1 on squares of one random size, 0 elsewhere: of each image a random share, up to `share`."""
    side = int(torch.randint(_SQUARES[0], _SQUARES[1] + 1, ()))
    chance = share * torch.rand(len(images), 1, 1, 1, device=images.device)
    hit = torch.rand(len(images), 1, side, side, device=images.device) < chance
    return F.interpolate(hit.to(images.dtype), images.shape[2:], mode="nearest")


def openings(images: Tensor) -> Tensor:
    """(B, 1, H, W), 1 on blobs of one random size, 0 elsewhere: of each image a random share from .1 to 1."""
    side = int(torch.randint(_BLOBS[0], _BLOBS[1] + 1, ()))
    noise = torch.randn(len(images), 1, side, side, device=images.device)
    height = F.interpolate(noise, images.shape[2:], mode="bicubic", align_corners=True)
    share = torch.empty(len(images), 1, 1, 1, device=images.device).uniform_(_LEAST, 1)
    place = height.flatten(1).argsort(1).argsort(1).view_as(height)  # 0 for the lowest
    return (place >= (1 - share) * place[0].numel()).to(images.dtype)


def fill(images: Tensor, hidden: float) -> Tensor:
    """What stands in the place of what is gone, drawn for all images of a step alike.

    The brightness of hidden pixels, gray, a random brightness for each image, or the image itself blurred.
    """
    kind = int(torch.randint(4, ()))
    if kind == 3:
        return blurred(images, BLUR * min(images.shape[2:]))
    if kind == 2:
        return torch.rand(len(images), 1, 1, 1, device=images.device).to(images).expand_as(images)
    return torch.full_like(images, hidden if kind else 0.5)
