"""`shapes`: 64x64 gray images of one black shape on white, drawn from a seed, with five attributes.

Images are those of `antehoc.data.drawn`. Which role an image plays is taken from a hash of its bytes: two equal images
always share a role.

Source: "An auxiliary explanations network" (the thesis), section 3.3.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch

from antehoc.data.drawn import Edges, Sizes, Variant, draw, numbers
from antehoc.data.examples import Examples, Tensors
from antehoc.data.outliers import KINDS as UNKNOWN
from antehoc.data.outliers import maker
from antehoc.data.preprocessing import Preprocessing
from antehoc.data.series import Arrays, Floats, fill_roles, share
from antehoc.data.source import Source
from antehoc.errors import DataError
from antehoc.types import ROLES, DataSpec, Role

CLASSES = ("circle", "rectangle", "square", "triangle")
ATTRIBUTES = ("no vertices", "three vertices", "four vertices", "opposite edges parallel", "all edges equal")
EXCLUSIVE = ((0, 1, 2),)  # none, three or four vertices
CLASS_ATTRIBUTES = ((1, 0, 0, 0, 0), (0, 0, 1, 1, 0), (0, 0, 1, 1, 1), (0, 1, 0, 0, 1))


def shapes(
    *,
    seed: int,
    variant: Variant = "centred",
    train: int = 6000,
    validation: int = 3000,
    calibration: int = 24_000,
    test: int = 60_000,
    side: int = 64,
    sizes: Sizes = "continuous",
    edges: Edges = "soft",
    split: Literal["hash", "random"] = "hash",
) -> Source:
    """The data set `shapes`: circle, rectangle, square and triangle with their five attributes, as many as you ask for.

    Args:
        seed: of the series.
        variant: `centred` or `free` (see `draw`).
        train, validation, calibration, test: images per role, the classes in equal parts.
        side: height and width in pixels.
        sizes: `whole` is a fault of the originals (see `draw`).
        edges: `hard`: black and white shapes, turned by bilinear interpolation, as the originals' (see `draw`).
        split: `hash` takes an image's role from its bytes, so that duplicates share a role; `random` is a fault of the
            originals: duplicates may play two roles, which the source then allows.
    Raises:
        DataError: where a role has fewer than one image per class.
    """
    counts: dict[Role, int] = {"train": train, "validation": validation, "calibration": calibration, "test": test}
    if side < 8:
        raise DataError(f"shapes: images need a side of 8 pixels or more; got {side}.")
    for role, count in counts.items():
        if count < len(CLASSES):
            raise DataError(f"shapes: role {role!r} needs {len(CLASSES)} images or more, one per class; got {count}.")
    wanted = {role: counts[role] // len(CLASSES) for role in ROLES}
    look = {"variant": variant, "side": side, "sizes": sizes, "edges": edges}
    parts = [_by_role(kind, wanted, seed=seed, by_bytes=split == "hash", look=look) for kind in CLASSES]
    roles: dict[Role, Examples] = {}
    for role in ROLES:
        label = torch.arange(len(CLASSES)).repeat_interleave(wanted[role])
        images = torch.from_numpy(np.concatenate([part[role][0] for part in parts]))[:, None]
        roles[role] = Tensors(images, label, torch.tensor(CLASS_ATTRIBUTES, dtype=torch.float32)[label])
    frame = Preprocessing(1, side, side)
    return Source(
        spec(side),
        roles,
        frame,
        seed,
        own_unknown={kind: maker(kind, frame, variant=variant, edges=edges) for kind in UNKNOWN},
        shared_images_allowed=split == "random",
    )


def spec(side: int = 64) -> DataSpec:
    """What a model must know of the data set `shapes`."""
    matrix = tuple(tuple(float(value) for value in row) for row in CLASS_ATTRIBUTES)
    return DataSpec(CLASSES, 1, side, side, ATTRIBUTES, matrix, EXCLUSIVE)


def _by_role(
    kind: str, wanted: Mapping[Role, int], *, seed: int, by_bytes: bool, look: Mapping[str, Any]
) -> dict[Role, Arrays]:
    """Draw one class until every role has its number of images."""

    def chance(drawn: Arrays, start: int) -> Floats:
        if by_bytes:
            return share(drawn[0])
        return numbers(kind, seed=seed + 1, start=start, count=len(drawn[0]))[:, -1]

    return fill_roles(
        wanted, lambda start, count: (draw(kind, seed=seed, start=start, count=count, **look).image,), chance
    )
