"""Versions of a picture that are drawn at random when it is fetched, each a pure function of its seed."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import blake2b
from operator import floordiv, mod
from typing import Literal

import torch
from PIL import Image
from torch import Tensor

from antehoc.data.examples import THREADS, Examples, Files
from antehoc.data.images import read_image, to_tensor
from antehoc.errors import RecipeError
from antehoc.types import Batch

Drawn = Literal["crops", "thesis", "thesis-code"]


def augment(picture: Image.Image, kind: str, height: int, width: int, seed: int) -> Image.Image:
    """One version of a picture, at the frame's size.

    Args:
        picture: upright, RGB or gray, of any size.
        kind: `crops`: a part of 35 to 100 % of the area at 3/4 to 4/3 of the frame's shape (as far as the
            picture reaches: less of the area of a very wide or tall one), mirrored in half of the cases.
            `thesis`: turned by up to 45 degrees in half of the cases, shorter side to 8/7 of the frame, a random frame
            cut out of it, mirrored in half of the cases. `thesis-code`: always turned, then as `crops` with 8 to
            100 % of the area.
        height: of the frame, in pixels.
        width: of the frame, in pixels.
        seed: the same seed gives the same version.
    Source:
        Thesis, section 4.2, and the authors' code where it differs.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float | int, high: float | int) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    version = _VERSIONS[kind](picture, height, width, uniform)
    return version.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if uniform(0, 1) < 0.5 else version


Uniform = Callable[[float, float], float]


def _crops(picture: Image.Image, height: int, width: int, uniform: Uniform) -> Image.Image:
    return _part(picture, height, width, uniform, smallest=0.35)


def _as_written(picture: Image.Image, height: int, width: int, uniform: Uniform) -> Image.Image:
    turned = _turned(picture, uniform) if uniform(0, 1) < 0.5 else picture
    scale = 8 / 7 * max(height / turned.height, width / turned.width)
    tall, wide = height / scale, width / scale
    top, left = uniform(0, turned.height - tall), uniform(0, turned.width - wide)
    return turned.resize((width, height), Image.Resampling.BILINEAR, box=(left, top, left + wide, top + tall))


def _as_coded(picture: Image.Image, height: int, width: int, uniform: Uniform) -> Image.Image:
    return _part(_turned(picture, uniform), height, width, uniform, smallest=0.08)


def _turned(picture: Image.Image, uniform: Uniform) -> Image.Image:
    return picture.rotate(uniform(-45, 45), Image.Resampling.BILINEAR)  # the corners are black


def _part(picture: Image.Image, height: int, width: int, uniform: Uniform, *, smallest: float) -> Image.Image:
    """A random part of the area, of a random shape as near to the drawn one as the picture allows."""
    area = uniform(smallest, 1) * picture.width * picture.height
    shape = width / height * (4 / 3) ** uniform(-1, 1)
    wide, tall = min((area * shape) ** 0.5, picture.width), min((area / shape) ** 0.5, picture.height)
    left, top = uniform(0, picture.width - wide), uniform(0, picture.height - tall)
    return picture.resize((width, height), Image.Resampling.BILINEAR, box=(left, top, left + wide, top + tall))


_VERSIONS: dict[str, Callable[[Image.Image, int, int, Uniform], Image.Image]] = {
    "crops": _crops,
    "thesis": _as_written,
    "thesis-code": _as_coded,
}


class Versions:
    """Image files that come in as many versions as one likes: number v * count + i is version v of image i.

    Version 0 is the image as its preprocessing gives it; each other one depends only on the seed, its number and the
    file's bytes, so that it is the same in every part of a data set.
    """

    def __init__(self, examples: Examples, kind: str, seed: int) -> None:
        if not isinstance(examples, Files):
            raise RecipeError(f"augment: {kind!r} draws from image files, and these images are in memory; take `flip`.")
        self.examples, self.kind, self.seed = examples, kind, seed
        self.labels, self.attributes = examples.labels, examples.attributes

    def __len__(self) -> int:
        return len(self.examples)

    def batch(self, indices: Sequence[int]) -> Batch:
        """These versions, in this order, with their images' labels and attributes."""
        versions, rows = ([divide(int(index), len(self)) for index in indices] for divide in (floordiv, mod))
        hashes = self.examples.content_hashes()
        with ThreadPoolExecutor(THREADS) as pool:
            images = list(pool.map(self._image, versions, rows, [hashes[row] for row in rows]))
        return Batch(torch.stack(images), self.examples.labels[rows], self.examples.attributes[rows])

    def _image(self, version: int, row: int, digest: bytes) -> Tensor:
        picture, frame = read_image(self.examples.paths[row]), self.examples.preprocessing
        if version:
            seed = int.from_bytes(blake2b(repr((self.seed, version, digest)).encode(), digest_size=7).digest())
            picture = augment(picture, self.kind, frame.height, frame.width, seed)
            frame = replace(frame, resize=None)  # it has its size
        return to_tensor(picture, frame)
