"""Labelled photographs, changed in ways that a model should notice: blurred, dark, cropped, rotated."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import blake2b

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter
from torch import Tensor

from antehoc.data.examples import THREADS, Examples, Files
from antehoc.data.images import read_image, to_tensor
from antehoc.errors import choose


class Altered(Examples):
    """The same labelled images, each changed before it goes through the preprocessing.

    Attributes:
        files: the images as they were.
        what: what was done to them.
    """

    def __init__(
        self,
        files: Files,
        change: Callable[[Image.Image, int], Image.Image],
        what: str,
        *,
        numbers: Sequence[int] | None = None,
    ) -> None:
        """Hold files and what is done to them; no file is opened.

        Args:
            files: the images; labels and attributes stay theirs.
            change: makes another image of an upright one in RGB and its number. It must give the same each time.
            what: what it does, for people, such as "blurred". Images with equal bytes, `what` and number count as
                equal.
            numbers: of the images; without them 0 to n - 1.
        Raises:
            ValueError: if there are not as many numbers as images.
        """
        super().__init__(len(files), files.labels if files.labels_known else None, files.attributes)
        self.files = files
        self.what = what
        self._change = change
        self._numbers = range(len(files)) if numbers is None else tuple(numbers)
        if len(self._numbers) != len(files):
            raise ValueError(f"{len(files)} images need as many numbers; got {len(self._numbers)}.")

    def images(self, indices: Sequence[int]) -> Tensor:
        if not len(indices):
            return self.files.images(())
        with ThreadPoolExecutor(THREADS) as pool:
            return torch.stack(list(pool.map(self._image, indices)))

    def _image(self, index: int) -> Tensor:
        picture = read_image(self.files.paths[index]).convert("RGB")
        return to_tensor(self._change(picture, self._numbers[index]), self.files.preprocessing)

    def names(self, indices: Sequence[int]) -> list[str]:
        return [f"{name} ({self.what})" for name in self.files.names(indices)]

    def content_hashes(self) -> list[bytes]:
        """A hash of each file's bytes, of what was done and of the image's number; no image is decoded.

        Raises:
            ImageError: if a file cannot be read.
        """
        return [
            blake2b(digest + f"{number} {self.what}".encode(), digest_size=16).digest()
            for digest, number in zip(self.files.content_hashes(), self._numbers, strict=True)
        ]

    def select(self, indices: Sequence[int]) -> "Altered":
        numbers = [self._numbers[index] for index in indices]
        return Altered(self.files.select(indices), self._change, self.what, numbers=numbers)


def altered(name: str, files: Files, *, seed: int) -> Altered:
    """A role's images, changed in one of the ways of `ALTERATIONS`: strange ones of known classes.

    What becomes of an image depends only on its pixels, its place in `files` and the seed.

    Args:
        name: `blurred`, `dark`, `cropped` or `rotated`.
        files: the images, of a test role.
        seed: 0 to 2**63; draws what is cut out and which way an image is turned.
    Raises:
        RecipeError: an unknown name.
    """
    alter = choose("alteration", name, ALTERATIONS)
    return Altered(files, partial(_alter, alter, seed), f"{name}, seed {seed}")


def blurred(image: Image.Image, _: Sequence[float]) -> Image.Image:
    """Gaussian blur with a standard deviation of 3 % of the longer side."""
    return image.filter(ImageFilter.GaussianBlur(0.03 * max(image.size)))


def dark(image: Image.Image, _: Sequence[float]) -> Image.Image:
    """Every value at .15 of what it was."""
    return ImageEnhance.Brightness(image).enhance(0.15)


def cropped(image: Image.Image, uniform: Sequence[float]) -> Image.Image:
    """A ninth of the image: a third of its width and of its height, anywhere."""
    width, height = (max(1, round(side / 3)) for side in image.size)
    left, top = int(uniform[0] * (image.width - width + 1)), int(uniform[1] * (image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


def rotated(image: Image.Image, uniform: Sequence[float]) -> Image.Image:
    """Turned by a quarter, a half or three quarters, so that no corner must be filled."""
    quarters = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    return image.transpose(quarters[int(uniform[0] * 3)])


ALTERATIONS: Mapping[str, Callable[[Image.Image, Sequence[float]], Image.Image]] = {
    "blurred": blurred,
    "dark": dark,
    "cropped": cropped,
    "rotated": rotated,
}


def _alter(
    alter: Callable[[Image.Image, Sequence[float]], Image.Image], seed: int, image: Image.Image, number: int
) -> Image.Image:
    words = np.random.Philox(key=np.array([seed, number], dtype=np.uint64)).random_raw(2)
    return alter(image, [float(word) for word in (words >> np.uint64(11)) * 2.0**-53])
