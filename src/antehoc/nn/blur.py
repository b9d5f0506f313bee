"""Gaussian blur of images and maps of any size."""

import torch
from torch import Tensor

BLUR = 1 / 22  #: deviation of a blurred replacement as a share of the shorter side: some 10 of 224 pixels


def blurred(images: Tensor, deviation: float) -> Tensor:
    """Images (B, C, H, W) under a Gaussian, cut off and made to sum to 1 at the border.

    Args:
        images: any values.
        deviation: in pixels, above 0.
    Example:
        >>> blurred(torch.ones(1, 1, 2, 3), 1.0)
        tensor([[[[1., 1., 1.],
                  [1., 1., 1.]]]])
    """
    rows, columns = (_weights(side, deviation).to(images) for side in images.shape[2:])
    return (rows @ images @ columns.T).to(images)  # under autocast the product has half the precision


def _weights(side: int, deviation: float) -> Tensor:
    """(side, side) matrix that blurs along one axis; each row sums to 1."""
    place = torch.arange(side, dtype=torch.float64)
    return (-((place[:, None] - place) ** 2) / (2 * deviation**2)).softmax(1)
