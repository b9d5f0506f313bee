"""A data set: colored squares on gray noise, none or several in an image, so that images carry several labels."""

import torch

from antehoc.data import Instance, Preprocessing, Source, Tensors
from antehoc.seeds import mix
from antehoc.types import ROLES, DataSpec

COLORS = ("red", "green", "blue")


def squares(*, seed: int, images: int = 200, side: int = 16, noise: float = 0.5) -> Source:
    """Images of colored squares, drawn from a seed.

    Args:
        seed: of all images.
        images: in each role.
        side: of an image, in pixels.
        noise: largest brightness of the background, in 0..1; much of it hides the squares.
    """
    spec = DataSpec(COLORS, 3, side, side, task="multi-label")
    roles = {role: _draw(mix(seed, number), images, side, noise) for number, role in enumerate(ROLES)}
    return Source(spec, roles, Preprocessing(3, side, side), seed)


def _draw(seed: int, images: int, side: int, noise: float) -> Tensors:
    generator = torch.Generator().manual_seed(seed)
    picture = noise * torch.rand(images, 3, side, side, generator=generator)
    present = torch.rand(images, len(COLORS), generator=generator) < 0.5
    corner = torch.randint(side - 4, (images, len(COLORS), 2), generator=generator)
    objects = []
    for image, own, places in zip(picture, present, corner.tolist(), strict=True):
        objects.append([])
        for label in own.nonzero()[:, 0].tolist():
            top, left = places[label]
            image[label, top : top + 4, left : left + 4] = 0.8
            objects[-1].append(Instance((left, top, left + 4, top + 4), None, label))
    return Tensors((255 * picture).to(torch.uint8), present.float(), objects=objects, names="squares")
