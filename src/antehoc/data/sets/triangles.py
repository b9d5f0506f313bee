"""`triangles`: outlines of shapes on white, and one question: is there a triangle among them? Drawn from a seed.

A scene is a pure function of (seed, whether it holds a triangle, index, look). Its parameters come from raw
counter-based words and it is drawn with correctly rounded operations only, so that every machine draws the same bytes
(a golden hash guards them). Which role a scene plays is taken from a hash of its bytes: equal scenes share a role.

Source: the authors' own generator, SyntDataset, as of 2021: {p, q} polygons, their sizes, how they are placed. The two
sets are those of Teixeira, "Producing Joint Decisions and Explanations with CNNs", 2019.
Differs: a triangle task could not be drawn there (its constructor failed), and a circle never got its color. {6, 2},
{9, 3} and {12, 4}, which are two, three and four triangles on top of each other, do not occur here. Where a
scene's shapes lie and how many there are has nothing to do with the answer: places are drawn first, and one of them
then gets the triangle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from antehoc.data.examples import Examples, Tensors
from antehoc.data.preprocessing import Preprocessing
from antehoc.data.series import Arrays, Floats, fill_roles, paint_all, share, uniform
from antehoc.data.source import Source
from antehoc.errors import DataError
from antehoc.types import ROLES, DataSpec, Role

Others = Literal["any", "circles"]

CLASSES = ("no triangle", "triangle")
CIRCLE = 0  #: stands where the number of vertices would

_SAMPLES = 4  # a side: a mask's pixel is looked at in 16 places
_ROUND = 9  # decimals of a cosine, so that no libm shows in the images


@dataclass(frozen=True)
class Look:
    """How scenes look; see `triangles` for what each means."""

    size: int = 64
    shapes: int = 5
    radius: tuple[float, float] = (7.0, 14.0)
    tries: int = 10
    cue: bool = False
    others: Others = "any"
    vertices: tuple[int, int] = (4, 12)

    def __post_init__(self) -> None:
        low, high = self.radius
        if self.shapes < 1 or self.tries < 1:
            raise DataError(f"triangles: shapes and tries are 1 or more; got {self.shapes} and {self.tries}.")
        if not 2 <= low <= high or self.size < 2 * high + 4:
            raise DataError(
                f"triangles: radius is two numbers of pixels, the first 2 or more, and twice the second fits the side "
                f"minus 4; got {[low, high]} for a side of {self.size}."
            )
        if not 4 <= self.vertices[0] <= self.vertices[1]:
            raise DataError(f"triangles: vertices are two numbers, the first 4 or more; got {[*self.vertices]}.")


@dataclass(frozen=True)
class Drawing:
    """Drawn scenes: `image` (n, 3, size, size) in 0..255 and `mask` (n, 1, size, size), 255 where the triangle is."""

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]


@dataclass(frozen=True)
class Layout:
    """What stands where in each scene, `shapes` columns wide; what found no place has a radius of 0."""

    x: Floats  #: of the center, in pixels
    y: Floats
    radius: Floats  #: of the circle through the vertices, in pixels
    p: NDArray[np.int64]  #: number of vertices, or `CIRCLE`
    q: NDArray[np.int64]  #: vertex i is joined to vertex i + q
    angle: Floats  #: of the first vertex, in radians


def triangles(
    *,
    size: int = 64,
    train: int = 4000,
    validation: int = 1000,
    calibration: int = 1000,
    test: int = 2000,
    shapes: int = 5,
    radius: tuple[float, float] = (7.0, 14.0),
    tries: int = 10,
    cue: bool = False,
    others: Others = "any",
    vertices: tuple[int, int] = (4, 12),
    seed: int = 0,
) -> Source:
    """The data set `triangles`: does one of the outlines in a scene belong to a triangle? Half of the scenes have one.

    Lines are one pixel thick, antialiased and black on white; shapes are turned at random and never touch. The sets of
    the paper are `size: 224, radius: [12.0, 30.0]` with `cue` and without.

    Args:
        size: height and width in pixels.
        train, validation, calibration, test: scenes per role, the classes in equal parts.
        shapes: as many in a scene at most; those that find no place are left out, but one is always there.
        radius: least and largest radius of the circle around a shape, in pixels; uniform between them.
        tries: at a size and a place for each shape.
        cue: the triangle is red.
        others: what stands beside the triangle or in its stead: `any` is a circle or a polygon {p, q} with as many
            vertices as `vertices` says, each number as likely as a circle; `circles` is circles alone.
        vertices: least and largest number of vertices of the other polygons.
        seed: of the series.
    Returns:
        The data set. A scene's object is its triangle: the mask shows it filled.
    Raises:
        DataError: where a value cannot be used, or a role has fewer than two scenes.
    """
    look = Look(size, shapes, radius, tries, cue, others, vertices)
    counts: dict[Role, int] = {"train": train, "validation": validation, "calibration": calibration, "test": test}
    for role, count in counts.items():
        if count < 2:
            raise DataError(f"triangles: role {role!r} needs 2 images or more, one per class; got {count}.")
    wanted = {role: counts[role] // 2 for role in ROLES}
    parts = [_by_role(bool(label), wanted, look, seed) for label in (0, 1)]
    roles: dict[Role, Examples] = {}
    for role in ROLES:
        images, masks = (torch.from_numpy(np.concatenate([part[role][number] for part in parts])) for number in (0, 1))
        label = torch.arange(2).repeat_interleave(wanted[role])
        roles[role] = Tensors(images, label, masks=masks, names="scene")
    spec = DataSpec(CLASSES, 3, size, size, absent=CLASSES[0])
    return Source(spec, roles, Preprocessing(3, size, size), seed)


def draw(present: bool, look: Look, *, seed: int, start: int = 0, count: int) -> Drawing:
    """Scenes `start` to `start + count` of the endless series with or without a triangle.

    Args:
        present: whether each scene has a triangle.
        look: how they look.
        seed: chooses the series; 0 to 2**63.
        start: number of the first scene.
        count: how many.
    Example:
        >>> drawing = draw(True, Look(), seed=0, count=2)
        >>> drawing.image.shape, drawing.mask.shape, bool(drawing.mask.any())
        ((2, 3, 64, 64), (2, 1, 64, 64), True)
    """
    layout = lay_out(present, look, seed=seed, start=start, count=count)
    image = np.empty((count, 3, look.size, look.size), np.uint8)
    mask = np.zeros((count, 1, look.size, look.size), np.uint8)

    def paint(rows: slice) -> None:
        _paint(Layout(**{name: value[rows] for name, value in vars(layout).items()}), look, image[rows], mask[rows])

    paint_all(paint, count)
    return Drawing(image, mask)


def lay_out(present: bool, look: Look, *, seed: int, start: int = 0, count: int) -> Layout:
    """What `draw` draws. The places of scenes with and without a triangle follow the same law."""
    n = look.shapes
    chance = uniform(seed, int(present), start, count, 1 + 3 * n * (look.tries + 1))
    places = chance[:, 1 + 3 * n :].reshape(count, n, look.tries, 3)
    radius = look.radius[0] + (look.radius[1] - look.radius[0]) * places[..., 0]
    edge = radius + 1  # the line's half and an antialiased pixel stay inside
    x, y = (edge + (look.size - 2 * edge) * places[..., axis] for axis in (1, 2))
    kept = [np.zeros((count, n)) for _ in range(3)]
    for slot in range(n):
        for attempt in range(look.tries):
            own = [value[:, slot, attempt] for value in (x, y, radius)]
            apart = (kept[0] - own[0][:, None]) ** 2 + (kept[1] - own[1][:, None]) ** 2
            clear = apart > (kept[2] + own[2][:, None] + 2) ** 2  # two lines, each with its antialiased pixel
            free = (clear | (kept[2] == 0)).all(1) & (kept[2][:, slot] == 0)
            for values, value in zip(kept, own, strict=True):
                values[free, slot] = value[free]
    own_kind = chance[:, 1 : 1 + 3 * n].reshape(count, n, 3)
    p, q = _kinds(own_kind[..., 0], own_kind[..., 1], look)
    if present:
        there = kept[2] > 0
        chosen = (chance[:, 0] * there.sum(1)).astype(int)[:, None]  # number among those that found a place
        mine = there & (there.cumsum(1) - 1 == chosen)
        p[mine], q[mine] = 3, 1
    return Layout(kept[0], kept[1], kept[2], p, q, 2 * np.pi * own_kind[..., 2])


def _kinds(first: Floats, second: Floats, look: Look) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """p and q of shapes that are no triangles, from two uniform numbers each."""
    numbers = [CIRCLE] if look.others == "circles" else [CIRCLE, *range(look.vertices[0], look.vertices[1] + 1)]
    p = np.array(numbers)[(first * len(numbers)).astype(int)]
    q = np.zeros_like(p)
    for number in numbers[1:]:
        steps = np.array([step for step in range(1, (number + 1) // 2) if number // gcd(number, step) != 3])
        mine = p == number
        q[mine] = steps[(second[mine] * len(steps)).astype(int)]
    return p, q


def _paint(layout: Layout, look: Look, image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> None:
    """Draw scenes, a shape at a time into a window that holds the largest one."""
    count, side = len(image), int(np.ceil(2 * look.radius[1] + 4))
    left, top = (
        np.clip(np.floor(center - side / 2).astype(int), 0, look.size - side) for center in (layout.x, layout.y)
    )
    ink = np.zeros((count, look.size, look.size), np.float32)
    red = np.zeros_like(ink)
    steps = np.arange(side)
    for p in np.unique(layout.p[layout.radius > 0]):
        scene, slot = np.nonzero((layout.p == p) & (layout.radius > 0))
        own = {name: value[scene, slot] for name, value in vars(layout).items()}
        row, column = top[scene, slot], left[scene, slot]
        u = (column[:, None] + steps + 0.5 - own["x"][:, None]).astype(np.float32)[:, None, :]
        v = (row[:, None] + steps + 0.5 - own["y"][:, None]).astype(np.float32)[:, :, None]
        line = np.clip(1 - _distance(int(p), own, u, v), 0, 1)  # a line one pixel wide, seen by a pixel
        place = (scene[:, None, None], (row[:, None] + steps)[:, :, None], (column[:, None] + steps)[:, None, :])
        # windows of one scene overlap: one shape of each scene at a time
        for turn in range(look.shapes):
            now = slot == turn
            where = tuple(part[now] for part in place)
            for sheet in [ink, red] if p == 3 else [ink]:
                sheet[where] = np.maximum(sheet[where], line[now])
            if p == 3:
                mask[where[0], 0, where[1], where[2]] = _filled({k: w[now] for k, w in own.items()}, u[now], v[now])
    paper = (1 - ink) * np.float32(255)
    image[:] = (paper + np.float32(0.5)).astype(np.uint8)[:, None]
    if look.cue:
        image[:, 0] = (paper + red * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def _distance(p: int, own: dict[str, NDArray[Any]], u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[Any]:
    """Distance of each pixel's center from the outline, in pixels (n, side, side); u and v start at the center."""
    if p == CIRCLE:
        return np.abs(np.sqrt(u * u + v * v) - own["radius"].astype(np.float32)[:, None, None])
    half = np.pi * own["q"] / p
    inner, reach = (_number(own["radius"] * _rounded(turned)) for turned in (np.cos(half), np.sin(half)))
    nearest = np.full(np.broadcast_shapes(u.shape, v.shape), np.inf, np.float32)
    for edge in range(p):
        turn = own["angle"] + half + 2 * np.pi * edge / p  # to the middle of the edge
        cos, sin = (_number(_rounded(part)) for part in (np.cos(turn), np.sin(turn)))
        across = u * cos + v * sin
        across -= inner
        along = np.abs(v * cos - u * sin)
        along -= reach
        np.maximum(along, 0, out=along)
        along *= along
        across *= across
        along += across
        np.minimum(nearest, along, out=nearest)
    return np.asarray(np.sqrt(nearest))


def _filled(own: dict[str, NDArray[Any]], u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.uint8]:
    """How much of each pixel lies in the triangle or on its line, in 0..255 (n, side, side)."""
    inner = _number(own["radius"] * 0.5 + 0.5)
    total = np.zeros(np.broadcast_shapes(u.shape, v.shape), np.float32)
    turns = [own["angle"] + np.pi * (1 + 2 * edge) / 3 for edge in range(3)]
    normals = [[_number(_rounded(part)) for part in (np.cos(turn), np.sin(turn))] for turn in turns]
    offsets = [np.float32((step + 0.5) / _SAMPLES - 0.5) for step in range(_SAMPLES)]
    for right in offsets:
        for down in offsets:
            outside = [(u + right) * cos + (v + down) * sin for cos, sin in normals]
            total += np.maximum(np.maximum(outside[0], outside[1]), outside[2]) <= inner
    return (total * np.float32(255 / _SAMPLES**2) + np.float32(0.5)).astype(np.uint8)


def _number(value: Floats) -> NDArray[np.float32]:
    return value.astype(np.float32)[:, None, None]


def _rounded(value: Floats) -> Floats:
    return np.round(value, _ROUND)


def _by_role(present: bool, wanted: Mapping[Role, int], look: Look, seed: int) -> dict[Role, Arrays]:
    """The pixels and masks of one class for each role."""

    def drawn(start: int, count: int) -> Arrays:
        drawing = draw(present, look, seed=seed, start=start, count=count)
        return drawing.image, drawing.mask

    return fill_roles(wanted, drawn, lambda arrays, _: share(arrays[0]))
