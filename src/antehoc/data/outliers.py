"""Images of no known class, to see whether a model questions them: drawn from a seed, or opened from disk."""

import os
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from antehoc.data.altered import ALTERATIONS, altered
from antehoc.data.archives import named_images
from antehoc.data.drawn import STRANGE, Edges, Variant, draw
from antehoc.data.examples import Examples, Files, Tensors
from antehoc.data.idx import idx_files, idx_images
from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import DataError, RecipeError, near_miss, shown
from antehoc.seeds import mix

Maker: TypeAlias = Callable[[int, int], Examples]  #: how many images at most, and the seed of the run

NOISE = "noise"
KINDS = (*STRANGE, "parallelogram")  #: strange shapes
BUILT_IN = (NOISE, *KINDS)


def built_in(preprocessing: Preprocessing, test: Examples | None) -> Mapping[str, Maker]:
    """What any data set can make to be questioned, by kind: noise, strange shapes, altered test images of files.

    Args:
        preprocessing: the model's.
        test: images of the test role, if there are any.
    """
    makers: dict[str, Maker] = {kind: maker(kind, preprocessing) for kind in BUILT_IN}
    if isinstance(test, Files):
        makers |= {kind: partial(_some_altered, kind, test) for kind in ALTERATIONS}
    return makers


def maker(kind: str, preprocessing: Preprocessing, *, variant: Variant = "centred", edges: Edges = "soft") -> Maker:
    """What makes images of a built-in kind; see `outliers`."""
    return partial(_made, kind, preprocessing, variant, edges)


def outliers(
    name: str,
    preprocessing: Preprocessing,
    *,
    count: int,
    seed: int,
    variant: Variant = "centred",
    edges: Edges = "soft",
) -> Examples:
    """Built-in images of no known class, at a model's size.

    Args:
        name: `noise` (every pixel uniform over 0..255), or a strange shape by its kind.
        preprocessing: the model's.
        count: how many.
        seed: of the series.
        variant: where a strange shape stands; see `drawn.draw`.
        edges: of a strange shape; see `drawn.draw`.
    Raises:
        RecipeError: an unknown name, or shapes for a model whose images are not square.
    """
    size = (preprocessing.channels, preprocessing.height, preprocessing.width)
    if name == NOISE:
        generator = torch.Generator().manual_seed(seed)
        images = torch.randint(256, (count, *size), generator=generator, dtype=torch.uint8)
    elif name in KINDS:
        if preprocessing.height != preprocessing.width:
            raise RecipeError(f"outliers {name!r} are square, and the model's images are {size[1]}x{size[2]}.")
        drawing = draw(name, seed=seed, count=count, variant=variant, side=preprocessing.height, edges=edges)
        images = torch.from_numpy(np.repeat(drawing.image[:, None], preprocessing.channels, 1))
    else:
        raise RecipeError(f"no outliers are called {name!r}.{near_miss(name, BUILT_IN)} Known: {', '.join(BUILT_IN)}.")
    return Tensors(images)


def open_outliers(
    path: str | Path,
    preprocessing: Preprocessing,
    *,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Examples:
    """Images of no known class from disk (`--ood NAME=PATH`), brought to the model's size.

    Gray levels stay as they are: MNIST's white on black is not inverted for a model that knows black on white.

    Args:
        path: a folder in the format of MNIST (its test images are used) or an idx file; a folder of images, at any
            depth; or a zip archive of images.
        preprocessing: of the model.
        only: take only the images whose name inside the folder or archive fits one of these patterns, such as
            `images/*`; `*` is any text including slashes, `?` one character, `[0-5]` for one of several, and
            capitals count. Without a pattern all are taken.
        exclude: of these, leave out the images whose name fits one of these patterns.
    Returns:
        The images, read when they are fetched.
    Raises:
        DataError: if there is none, or a pattern fits none.
    """
    path = Path(path)
    if idx_files(path) or (os.path.isfile(path) and not zipfile.is_zipfile(path)):
        if only or exclude:
            raise DataError(f"{shown(path)}: images in an idx file have no names for {[*only, *exclude]} to fit.")
        images = torch.from_numpy(idx_images(path))[:, None]
        return Tensors(images, names=path.resolve().name, preprocessing=preprocessing)
    named = named_images(path)
    chosen = (_fitting(named, only, path) if only else set(named)) - _fitting(named, exclude, path)
    if not chosen:
        raise DataError(f"{shown(path)}: only {[*only]} without {[*exclude]} leaves none of its {len(named)} images.")
    return Files([image for name, image in named.items() if name in chosen], preprocessing)


def _made(kind: str, preprocessing: Preprocessing, variant: Variant, edges: Edges, count: int, seed: int) -> Examples:
    return outliers(kind, preprocessing, count=count, seed=mix(seed, 3), variant=variant, edges=edges)


def _some_altered(kind: str, test: Files, count: int, seed: int) -> Examples:
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(mix(seed, 6)))
    return altered(kind, test.select(order[:count].tolist()), seed=mix(seed, 3))


def _fitting(names: Iterable[str], patterns: Sequence[str], path: Path) -> set[str]:
    """The names that fit one of the patterns or more."""
    found: set[str] = set()
    for pattern in patterns:
        if not (fits := {name for name in names if fnmatchcase(name, pattern)}):
            raise DataError(f"{shown(path)}: no image's name fits {pattern!r}; the first is {next(iter(names))!r}.")
        found |= fits
    return found
