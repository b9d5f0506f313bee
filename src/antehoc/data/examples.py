"""Labelled images: held in memory or read from files, fetched a batch at a time, and the data set they make up."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from antehoc.data.images import FileSource, Preprocessing, mask_to_tensor, read_bytes, read_image, shown, to_tensor
from antehoc.errors import DataError
from antehoc.types import Batch, DataSpec, Role

THREADS = min(8, os.cpu_count() or 1)  #: that decode images: Pillow lets go of the interpreter lock while it decodes


@runtime_checkable
class Fetched(Protocol):
    """Labelled images, or what was made of them: how many, their labels and attributes, and any of them as a batch."""

    labels: Tensor
    attributes: Tensor

    def __len__(self) -> int: ...
    def batch(self, indices: Sequence[int]) -> Batch: ...


class Examples(Dataset[Batch], ABC):
    """Images with their labels and attributes, in a fixed order.

    A torch `DataLoader` with an identity `collate_fn` fetches whole batches from it.

    Attributes:
        labels: (n,) int64, numbers into the classes.
        attributes: (n, N) in 0..1; (n, 0) where there are none.
    """

    labels: Tensor
    attributes: Tensor

    def __init__(self, count: int, labels: Tensor | None, attributes: Tensor | None) -> None:
        self.labels = torch.zeros(count, dtype=torch.int64) if labels is None else labels.to(torch.int64)
        self.attributes = torch.zeros(count, 0) if attributes is None else attributes.to(torch.float32)
        if self.labels.shape != (count,) or self.attributes.ndim != 2 or len(self.attributes) != count:
            raise DataError(
                f"{count} images need as many labels (n,) and rows of attributes (n, N); "
                f"got {tuple(self.labels.shape)} and {tuple(self.attributes.shape)}."
            )

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

    def object_masks(self, indices: Sequence[int]) -> Tensor | None:
        """Where the object is in each image, (B, 1, H, W) in 0..1; None where the data do not say."""
        return None

    def batch(self, indices: Sequence[int]) -> Batch:
        """These images, in this order, with their labels, attributes and masks.

        Raises:
            ImageError: if one of them cannot be read.
        """
        rows = torch.as_tensor(indices, dtype=torch.int64)
        return Batch(self.images(indices), self.labels[rows], self.attributes[rows], mask=self.object_masks(indices))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Batch:
        return self.batch([index])

    def __getitems__(self, indices: list[int]) -> Batch:
        return self.batch(indices)


class Tensors(Examples):
    """Images in memory, 8 bits a value, with or without a mask of the object in each."""

    def __init__(
        self,
        image: Tensor,
        labels: Tensor | None = None,
        attributes: Tensor | None = None,
        *,
        masks: Tensor | None = None,
        names: str | Sequence[str] = "image",
        preprocessing: Preprocessing | None = None,
    ) -> None:
        """Hold images.

        Args:
            image: (n, C, H, W) uint8.
            labels: (n,) numbers into the classes; zeros where they are not known.
            attributes: (n, N) in 0..1; without them N is 0.
            masks: (n, 1, H, W) uint8: 255 where the object is.
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
        super().__init__(len(image), labels, attributes)
        self.image = image.contiguous()
        self.masks = None if masks is None else masks.contiguous()
        self._names = names
        self._preprocessing = preprocessing

    def images(self, indices: Sequence[int]) -> Tensor:
        picked = self.image[torch.as_tensor(indices, dtype=torch.int64)]
        if self._preprocessing is None or not len(picked):
            return picked.float() / 255
        pictures = picked.permute(0, 2, 3, 1).squeeze(3).numpy()  # squeeze: Pillow takes grey as (H, W)
        return torch.stack([to_tensor(Image.fromarray(picture), self._preprocessing) for picture in pictures])

    def object_masks(self, indices: Sequence[int]) -> Tensor | None:
        if self.masks is None:
            return None
        picked = self.masks[torch.as_tensor(indices, dtype=torch.int64)]
        if self._preprocessing is None or not len(picked):
            return picked.float() / 255
        return torch.stack([mask_to_tensor(Image.fromarray(m.numpy()), self._preprocessing) for m in picked[:, 0]])

    def names(self, indices: Sequence[int]) -> list[str]:
        if isinstance(self._names, str):
            return [f"{self._names} #{index}" for index in indices]
        return [self._names[index] for index in indices]

    def content_hashes(self) -> list[bytes]:
        return [blake2b(picture, digest_size=16).digest() for picture in self.image.numpy()]

    def select(self, indices: Sequence[int]) -> "Tensors":
        rows = torch.as_tensor(indices, dtype=torch.int64)
        return type(self)(
            self.image[rows],
            self.labels[rows],
            self.attributes[rows],
            masks=None if self.masks is None else self.masks[rows],
            names=self.names(indices),
            preprocessing=self._preprocessing,
        )


class Files(Examples):
    """Image files, decoded by a few threads when they are fetched.

    Attributes:
        paths: where each image lies.
        boxes: (n, 4) x0, y0, x1, y1 in pixels of the upright file, before preprocessing; None where not given.
        masks: the path of each image's object mask, as large as the image and white where the object is; None where
            not given. Without masks the boxes, filled, are the objects' masks.
        parts: (n, P, 3) x, y in pixels as `boxes`, and 1 where the part is visible, else 0; None where not given.
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
        parts: Tensor | None = None,
        part_names: Sequence[str] = (),
    ) -> None:
        """Hold paths; no file is opened.

        Args:
            paths: of the image files; members of zip archives too.
            preprocessing: how each becomes what the model takes.
            labels: (n,) numbers into the classes; zeros where they are not known.
            attributes: (n, N) in 0..1; without them N is 0.
            boxes: (n, 4), in pixels of the files.
            masks: the path of each image's object mask.
            parts: (n, P, 3), x and y in pixels of the files, and whether the part is visible.
            part_names: of the P parts.
        Raises:
            DataError: if the parts do not line up.
        """
        super().__init__(len(paths), labels, attributes)
        if (boxes is not None and boxes.shape != (len(paths), 4)) or (masks is not None and len(masks) != len(paths)):
            raise DataError(f"{len(paths)} images need as many boxes (n, 4) and masks, or none.")
        if parts is not None and parts.shape != (len(paths), len(part_names), 3):
            raise DataError(
                f"{len(paths)} images and {len(part_names)} part names need parts of the shape (n, P, 3); "
                f"got {tuple(parts.shape)}."
            )
        self.paths = tuple(paths)
        self.boxes = boxes
        self.masks = None if masks is None else tuple(masks)
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

    def object_masks(self, indices: Sequence[int]) -> Tensor | None:
        """Where the object is in each image, (B, 1, H, W) in 0..1; None without masks and boxes.

        A mask goes through the preprocessing of its image: 0.5 says that half of the pixel belongs to the object.

        Raises:
            ImageError: if an image or a mask cannot be read.
            DataError: if a mask has not the size of its image, or is not white where the object is.
        """
        if self.masks is None and self.boxes is None:
            return None
        if not len(indices):
            return torch.zeros(0, 1, self.preprocessing.height, self.preprocessing.width)
        with ThreadPoolExecutor(THREADS) as pool:
            return torch.stack(list(pool.map(self._mask, indices)))

    def _image(self, index: int) -> Tensor:
        picture = read_image(self.paths[index])
        self._sizes[int(index)] = picture.size
        return to_tensor(picture, self.preprocessing)

    def _mask(self, index: int) -> Tensor:
        size = self._sizes.get(int(index)) or read_image(self.paths[index]).size
        if self.masks is not None:
            return mask_to_tensor(_read_mask(self.masks[index], size), self.preprocessing)
        assert self.boxes is not None
        picture = Image.new("L", size)
        x0, y0, x1, y1 = (round(edge) for edge in self.boxes[index].tolist())
        picture.paste(255, (x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)))
        return mask_to_tensor(picture, self.preprocessing)

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
        rows = torch.as_tensor(indices, dtype=torch.int64)
        chosen = type(self)(
            [self.paths[index] for index in indices],
            self.preprocessing,
            self.labels[rows],
            self.attributes[rows],
            boxes=None if self.boxes is None else self.boxes[rows],
            masks=None if self.masks is None else [self.masks[index] for index in indices],
            parts=None if self.parts is None else self.parts[rows],
            part_names=self.part_names,
        )
        chosen._hashes = None if self._hashes is None else [self._hashes[index] for index in indices]
        return chosen


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


def _content_hash(path: FileSource) -> bytes:
    return blake2b(read_bytes(path), digest_size=16).digest()


@dataclass(frozen=True)
class Source:
    """A data set, ready to train on: what the model must know of it, and its images by role."""

    spec: DataSpec
    roles: Mapping[Role, Examples]
    preprocessing: Preprocessing
    seed: int | None = None  #: of the generator, or of the split where one was drawn
    notes: tuple[str, ...] = ()  #: what a person should know of how it was put together, a sentence each
    left_out: Examples | None = (
        None  #: test images of classes that were kept out: unknown ones; their labels mean nothing
    )


def leaks(roles: Mapping[Role, Examples]) -> list[tuple[Role, Role, str, str]]:
    """Images that occur in two roles, byte for byte; none should.

    Images in memory are compared by their pixels, files by their content, one kind never with the other.

    Args:
        roles: the images of each role.
    Returns:
        For each image of a role that an earlier role has already: the earlier role, this role, the name of the first
        such image there, and its name here.
    Raises:
        ImageError: if a file cannot be read.
    Example:
        >>> black = Tensors(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), names="black")
        >>> leaks({"train": black, "test": black})
        [('train', 'test', 'black #0', 'black #0')]
    """
    found = []
    earlier: list[tuple[Role, Examples, dict[bytes, int]]] = []
    for role, examples in roles.items():
        hashes = examples.content_hashes()
        for other_role, other, first in earlier:
            twins = [index for index, digest in enumerate(hashes) if digest in first]
            there = other.names([first[hashes[index]] for index in twins])
            found += [(other_role, role, *names) for names in zip(there, examples.names(twins), strict=True)]
        # from the last to the first, so that the first of equal images stays
        earlier.append((role, examples, {hashes[index]: index for index in reversed(range(len(hashes)))}))
    return found
