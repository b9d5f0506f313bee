"""The objects in an image, each with a box, a mask and a class, and where all of them together are."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from PIL import Image, ImageChops
from torch import Tensor

from antehoc.data.archives import FileSource
from antehoc.data.images import read_image
from antehoc.data.outlines import Outlines, RunLengths
from antehoc.errors import DataError, shown

Box: TypeAlias = tuple[float, float, float, float]


class Instance(NamedTuple):
    """One object in an image. Where it has a mask, that says where it is; else its box does, filled."""

    box: Box | None = (
        None  #: x0, y0, x1, y1 in pixels of the upright file, or of the image as held; far edges exclusive
    )
    #: as large as the image: a file, uint8 (H, W) with 255 where the object is, or outlines that are filled
    mask: FileSource | Tensor | Outlines | RunLengths | None = None
    label: int | None = None  #: its class, a number into the classes


Objects: TypeAlias = tuple[tuple[Instance, ...], ...]  #: of each image


def one_each(
    count: int,
    boxes: Tensor | None = None,
    masks: Sequence[FileSource] | Sequence[Tensor] | None = None,
    labels: Tensor | None = None,
) -> Objects | None:
    """One object for each image; None where there are neither boxes nor masks.

    Args:
        count: of the images.
        boxes: (n, 4) x0, y0, x1, y1 in pixels.
        masks: of each image.
        labels: (n,) the class of each image, which is its object's; labels of another shape name no object.
    """
    if boxes is None and masks is None:
        return None
    edges = [None] * count if boxes is None else [tuple(box) for box in boxes.tolist()]
    own = [None] * count if masks is None else masks
    classes = [None] * count if labels is None or labels.ndim != 1 else labels.tolist()
    return tuple((Instance(*parts),) for parts in zip(edges, own, classes, strict=True))


def drawn_objects(masks: Tensor, labels: Tensor | None) -> Objects:
    """One object for each image whose mask is not black, with the box around it.

    Args:
        masks: (n, 1, H, W) uint8, 255 where the object is.
        labels: (n,) the class of each image.
    """
    there = masks.flatten(1).any(1).tolist()
    found = one_each(len(masks), boxes_around(masks), list(masks[:, 0]), labels) or ()
    return tuple(own if holds else () for own, holds in zip(found, there, strict=True))


def boxes_around(masks: Tensor) -> Tensor:
    """(n, 4) x0, y0, x1, y1 around what is above 0 in masks (n, 1, H, W), far edges exclusive; zeros for nothing."""
    there = masks[:, 0] > 0
    columns, rows = there.any(1).long(), there.any(2).long()  # argmax gives the first of equals
    starts = [side.argmax(1) for side in (columns, rows)]
    ends = [(side.shape[1] - side.flip(1).argmax(1)) * side.amax(1) for side in (columns, rows)]
    return torch.stack(starts + ends, 1)


def first_boxes(objects: Objects | None) -> Tensor | None:
    """(n, 4) the box of each image's first object that has one, zeros where none has; None where no object has."""
    if objects is None or not any(one.box for own in objects for one in own):
        return None
    return torch.tensor([next((one.box for one in own if one.box), (0.0,) * 4) for own in objects])


def union(objects: Sequence[Instance], size: tuple[int, int]) -> Image.Image:
    """Where the objects of one image are: mode L, 255 on every object and 0 elsewhere.

    Masks in memory keep their levels; where two overlap, the higher one counts.

    Args:
        objects: of the image.
        size: its width and height in pixels.
    Raises:
        ImageError: if a mask cannot be read.
        DataError: if a mask has not the size of its image, or is not white where the object is.
    """
    sheet = Image.new("L", size)
    for one in objects:
        if isinstance(one.mask, Tensor):
            sheet = ImageChops.lighter(sheet, Image.fromarray(one.mask.numpy()))
        elif isinstance(one.mask, Outlines | RunLengths):
            sheet = ImageChops.lighter(sheet, one.mask.sheet(size))
        elif one.mask is not None:
            sheet = ImageChops.lighter(sheet, _read_mask(one.mask, size))
        elif one.box is not None:
            x0, y0, x1, y1 = (round(edge) for edge in one.box)
            sheet.paste(255, (x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)))
    return sheet


def _read_mask(path: FileSource, size: tuple[int, int]) -> Image.Image:
    """A mask file in mode L, 255 where it is 128 or more and else 0."""
    mask = read_image(path).convert("L")
    if mask.size != size:
        raise DataError(
            f"{shown(path)}: a mask must be as large as its image, {size[0]}x{size[1]} pixels; got "
            f"{mask.width}x{mask.height}."
        )
    if 0 < (top := np.asarray(mask).max()) < 128:
        raise DataError(
            f"{shown(path)}: a mask is white (128 to 255) where the object is and black elsewhere; its brightest "
            f"pixel is {top}."
        )
    return mask.point(lambda level: 255 if level >= 128 else 0)
