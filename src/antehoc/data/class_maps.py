"""Maps that say the class of every pixel of an image, with pixels of which they say nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from antehoc.data.archives import FileSource
from antehoc.data.images import read_indices
from antehoc.errors import DataError, shown

Encoding = Literal["index", "rgb"]


@dataclass(frozen=True)
class ClassMap:
    """A PNG with a number for every pixel: its class, or that of the segment that it belongs to.

    Attributes:
        path: of the file, as large as its image.
        classes: the class, a number into the classes, of each number in the file. What is not listed is background.
        ignored: numbers of pixels of which the map says nothing. They belong to no class and are no background.
        encoding: `index` reads gray levels or palette indices, `rgb` R + 256 G + 65536 B.
    """

    path: FileSource
    classes: Mapping[int, int] = field(default_factory=dict)
    ignored: frozenset[int] = frozenset()
    encoding: Encoding = "index"

    def of_class(self, size: tuple[int, int], label: int | None = None) -> Image.Image:
        """Where a class is, or any class without `label`: mode L, 255 there and 0 elsewhere.

        Args:
            size: width and height of the image, in pixels.
            label: of the class.
        Raises:
            ImageError: if the file cannot be read.
            DataError: if it has not the size of its image.
        """
        return self._where([number for number, own in self.classes.items() if label in (None, own)], size)

    def unsaid(self, size: tuple[int, int]) -> Image.Image:
        """Where pixels are ignored; as `of_class`."""
        return self._where(list(self.ignored), size)

    def _where(self, numbers: list[int], size: tuple[int, int]) -> Image.Image:
        found: NDArray[np.int64] = read_indices(self.path, self.encoding == "rgb")
        if found.shape != (size[1], size[0]):
            raise DataError(
                f"{shown(self.path)}: a map of classes must be as large as its image, {size[0]}x{size[1]} pixels; got "
                f"{found.shape[1]}x{found.shape[0]}."
            )
        return Image.fromarray(np.isin(found, numbers).astype(np.uint8) * np.uint8(255))
