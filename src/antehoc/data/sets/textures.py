"""`textures`: shapes filled with a texture before another texture. The label is the texture; the shape is no cue.

One object, or up to two in opposite halves, of eight shapes, with a mask for each. A scene is a pure function of its
seed, role and number. Textures are drawn, or cut out of the images of two folders; an image of these serves one role.

Source: the published code of the self-explaining networks whose label is the texture of a shape: its shapes, sizes and
places at 224 pixels. Differs: sizes and places are shares of the side, and the drawn textures are patterns, not
photographs.
"""

import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from antehoc.data.archives import SUFFIXES, read_bytes
from antehoc.data.examples import Tensors
from antehoc.data.images import read_image
from antehoc.data.instances import Instance, boxes_around
from antehoc.data.outlines import Outlines
from antehoc.data.patterns import BACKGROUND, FOREGROUND, NUMBERS, Pattern, draw_pattern
from antehoc.data.places import Place
from antehoc.data.preprocessing import Preprocessing
from antehoc.data.series import Floats, uniform
from antehoc.data.source import Source
from antehoc.data.splits import SHARES
from antehoc.data.strata import apportioned
from antehoc.errors import DataError, shown
from antehoc.types import ROLES, DataSpec, Role

SHAPES = ("circle", "triangle", "square", "pentagon", "hexagon", "heart", "cross", "star")
GAP = 0.02  #: share of the side that stays free around an object

Pixels: TypeAlias = NDArray[np.uint8]
Fill: TypeAlias = Callable[[Floats], Pixels]  #: from uniform numbers, a texture as large as the image

_LAYOUT = 20  # numbers that a scene's layout takes
_STREAMS = 3  # layout, textures of objects, texture of the background


class Scenes(Tensors):
    """Scenes with what their layout was.

    Attributes:
        shapes: the number of each object's shape into `SHAPES`, per scene.
    """

    shapes: tuple[tuple[int, ...], ...] = ()

    def select(self, indices: Sequence[int]) -> "Scenes":
        chosen = super().select(indices)
        assert isinstance(chosen, Scenes)
        chosen.shapes = tuple(self.shapes[index] for index in indices)
        return chosen


def textures(
    *,
    size: int = 64,
    objects: Literal[1, 2] = 1,
    train: int = 4000,
    validation: int = 500,
    calibration: int = 1000,
    test: int = 1000,
    radius: tuple[float, float] = (0.134, 0.357),
    foreground: str | Path | None = None,
    background: str | Path | None = None,
    seed: int = 0,
) -> Source:
    """Scenes of textured objects, drawn from a seed, with a label for the texture of the object or of both.

    Args:
        size: height and width in pixels.
        objects: in a scene: 1 has one label; 2 has one object or two in opposite halves, each in half of the scenes,
            and several labels. Two objects may have one shape or one texture.
        train, validation, calibration, test: scenes per role.
        radius: least and largest distance from the middle of an object to its corners, as shares of the side; uniform
            between them. Of two objects the largest is .23.
        foreground: a folder, a zip or a folder inside a zip, with a folder of images for each texture; these are the
            classes. Without it eight patterns are drawn.
        background: the same for what is behind the objects; without it six other patterns are drawn.
        seed: of the scenes, and of which role an image of a texture serves.
    Returns:
        The data set. Each object has its mask, exact to a pixel, its box and its class.
    Raises:
        DataError: where a value cannot be used, or a folder has not four images of a texture.
        ImageError: if an image of a texture cannot be read.
    """
    counts: dict[Role, int] = dict(zip(ROLES, (train, validation, calibration, test), strict=True))
    if min(counts.values()) < 1 or size < 16 or not 0.05 <= radius[0] <= radius[1] <= 0.5 - GAP:
        raise DataError(
            f"textures: 1 scene or more per role, 16 pixels or more, and a radius of two shares from .05 to {0.5 - GAP}"
            f" are needed; got {list(counts.values())}, {size} and {list(radius)}."
        )
    front = _drawn(FOREGROUND, size) if foreground is None else _cut(Path(foreground), size, seed)
    back = _drawn(BACKGROUND, size) if background is None else _cut(Path(background), size, seed)
    if twice := front.digests & back.digests:
        raise DataError(f"textures: {len(twice)} images are foreground and background; give folders of other images.")
    draw = _Draw(size, objects, radius, len(front.names), seed)
    task: Literal["single-label", "multi-label"] = "single-label" if objects == 1 else "multi-label"
    roles = {role: draw.scenes(role, counts[role], front.fills[role], back.fills[role]) for role in ROLES}
    spec = DataSpec(front.names, 3, size, size, task=task)
    notes = tuple(f"Texture images of {what}: {one.note}" for what, one in (("objects", front), ("backgrounds", back)))
    said = tuple(note for note, one in zip(notes, (front, back), strict=True) if one.note)
    return Source(spec, roles, Preprocessing(3, size, size), seed, said)


class _Textures(NamedTuple):
    """Textures by name, and for each role what draws each of them."""

    names: tuple[str, ...]
    fills: Mapping[Role, Sequence[Fill]]
    digests: frozenset[bytes] = frozenset()  # of the images that they are cut out of
    note: str = ""


def _drawn(patterns: Mapping[str, Pattern], size: int) -> _Textures:
    fills = [lambda numbers, own=own: draw_pattern(own, numbers, size) for own in patterns.values()]
    return _Textures(tuple(patterns), dict.fromkeys(ROLES, fills))


def _cut(path: Path, size: int, seed: int) -> _Textures:
    """Textures cut out of images, of which each role has its own."""
    place, images = _place(path), dict[str, dict[bytes, Pixels]]()
    for name in place.files():
        parts = name.split("/")
        if len(parts) > 1 and Path(name).suffix.lower() in SUFFIXES:
            digest = blake2b(read_bytes(place.file(name)), digest_size=16).digest()
            pixels = np.asarray(read_image(place.file(name)).convert("RGB"))
            images.setdefault(parts[-2], {})[digest] = _enlarged(pixels, size)
    names = tuple(sorted(images))
    if len(names) < 2 or (short := [name for name in names if len(images[name]) < len(ROLES)]):
        found = f"{short[0]!r} has {len(images[short[0]])}" if len(names) > 1 else f"found {list(names)}"
        raise DataError(f"{shown(path)}: two folders or more of four different images each are needed; {found}.")
    digests = [digest for own in images.values() for digest in own]
    if len(set(digests)) < len(digests):
        raise DataError(f"{shown(path)}: an image is in two folders of textures; leave it in one.")
    shared = {name: _shared(own, seed) for name, own in images.items()}
    fills = {role: [_cutter(shared[name][role], size) for name in names] for role in ROLES}
    counts = ", ".join(f"{sum(len(own[role]) for own in shared.values())} {role}" for role in ROLES)
    return _Textures(names, fills, frozenset(digests), f"{counts}; each serves one role.")


def _place(path: Path) -> Place:
    """A folder, a zip, or a folder inside a zip."""
    if os.path.isdir(path):
        return Place(path)
    archive = next((one for one in (path, *path.parents) if os.path.isfile(one)), None)
    if archive is None or not zipfile.is_zipfile(archive):
        raise DataError(f"{shown(path)}: there is no such folder or zip; give one with a folder for each texture.")
    inside = path.relative_to(archive).as_posix()
    with zipfile.ZipFile(archive) as opened:
        return Place(archive, "" if inside == "." else f"{inside}/", frozenset(opened.namelist()))


def _enlarged(pixels: Pixels, size: int) -> Pixels:
    """An image that is smaller than the scene goes on as its mirror image."""
    lacking = [(0, max(size - side, 0)) for side in pixels.shape[:2]]
    return np.pad(pixels, (*lacking, (0, 0)), "symmetric")


def _shared(images: Mapping[bytes, Pixels], seed: int) -> dict[Role, list[Pixels]]:
    """The images of one texture dealt out to the roles, one or more to each, in an order by a seeded hash."""
    order = sorted(images, key=lambda digest: blake2b(digest + str(seed).encode()).digest())
    counts = [1 + more for more in apportioned(SHARES, len(order) - len(ROLES))]
    ends = np.cumsum(counts).tolist()
    return {
        role: [images[digest] for digest in order[end - count : end]]
        for role, count, end in zip(ROLES, counts, ends, strict=True)
    }


def _cutter(images: Sequence[Pixels], size: int) -> Fill:
    def cut(numbers: Floats) -> Pixels:
        image = images[int(numbers[0] * len(images))]
        top, left = (int(numbers[n + 1] * (image.shape[n] - size + 1)) for n in (0, 1))
        return image[top : top + size, left : left + size]

    return cut


class _Object(NamedTuple):
    shape: int
    label: int
    mask: NDArray[np.bool_]


class _Draw(NamedTuple):
    """How scenes are drawn; see `textures`."""

    size: int
    objects: int
    radius: tuple[float, float]
    classes: int
    seed: int

    def scenes(self, role: Role, count: int, front: Sequence[Fill], back: Sequence[Fill]) -> Scenes:
        """The scenes of a role."""
        first = _STREAMS * ROLES.index(role)
        layout = uniform(self.seed, first, 0, count, _LAYOUT)
        images = np.empty((count, self.size, self.size, 3), np.uint8)
        placed = [self.lay_out(numbers) for numbers in layout]
        for row, own in enumerate(placed):
            fills = uniform(self.seed, first + 1, 2 * row, 2, NUMBERS)
            behind = uniform(self.seed, first + 2, row, 1, NUMBERS)[0]
            images[row] = back[int(layout[row, 0] * len(back))](behind)
            for one, numbers in zip(own, fills, strict=False):
                images[row][one.mask] = front[one.label](numbers)[one.mask]
        labels = torch.zeros(count, self.classes)
        for row, own in enumerate(placed):
            labels[row, [one.label for one in own]] = 1
        held = Scenes(
            torch.from_numpy(images).permute(0, 3, 1, 2),
            labels.argmax(1) if self.objects == 1 else labels,
            objects=[[_instance(one) for one in own] for own in placed],
            names="scene",
        )
        held.shapes = tuple(tuple(one.shape for one in own) for own in placed)
        return held

    def lay_out(self, numbers: Floats) -> list[_Object]:
        """What is where in a scene."""
        two = self.objects == 2 and numbers[1] < 0.5
        across, swapped = numbers[2] < 0.5, numbers[3] < 0.5
        found = []
        for place in range(1 + two):
            own = numbers[4 + 8 * place : 12 + 8 * place]
            low, high = self.radius
            if two:
                high = min(high, 0.25 - GAP)
                low = min(low, high)
            radius = low + (high - low) * own[0]
            ends = [(GAP + radius, 1 - GAP - radius)] * 2
            if two:
                start = 0.5 * (place != swapped)
                ends[int(across)] = (start + radius + GAP / 2, start + 0.5 - radius - GAP / 2)
            x, y = (first + (last - first) * share for (first, last), share in zip(ends, own[1:3], strict=True))
            shape, label = int(own[3] * len(SHAPES)), int(own[4] * self.classes)
            found.append(_Object(shape, label, self.mask(SHAPES[shape], (x, y, radius), own[5])))
        return found

    def mask(self, shape: str, circle: tuple[float, float, float], turn: float) -> NDArray[np.bool_]:
        """Where a shape is, by the middle of each pixel."""
        x, y, radius = circle
        corners = _corners(shape)
        cos, sin = (float(np.round(part, 9)) for part in (np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)))
        turned = corners @ np.array([[cos, sin], [-sin, cos]])
        outline = (turned * radius + [x, y]).ravel() * self.size
        sheet = Outlines((tuple(outline.tolist()),)).sheet((self.size, self.size))
        return np.asarray(sheet) > 0


def _instance(one: _Object) -> Instance:
    mask = torch.from_numpy(one.mask.astype(np.uint8) * np.uint8(255))
    x0, y0, x1, y1 = map(float, boxes_around(mask[None, None])[0].tolist())
    return Instance((x0, y0, x1, y1), mask, one.label)


def _corners(shape: str) -> Floats:
    """(n, 2) the corners of a shape inside a circle of radius 1."""
    if shape == "cross":
        arm = 0.33
        near, far = arm, float(np.round(np.sqrt(1 - arm**2), 9))
        quarter = np.array([(far, -near), (far, near), (near, near)])
        turns = [quarter, quarter @ [[0, 1], [-1, 0]], -quarter, quarter @ [[0, -1], [1, 0]]]
        return np.concatenate(turns)
    count = {"circle": 40, "triangle": 3, "square": 4, "pentagon": 5, "hexagon": 6, "heart": 40, "star": 10}[shape]
    angle = 2 * np.pi * np.arange(count) / count
    if shape == "heart":
        x, y = np.sin(angle) ** 3, (13 * np.cos(angle) - 5 * np.cos(2 * angle) - 2 * np.cos(3 * angle)) / 17
        return np.round(np.stack([x, -y], 1) / 1.15, 9)
    reach = np.where(np.arange(count) % 2, 0.45, 1.0) if shape == "star" else np.ones(count)
    corners: Floats = np.round(np.stack([np.cos(angle), np.sin(angle)], 1) * reach[:, None], 9)
    return corners
