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
from antehoc.data.images import mask_to_tensor, read_image, to_tensor
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
    file's bytes, so that it is the same in every part of a data set. The mask of its objects is drawn with it.
    """

    def __init__(self, examples: Examples, kind: str, seed: int) -> None:
        if not isinstance(examples, Files):
            raise RecipeError(f"augment: {kind!r} draws from image files, and these images are in memory; take `flip`.")
        self.examples, self.kind, self.seed = examples, kind, seed
        self.labels, self.attributes = examples.labels, examples.attributes
        self._masked = examples.object_masks(()) is not None

    def __len__(self) -> int:
        return len(self.examples)

    def batch(self, indices: Sequence[int]) -> Batch:
        """These versions, in this order, with their images' labels and attributes and masks of their own.

        Raises:
            ImageError: if an image or a mask cannot be read.
            DataError: if a mask file has not the size of its image, or is not white where the object is.
        """
        versions, rows = ([divide(int(index), len(self)) for index in indices] for divide in (floordiv, mod))
        hashes = self.examples.content_hashes()
        with ThreadPoolExecutor(THREADS) as pool:
            drawn = list(pool.map(self._drawn, versions, rows, [hashes[row] for row in rows]))
        image = torch.stack([image for image, *_ in drawn])
        mask, ignored = (
            torch.stack([one[number] for one in drawn]) if there else None
            for number, there in ((1, self._masked), (2, self.examples.has_ignored))
        )
        valid = None if ignored is None else ignored < 0.5
        if mask is not None and valid is not None:
            mask = mask * valid
        return Batch(image, self.examples.labels[rows], self.examples.attributes[rows], mask=mask, valid=valid)

    def _drawn(self, version: int, row: int, digest: bytes) -> tuple[Tensor, Tensor, Tensor]:
        """One version of an image, of its mask and of what is ignored; empty where the data have none."""
        picture, frame = read_image(self.examples.paths[row]), self.examples.preprocessing
        sheets = (
            self.examples.sheet(row, None, picture.size) if self._masked else None,
            self.examples.unsaid(row, picture.size) if self.examples.has_ignored else None,
        )
        if version:
            seed = int.from_bytes(blake2b(repr((self.seed, version, digest)).encode(), digest_size=7).digest())
            how = self.kind, frame.height, frame.width, seed  # the same for image, mask and what is ignored
            picture = augment(picture, *how)
            sheets = sheets[0] and augment(sheets[0], *how), sheets[1] and augment(sheets[1], *how)
            frame = replace(frame, resize=None)  # it has its size; of one size, all are drawn alike
        mask, ignored = (torch.empty(0) if sheet is None else mask_to_tensor(sheet, frame) for sheet in sheets)
        return to_tensor(picture, frame), mask, ignored
