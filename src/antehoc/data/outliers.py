"""Images of no known class, to see whether a model questions them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from antehoc.data import shapes
from antehoc.data.examples import Examples, Tensors
from antehoc.data.idx import unknowns
from antehoc.data.images import Preprocessing
from antehoc.errors import RecipeError, near_miss

NOISE = "noise"
BUILT_IN = (NOISE, *shapes.STRANGE, "parallelogram")


def outliers(
    name: str, preprocessing: Preprocessing, *, count: int, seed: int, variant: shapes.Variant = "centred"
) -> Examples:
    """Built-in images of no known class, at a model's size.

    Args:
        name: `noise` (every pixel uniform over 0..255), or a strange shape by its kind.
        preprocessing: the model's.
        count: how many.
        seed: of the series.
        variant: where a strange shape stands.
    Raises:
        RecipeError: an unknown name, or shapes for a model whose images are not square.
    """
    size = (preprocessing.channels, preprocessing.height, preprocessing.width)
    if name == NOISE:
        generator = torch.Generator().manual_seed(seed)
        images = torch.randint(256, (count, *size), generator=generator, dtype=torch.uint8)
    elif name in BUILT_IN:
        if preprocessing.height != preprocessing.width:
            raise RecipeError(f"outliers {name!r} are square, and the model's images are {size[1]}x{size[2]}.")
        drawing = shapes.draw(name, seed=seed, count=count, variant=variant, side=preprocessing.height)
        images = torch.from_numpy(np.repeat(drawing.image[:, None], preprocessing.channels, 1))
    else:
        raise RecipeError(f"no outliers are called {name!r}.{near_miss(name, BUILT_IN)} Known: {', '.join(BUILT_IN)}.")
    return Tensors(images, torch.zeros(count, dtype=torch.long), torch.zeros(count, 0))


def open_outliers(
    path: Path,
    preprocessing: Preprocessing,
    *,
    limit: int | None = None,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Examples:
    """Images of no known class from disk: a folder, a zip, or an idx set such as MNIST (`--ood NAME=PATH`).

    `limit`, `only` and `exclude` choose among them; see `unknowns`.
    """
    return unknowns(path, preprocessing, limit=limit, only=only, exclude=exclude)
