"""Drawings of one black shape on white, from a seed, with exact masks and boxes.

An image is a pure function of (seed, kind, index, variant, side). Its parameters come from raw counter-based words and
it is drawn with correctly rounded operations only, so that every machine draws the same bytes (a golden hash guards
them).

Source: "An auxiliary explanations network" (the thesis), section 3.3; ranges measured on the published files.
Differs: sizes and angles are continuous, where the originals' were whole numbers: those gave 1,350 possible squares for
3,000 files, and 89 % of these had a duplicate, often across the split. Edges are soft: the gray of a pixel is what the
shape covers of it. `edges: hard` draws as the originals did, a black and white shape that is then turned.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from antehoc.data.series import Floats, paint_all, uniform

Variant = Literal["centred", "free"]
Sizes = Literal["continuous", "whole"]
Edges = Literal["soft", "hard"]

STRANGE = ("pentagon", "hexagon", "star", "ellipse")  #: shapes that no built-in data set has as a class
KINDS = ("circle", "rectangle", "square", "triangle", *STRANGE, "parallelogram")  # places are in the seed: append only

_WORDS = 32  # random numbers per image: 2 for the place, 5 for each of 6 tries at size and angle
_TRIES = 6
_TURN = 36_000  # angles in hundredths of a degree; the table is rounded so that no libm shows in the images
_COS = np.array([round(math.cos(math.radians(step / 100)), 12) for step in range(_TURN)])
_SIN = np.array([round(math.sin(math.radians(step / 100)), 12) for step in range(_TURN)])
_ROOT3 = math.sqrt(3)


@dataclass(frozen=True)
class Drawing:
    """Drawn images: `image` (n, side, side) in 0..255, `mask` the same shape, `box` (n, 4) as x0, y0, x1, y1 in pixels.

    A mask holds the pixels whose center lies in the shape; a box is the mask's, its far edges exclusive.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    box: NDArray[np.int16]


@dataclass(frozen=True)
class _Geometry:
    """What is drawn, in pixels of a 64-pixel frame: two lengths, an angle's cosine and sine, a lean, a center."""

    length: Floats
    width: Floats
    cos: Floats
    sin: Floats
    lean: Floats
    x: Floats
    y: Floats


def draw(
    kind: str,
    *,
    seed: int,
    start: int = 0,
    count: int,
    variant: Variant = "centred",
    side: int = 64,
    sizes: Sizes = "continuous",
    edges: Edges = "soft",
) -> Drawing:
    """Images `start` to `start + count` of the endless series of one kind.

    Args:
        kind: one of `KINDS`.
        seed: chooses the series; 0 to 2**63.
        start: number of the first image.
        count: how many.
        variant: `centred` puts the center within half a pixel of the middle, `free` anywhere that keeps the
            shape inside the frame.
        side: height and width of the images in pixels; shapes scale with it.
        sizes: `whole` rounds lengths (a square's to even numbers), angles and places to whole pixels and degrees, the
            fault of the originals that gave most of their squares a duplicate.
        edges: `hard` draws the upright shape in black and white and turns it by whole degrees with bilinear
            interpolation, as the originals did. Circles, rectangles and triangles then also have the sizes of the
            originals, many more of them small: each had to fit the frame from a random corner.
    Returns:
        The images with their masks and boxes.
    Source:
        Thesis, section 3.3 (kinds, variant `free`); the authors' generator (ranges, variant `centred`).
    Example:
        >>> drawing = draw("square", seed=0, count=2)
        >>> drawing.image.shape, drawing.image.dtype, bool(drawing.mask.any())
        ((2, 64, 64), dtype('uint8'), True)
    """
    geometry = _geometry(kind, numbers(kind, seed=seed, start=start, count=count), variant, sizes, edges)
    image = np.empty((count, side, side), np.uint8)
    mask = np.empty((count, side, side), np.bool_)

    def paint(rows: slice) -> None:
        if edges == "hard":
            white = 1 - _turned(kind, geometry, rows, side)
            np.less_equal(white, np.float32(0.5), out=mask[rows])
        else:
            distance = _distance(kind, geometry, rows, side, *_own_axes(geometry, rows, side))
            np.less_equal(distance, 0, out=mask[rows])
            white = np.clip(distance + np.float32(0.5), 0, 1)
        image[rows] = white * np.float32(255) + np.float32(0.5)

    paint_all(paint, count)
    return Drawing(image, mask, _boxes(mask))


def numbers(kind: str, *, seed: int, start: int = 0, count: int) -> Floats:
    """(count, 32) the random numbers in 0..1 of images `start` to `start + count`; no drawing uses the last one.

    Args:
        kind, seed, start, count: as for `draw`.
    """
    return uniform(seed, KINDS.index(kind), start, count, _WORDS)


def _geometry(kind: str, chance: Floats, variant: Variant, sizes: Sizes, edges: Edges = "soft") -> _Geometry:
    """Sizes, angle and place of each image: the first of a few tries that fits the frame, the last shrunk to fit."""
    tries = chance[:, 2:].reshape(len(chance), _TRIES, 5)
    length, width, lean = _small_sizes(kind, tries) if edges == "hard" else _sizes(kind, tries)
    step = (tries[..., 3] * _TURN).astype(np.int64)
    if sizes == "whole":
        grid = 2 if kind == "square" else 1
        length, width = np.floor(length / grid) * grid, np.floor(width / grid) * grid
    if sizes == "whole" or edges == "hard":
        step = step // 100 * 100
    cos, sin = _COS[step], _SIN[step]
    extent = _extent(kind, length, width, lean, cos, sin)
    reach = np.maximum(extent[..., 1] - extent[..., 0], extent[..., 3] - extent[..., 2])
    if variant == "centred":  # the frame minus half a pixel of border and half a pixel of wandering
        reach = 2 * np.abs(extent).max(-1)
    fits = reach <= 62
    pick = np.where(fits.any(1), fits.argmax(1), _TRIES - 1)[:, None]
    length, width, lean, cos, sin, reach = (
        np.take_along_axis(value, pick, 1)[:, 0] for value in (length, width, lean, cos, sin, reach)
    )
    extent = np.take_along_axis(extent, pick[..., None], 1)[:, 0]
    shrink = np.minimum(1, 62 / reach)
    if variant == "centred":
        x, y = 32 + chance[:, 0] - 0.5, 32 + chance[:, 1] - 0.5
    else:
        low, high = 1 - extent[:, ::2] * shrink[:, None], 63 - extent[:, 1::2] * shrink[:, None]
        x, y = (low + (high - low) * chance[:, :2]).T
    if sizes == "whole":
        x, y = np.rint(x), np.rint(y)
    return _Geometry(length * shrink, width * shrink, cos, sin, lean, x, y)


def _extent(kind: str, length: Floats, width: Floats, lean: Floats, cos: Floats, sin: Floats) -> Floats:
    """How far each turned shape reaches from its center, (..., 4): left, right, up and down, in pixels."""
    corners = _corners(kind, length, width, lean)
    if corners is None:  # a circle's or an ellipse's half extents
        across = np.sqrt((length / 2 * cos) ** 2 + (width / 2 * sin) ** 2)
        down = np.sqrt((length / 2 * sin) ** 2 + (width / 2 * cos) ** 2)
        return np.stack([-across, across, -down, down], -1)
    x = corners[..., 0] * cos[..., None] - corners[..., 1] * sin[..., None]
    y = corners[..., 0] * sin[..., None] + corners[..., 1] * cos[..., None]
    return np.stack([x.min(-1), x.max(-1), y.min(-1), y.max(-1)], -1)


def _sizes(kind: str, tries: Floats) -> tuple[Floats, Floats, Floats]:
    """Two lengths in pixels of a 64-pixel frame and a lean (tangent), by the ranges measured on the published files."""
    first, second, third = tries[..., 0], tries[..., 1], tries[..., 2]
    flat = np.zeros_like(first)
    if kind == "circle":
        return (size := 12 + 48 * first), size, flat
    if kind == "triangle":
        return (size := 12 + 33 * first), size, flat
    if kind == "square":
        return (size := 12 + 28 * first), size, flat
    if kind in ("rectangle", "ellipse", "parallelogram"):
        # uniform over 10..50 squared minus the band |length - width| <= 6: the longer side, then a shorter one
        longer = 16 + 34 * np.sqrt(first)
        shorter = 10 + (longer - 16) * second
        return longer, shorter, (0.35 + 0.65 * third if kind == "parallelogram" else flat)
    return (size := 16 + 44 * first), size, flat  # pentagon, hexagon, star: diameter of the circle around it


def _small_sizes(kind: str, tries: Floats) -> tuple[Floats, Floats, Floats]:
    """As `_sizes`, by the rules of the originals' generator: a shape is placed at random, then its size is drawn from
    those that fit the frame there. It is moved to the middle afterwards.

    Source: `random_shapes` of scikit-image, with the sizes in pixels that the thesis's code asks for.
    """
    first, second, third = tries[..., 0], tries[..., 1], tries[..., 2]
    flat = np.zeros_like(first)
    if kind == "circle":  # its center lies where the smallest one fits
        x, y = 6 + 52 * second, 6 + 52 * third
        room = np.minimum.reduce([x, 64 - x, y, 64 - y, np.full_like(x, 30)]) - 6
        return (size := 12 + 2 * first * room), size, flat
    if kind == "triangle":  # a lower corner of an upright one; it has the smallest size where nothing fits
        room = np.minimum.reduce([64 - 52 * second, 52 * third, np.full_like(first, 45)]) - 12
        return (size := 12 + first * np.maximum(room, 1)), size, flat
    if kind == "rectangle":
        across, down = (np.minimum(64 - 54 * corner, 50) - 10 for corner in (third, tries[..., 4]))
        one, other = 10 + first * across, 10 + second * down
        shorter = np.minimum(one, other)
        # the originals drew again where the sides differed by 6 or less
        return np.maximum(np.maximum(one, other), shorter + 7), shorter, flat
    return _sizes(kind, tries)


def _corners(kind: str, length: Floats, width: Floats, lean: Floats) -> Floats | None:
    """Corners before turning (..., corners, 2), the centroid at the origin; None for round kinds."""
    if kind in ("circle", "ellipse"):
        return None
    if kind in ("square", "rectangle", "parallelogram"):
        signs = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]])
        half: Floats = np.stack([length, width], -1)[..., None, :] / 2 * signs
        half[..., 0] += lean[..., None] * half[..., 1]
        return half
    number = {"triangle": 3, "pentagon": 5, "hexagon": 6, "star": 5}[kind]
    radius = length / _ROOT3 if kind == "triangle" else length / 2
    steps = np.arange(number) * (_TURN // number)
    around: Floats = radius[..., None, None] * np.stack([_COS[steps], _SIN[steps]], -1)
    return around


def _own_axes(geometry: _Geometry, rows: slice, side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where each pixel's center lies in the shape's own axes, before it was turned: (n, side, side) each, in pixels."""
    scale = side / 64
    centers = np.arange(side, dtype=np.float32) + np.float32(0.5)
    right = centers[None, None, :] - _number(geometry.x, rows, scale)
    down = centers[None, :, None] - _number(geometry.y, rows, scale)
    cos, sin = _number(geometry.cos, rows), _number(geometry.sin, rows)
    return right * cos + down * sin, down * cos - right * sin


def _number(value: Floats, rows: slice, factor: float = 1.0) -> NDArray[np.float32]:
    """A number of each image, to go with its pixels."""
    return (value[rows] * factor).astype(np.float32)[:, None, None]


def _turned(kind: str, geometry: _Geometry, rows: slice, side: int) -> NDArray[np.float32]:
    """How much of each pixel an upright shape of whole pixels covers after its turn, (n, side, side) in 0..1.

    A pixel of the upright image belongs to the shape if its center does. Between these centers it is bilinear.
    """
    u, v = _own_axes(geometry, rows, side)
    x, y = (_number(place, rows, side / 64) - np.float32(0.5) for place in (geometry.x, geometry.y))
    column, row = u + x, v + y  # in the upright image, counted from the center of its first pixel
    left, top = np.floor(column), np.floor(row)
    covered = np.zeros_like(u)
    for across in (0, 1):
        for down in (0, 1):
            near_column, near_row = left + np.float32(across), top + np.float32(down)
            inside = _distance(kind, geometry, rows, side, near_column - x, near_row - y) <= 0
            covered += inside * (1 - np.abs(column - near_column)) * (1 - np.abs(row - near_row))
    return covered


def _distance(
    kind: str,
    geometry: _Geometry,
    rows: slice,
    side: int,
    u: NDArray[np.float32],
    v: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Signed distance from the outline of places in the shape's own axes, in pixels, negative inside."""
    scale = side / 64
    half_length, half_width = (_number(value, rows, scale / 2) for value in (geometry.length, geometry.width))
    if kind == "circle":
        return np.asarray(np.sqrt(u * u + v * v) - half_length)
    if kind == "ellipse":
        p, q = u / half_length, v / half_width
        level = np.sqrt(p * p + q * q)
        slope = np.sqrt((p / half_length) ** 2 + (q / half_width) ** 2)
        return np.asarray(level * (level - 1) / np.maximum(slope, np.float32(1e-6)))
    if kind in ("square", "rectangle"):
        return np.asarray(np.maximum(np.abs(u) - half_length, np.abs(v) - half_width))
    if kind == "parallelogram":
        lean = _number(geometry.lean, rows)
        side_on = (np.abs(u - lean * v) - half_length) / np.sqrt(1 + lean * lean)
        return np.asarray(np.maximum(side_on, np.abs(v) - half_width))
    return _from_lines(kind, u, v, half_length)


def _from_lines(
    kind: str, u: NDArray[np.float32], v: NDArray[np.float32], half: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Distance from a regular polygon: the farthest of its edges' lines; a star's tips lie outside of one line only."""
    number = {"triangle": 3, "pentagon": 5, "hexagon": 6, "star": 5}[kind]
    turn = _TURN // number
    radius = half * np.float32(2 / _ROOT3) if kind == "triangle" else half
    first = 0 if kind == "star" else turn // 2  # a star's lines join every other tip, so they face the tips
    inner = radius * np.float32(_COS[turn - first])
    largest = np.full_like(u, -np.inf)
    second = largest.copy() if kind == "star" else None
    for edge in range(number):
        step = edge * turn + first
        line = u * np.float32(_COS[step]) + v * np.float32(_SIN[step])
        if second is not None:
            np.maximum(second, np.minimum(largest, line), out=second)
        np.maximum(largest, line, out=largest)
    return np.asarray((largest if second is None else second) - inner)


def _boxes(mask: NDArray[np.bool_]) -> NDArray[np.int16]:
    columns, rows = np.asarray(mask.any(1)), np.asarray(mask.any(2))
    side = mask.shape[-1]
    edges = [columns.argmax(1), rows.argmax(1), side - columns[:, ::-1].argmax(1), side - rows[:, ::-1].argmax(1)]
    return np.stack(edges, 1).astype(np.int16)
