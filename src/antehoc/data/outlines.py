"""Masks that are written as outlines or as run lengths, as COCO's and YOLO's text files do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from antehoc.errors import DataError


@dataclass(frozen=True)
class Outlines:
    """One object, as outlines that are filled.

    Attributes:
        outlines: of each part x0, y0, x1, y1, ... of three corners or more, in pixels, or in shares of width and
            height.
        shares: whether they are shares, in 0..1.
    """

    outlines: tuple[tuple[float, ...], ...]
    shares: bool = False

    def sheet(self, size: tuple[int, int]) -> Image.Image:
        """Mode L: 255 on the object, in an image of this width and height."""
        scale = size if self.shares else (1, 1)
        found = np.zeros((size[1], size[0]), bool)
        for edges in self.outlines:
            found |= _inside(np.array(edges[::2]) * scale[0], np.array(edges[1::2]) * scale[1], size)
        return Image.fromarray(found.astype(np.uint8) * np.uint8(255))


@dataclass(frozen=True)
class RunLengths:
    """One object, as the lengths of runs without and with it, down the columns.

    Attributes:
        counts: the lengths, of background first.
        height: of the image, in pixels.
        width: of the image, in pixels.
    """

    counts: tuple[int, ...]
    height: int
    width: int

    def sheet(self, size: tuple[int, int]) -> Image.Image:
        """Mode L: 255 on the object, in an image of this width and height.

        Raises:
            DataError: if the image has another size.
        """
        if size != (self.width, self.height):
            raise DataError(
                f"a mask of run lengths must be as large as its image, {size[0]}x{size[1]} pixels; got "
                f"{self.width}x{self.height}."
            )
        values = np.zeros(len(self.counts), np.uint8)
        values[1::2] = 255
        return Image.fromarray(np.repeat(values, self.counts).reshape(self.width, self.height).T.copy())


def run_lengths(counts: str | Sequence[Any], height: int, width: int) -> RunLengths:
    """A mask from COCO's run lengths, as a list or packed into a text.

    Args:
        counts: a list of lengths, or six bits of a number in each character from "0" on, of which the sixth says that
            there are more and from the fourth length on the difference to the one before the last is stored.
        height: of the image, in pixels.
        width: of the image, in pixels.
    Raises:
        DataError: if they do not add up to the image.
    Source:
        Lin et al., pycocotools, `maskApi.c`, `rleFrString`.
    """
    try:
        found = _unpacked(counts) if isinstance(counts, str) else [int(count) for count in counts]
    except (IndexError, TypeError, ValueError) as error:
        raise DataError("its run lengths are damaged; use a complete copy.") from error
    if min(found, default=0) < 0 or sum(found) != height * width:
        raise DataError(f"its run lengths add up to {sum(found)}, and the image has {height * width} pixels.")
    return RunLengths(tuple(found), height, width)


def _inside(x: NDArray[np.float64], y: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W) the pixels whose middle is inside an outline, by the even-odd rule."""
    width, height = size
    middles = np.arange(height) + 0.5
    crossed = np.zeros((height, width + 1), int)
    for x0, y0, x1, y1 in zip(x, y, np.roll(x, -1), np.roll(y, -1), strict=True):
        rows = np.flatnonzero((y0 <= middles) != (y1 <= middles))
        at = x0 + (middles[rows] - y0) * (x1 - x0) / (y1 - y0) if len(rows) else np.zeros(0)
        np.add.at(crossed, (rows, np.clip(np.ceil(at - 0.5), 0, width).astype(int)), 1)
    return np.asarray(crossed.cumsum(1)[:, :-1] % 2 == 1)


def _unpacked(text: str) -> list[int]:
    found: list[int] = []
    place = 0
    while place < len(text):
        value, shift, more = 0, 0, True
        while more:
            bits = ord(text[place]) - 48
            value |= (bits & 0x1F) << shift
            place, shift, more = place + 1, shift + 5, bool(bits & 0x20)
            if not more and bits & 0x10:
                value -= 1 << shift
        found.append(value + found[-2] if len(found) > 2 else value)
    return found
