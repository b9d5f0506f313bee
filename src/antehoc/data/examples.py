"""Labelled images: held in memory or read from files, and fetched a batch at a time."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from hashlib import blake2b
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from antehoc.data.archives import FileSource, read_bytes
from antehoc.data.class_maps import ClassMap
from antehoc.data.images import mask_to_tensor, read_image, to_tensor
from antehoc.data.instances import Instance, Objects, drawn_objects, one_each
from antehoc.data.located import Located, Sheet
from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import DataError
from antehoc.types import Batch

E = TypeVar("E", bound="Examples")

THREADS = min(8, os.cpu_count() or 1)  #: that decode images: Pillow releases the interpreter lock while it decodes


@runtime_checkable
class Fetched(Protocol):
    """Labelled images, or what was made of them: how many, their labels and attributes, and any of them as a batch."""

    labels: Tensor
    attributes: Tensor

    def __len__(self) -> int: ...
    def batch(self, indices: Sequence[int]) -> Batch: ...


class Examples(Located, Dataset[Batch], ABC):
    """Images with their labels and attributes, in a fixed order.

    A torch `DataLoader` with an identity `collate_fn` fetches whole batches from it.

    Attributes:
        labels: (n,) int64, numbers into the classes; with several labels per image, (n, K) float32 of 0 and 1.
        labels_known: whether the labels say what the images show. They are zeros that mean nothing where it is False.
        attributes: (n, N) in 0..1; (n, 0) where there are none.
        groups: the name of each image's group, empty where it has none; None where the data know no groups. Images of
            a group show one object, patient or place, and are never used to judge a network trained on the others.
    """

    labels: Tensor
    attributes: Tensor
    groups: tuple[str, ...] | None = None

    def __init__(
        self, count: int, labels: Tensor | None, attributes: Tensor | None, objects: Objects | None = None
    ) -> None:
        self.labels_known = labels is not None
        self.labels = torch.zeros(count, dtype=torch.int64) if labels is None else _as_labels(labels)
        self.attributes = torch.zeros(count, 0) if attributes is None else attributes.to(torch.float32)
        self._objects = objects
        one, many = self.labels.shape == (count,), self.labels.ndim == 2 and len(self.labels) == count
        if not (one or many) or self.attributes.ndim != 2 or len(self.attributes) != count:
            raise DataError(
                f"{count} images need as many labels, class numbers (n,) or 0 and 1 (n, K), and rows of attributes "
                f"(n, N); got {tuple(self.labels.shape)} and {tuple(self.attributes.shape)}."
            )
        if objects is not None and len(objects) != count:
            raise DataError(f"{count} images need as many lists of objects; got {len(objects)}.")

    @abstractmethod
    def images(self, indices: Sequence[int]) -> Tensor:
        """Images (B, C, H, W), float32 in 0..1."""

    @abstractmethod
    def names(self, indices: Sequence[int]) -> list[str]:
        """What a person may call these images: their paths, or a kind and a number."""

    @abstractmethod
    def content_hashes(self) -> list[bytes]:
        """A hash of each image's bytes, as they are stored: equal ones for equal images."""

    @abstractmethod
    def select(self, indices: Sequence[int]) -> "Examples":
        """These images alone, in this order."""

    def batch(self, indices: Sequence[int]) -> Batch:
        """These images, in this order, with their labels, attributes, masks and valid pixels.

        Raises:
            ImageError: if one of them cannot be read.
        """
        rows = torch.as_tensor(indices, dtype=torch.int64)
        image, label, attributes = self.images(indices), self.labels[rows], self.attributes[rows]
        mask, valid = self._seen(indices)
        return Batch(image, label, attributes, mask=mask, valid=valid)

    def _selected(self: E, indices: Sequence[int]) -> E:
        """A copy with the labels, attributes and objects of these images; what else belongs to them is still whole."""
        rows = torch.as_tensor(indices, dtype=torch.int64)
        chosen = copy(self)
        chosen.labels, chosen.attributes = self.labels[rows], self.attributes[rows]
        chosen._objects = None if self._objects is None else tuple(self._objects[index] for index in indices)
        chosen._maps = None if self._maps is None else tuple(self._maps[index] for index in indices)
        chosen.groups = None if self.groups is None else tuple(self.groups[index] for index in indices)
        return chosen

    def without_labels(self: E) -> E:
        """The same images, of no known class."""
        same = self._selected(range(len(self)))
        same.labels, same.labels_known = torch.zeros(len(self), dtype=torch.int64), False
        same._objects = same._objects and tuple(tuple(o._replace(label=None) for o in own) for own in same._objects)
        return same

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Batch:
        return self.batch([index])

    def __getitems__(self, indices: list[int]) -> Batch:
        return self.batch(indices)


class Tensors(Examples):
    """Images in memory, 8 bits a value, with or without the objects in each."""

    def __init__(
        self,
        image: Tensor,
        labels: Tensor | None = None,
        attributes: Tensor | None = None,
        *,
        masks: Tensor | None = None,
        objects: Sequence[Sequence[Instance]] | None = None,
        names: str | Sequence[str] = "image",
        preprocessing: Preprocessing | None = None,
    ) -> None:
        """Hold images.

        Args:
            image: (n, C, H, W) uint8.
            labels: (n,) numbers into the classes, or (n, K) of 0 and 1; zeros where they are not known.
            attributes: (n, N) in 0..1; without them N is 0.
            masks: (n, 1, H, W) uint8, 255 where the object is: of one object each, or none where the mask is black.
            objects: of each image, where there may be several; instead of `masks`.
            names: one name for each image, or a kind: image 7 is then called "kind #7".
            preprocessing: what each image goes through when it is fetched; without it images pass as they are.
        Raises:
            DataError: if the parts do not line up.
        """
        if image.ndim != 4 or image.dtype != torch.uint8:
            raise DataError(f"images in memory must be uint8 (n, C, H, W); got {image.dtype} {tuple(image.shape)}.")
        if masks is not None and (masks.shape != (len(image), 1, *image.shape[2:]) or masks.dtype != torch.uint8):
            raise DataError(
                f"masks of images {tuple(image.shape)} must be uint8 (n, 1, H, W), as large as these; got "
                f"{masks.dtype} {tuple(masks.shape)}."
            )
        super().__init__(len(image), labels, attributes, _listed(objects, masks))
        if masks is not None:
            self._objects = drawn_objects(masks.contiguous(), self.labels if self.labels_known else None)
        _check_masks(self._objects or (), tuple(image.shape[2:]))
        self.image = image.contiguous()
        self._names = names
        self._preprocessing = preprocessing

    def images(self, indices: Sequence[int]) -> Tensor:
        picked = self.image[torch.as_tensor(indices, dtype=torch.int64)]
        if self._preprocessing is None or not len(picked):
            return picked.float().div_(255)  # in place: a second copy of a batch costs as much as its fetch
        pictures = picked.permute(0, 2, 3, 1).squeeze(3).numpy()  # squeeze: Pillow takes gray as (H, W)
        return torch.stack([to_tensor(Image.fromarray(picture), self._preprocessing) for picture in pictures])

    def _drawn(self, sheets: Sequence[tuple[int, Sheet]]) -> Tensor:
        height, width = self.image.shape[2:]
        frame = self._preprocessing
        if not len(sheets):
            return torch.zeros(0, 1, *((frame.height, frame.width) if frame else (height, width)))
        drawn = [draw((width, height)) for _, draw in sheets]
        if frame is None:
            return torch.stack([torch.from_numpy(np.array(sheet))[None] for sheet in drawn]).float() / 255
        return torch.stack([mask_to_tensor(sheet, frame) for sheet in drawn])

    def names(self, indices: Sequence[int]) -> list[str]:
        if isinstance(self._names, str):
            return [f"{self._names} #{index}" for index in indices]
        return [self._names[index] for index in indices]

    def content_hashes(self) -> list[bytes]:
        return [blake2b(picture, digest_size=16).digest() for picture in self.image.numpy()]

    def select(self, indices: Sequence[int]) -> "Tensors":
        chosen = self._selected(indices)
        chosen.image = self.image[torch.as_tensor(indices, dtype=torch.int64)]
        chosen._names = self.names(indices)
        return chosen


class Files(Examples):
    """Image files, decoded by a few threads when they are fetched.

    Attributes:
        paths: where each image lies.
        parts: (n, P, 3) x, y in pixels of the upright file, and 1 where the part is visible, else 0; None where not
            given.
        part_names: what each of the P parts is called.
        preprocessing: how each becomes what the model takes.
    """

    def __init__(
        self,
        paths: Sequence[FileSource],
        preprocessing: Preprocessing,
        labels: Tensor | None = None,
        attributes: Tensor | None = None,
        *,
        boxes: Tensor | None = None,
        masks: Sequence[FileSource] | None = None,
        objects: Sequence[Sequence[Instance]] | None = None,
        parts: Tensor | None = None,
        part_names: Sequence[str] = (),
        groups: Sequence[str] | None = None,
        maps: Sequence[ClassMap | None] | None = None,
    ) -> None:
        """Hold paths; no file is opened.

        Args:
            paths: of the image files; they may be members of zip archives.
            preprocessing: how each becomes what the model takes.
            labels: (n,) numbers into the classes, or (n, K) of 0 and 1; zeros where they are not known.
            attributes: (n, N) in 0..1; without them N is 0.
            boxes: (n, 4) x0, y0, x1, y1 of one object each, in pixels of the upright files, before preprocessing.
            masks: the path of the mask of one object each, as large as the image and white where the object is.
            objects: of each image, where there may be several; instead of `boxes` and `masks`.
            parts: (n, P, 3), x and y in pixels of the files, and whether the part is visible.
            part_names: of the P parts.
            groups: the name of each image's group, empty where it has none.
            maps: the class of every pixel of each image, or None where that is not known; it overrides the objects.
        Raises:
            DataError: if the parts do not line up.
        """
        if maps is not None and len(maps) != len(paths):
            raise DataError(f"{len(paths)} images need as many maps of classes, or none; got {len(maps)}.")
        if (boxes is not None and boxes.shape != (len(paths), 4)) or (masks is not None and len(masks) != len(paths)):
            raise DataError(f"{len(paths)} images need as many boxes (n, 4) and masks, or none.")
        if groups is not None and len(groups) != len(paths):
            raise DataError(f"{len(paths)} images need as many groups, or none; got {len(groups)}.")
        super().__init__(len(paths), labels, attributes, _listed(objects, boxes, masks))
        if parts is not None and parts.shape != (len(paths), len(part_names), 3):
            raise DataError(
                f"{len(paths)} images and {len(part_names)} part names need parts of the shape (n, P, 3); "
                f"got {tuple(parts.shape)}."
            )
        if objects is None:
            self._objects = one_each(len(paths), boxes, masks, self.labels if self.labels_known else None)
        self.paths = tuple(paths)
        self.groups = None if groups is None else tuple(groups)
        self._maps = None if maps is None else tuple(maps)
        self.parts = parts
        self.part_names = tuple(part_names)
        self.preprocessing = preprocessing
        self._hashes: list[bytes] | None = None
        self._sizes: dict[int, tuple[int, int]] = {}  # width and height of the images that were read

    def images(self, indices: Sequence[int]) -> Tensor:
        if not len(indices):
            return torch.zeros(0, self.preprocessing.channels, self.preprocessing.height, self.preprocessing.width)
        with ThreadPoolExecutor(THREADS) as pool:
            return torch.stack(list(pool.map(self._image, indices)))

    def _drawn(self, sheets: Sequence[tuple[int, Sheet]]) -> Tensor:
        if not len(sheets):
            return torch.zeros(0, 1, self.preprocessing.height, self.preprocessing.width)
        with ThreadPoolExecutor(THREADS) as pool:
            return torch.stack(list(pool.map(lambda one: self._framed(*one), sheets)))

    def _image(self, index: int) -> Tensor:
        picture = read_image(self.paths[index])
        self._sizes[int(index)] = picture.size
        return to_tensor(picture, self.preprocessing)

    def _framed(self, index: int, draw: Sheet) -> Tensor:
        size = self._sizes.get(int(index)) or read_image(self.paths[index]).size
        return mask_to_tensor(draw(size), self.preprocessing)

    def names(self, indices: Sequence[int]) -> list[str]:
        return [str(self.paths[index]) for index in indices]

    def content_hashes(self) -> list[bytes]:
        """A hash of each file's bytes; every file is read once, the first time.

        Raises:
            ImageError: if one of them cannot be read.
        """
        if self._hashes is None:
            with ThreadPoolExecutor(THREADS) as pool:
                self._hashes = list(pool.map(_content_hash, self.paths))
        return self._hashes

    def select(self, indices: Sequence[int]) -> "Files":
        chosen = self._selected(indices)
        chosen.paths = tuple(self.paths[index] for index in indices)
        chosen.parts = None if self.parts is None else self.parts[torch.as_tensor(indices, dtype=torch.int64)]
        chosen._hashes = None if self._hashes is None else [self._hashes[index] for index in indices]
        chosen._sizes = {}
        return chosen


def _as_labels(labels: Tensor) -> Tensor:
    """Class numbers as int64; labels of which an image has several as float32."""
    if labels.ndim != 2:
        return labels.to(torch.int64)
    if not bool(((labels == 0) | (labels == 1)).all()):
        raise DataError("several labels per image, (n, K), are 0 or 1 each; got another value.")
    return labels.to(torch.float32)


def _listed(objects: Sequence[Sequence[Instance]] | None, *others: object) -> Objects | None:
    if objects is not None and any(other is not None for other in others):
        raise DataError("objects hold boxes and masks themselves; give either the objects or boxes and masks.")
    return None if objects is None else tuple(tuple(own) for own in objects)


def _check_masks(objects: Objects, shape: tuple[int, ...]) -> None:
    """Refuse masks in memory that are not as large as the images."""
    for mask in (one.mask for own in objects for one in own if isinstance(one.mask, Tensor)):
        if mask.shape != shape or mask.dtype != torch.uint8:
            raise DataError(
                f"the mask of an object must be uint8 (H, W), as large as its image {shape}; got {mask.dtype} "
                f"{tuple(mask.shape)}."
            )


def _content_hash(path: FileSource) -> bytes:
    return blake2b(read_bytes(path), digest_size=16).digest()
