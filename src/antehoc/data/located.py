"""Where the objects and classes are in images, and the pixels of which that is not known."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from PIL import Image
from torch import Tensor

from antehoc.data.class_maps import ClassMap
from antehoc.data.instances import Instance, Objects, first_boxes, union

Sheet: TypeAlias = Callable[[tuple[int, int]], Image.Image]  #: draws over an image of this width and height, in mode L


class Located:
    """Images in which it is known where the objects are, or not: the half of `Examples` that answers where.

    Attributes:
        labels_known: whether the labels say what the images show.
    """

    labels_known: bool
    _objects: Objects | None
    _maps: tuple[ClassMap | None, ...] | None = None

    def objects(self, indices: Sequence[int]) -> list[list[Instance]]:
        """The objects in each of these images; none where the data do not say."""
        return [list(self._own(index)) for index in indices]

    @property
    def boxes(self) -> Tensor | None:
        """(n, 4) the box of each image's first object, in pixels; zeros for none; None where the data give no box."""
        return first_boxes(self._objects)

    def object_masks(self, indices: Sequence[int]) -> Tensor | None:
        """Where the objects are in each image, (B, 1, H, W) in 0..1; None where the data do not say.

        It is the union of all objects of an image, and goes through the preprocessing of the image: 0.5 says that half
        of the pixel belongs to an object. An object's mask overrides its box, and a map of classes both. It is 0 where
        a pixel is ignored.

        Raises:
            ImageError: if an image or a mask cannot be read.
            DataError: if a mask file has not the size of its image, or is not white where the object is.
        """
        return self._seen(indices)[0]

    def class_masks(self, indices: Sequence[int], classes: int) -> Tensor | None:
        """Where the objects of each class are, (B, K, H, W) in 0..1; None where the data do not say.

        These are no part of a batch: with many classes they take more memory than the images. They hold what
        `object_masks` holds, class by class; objects without a class are in none of them.

        Args:
            indices: of the images.
            classes: how many there are, K.
        Raises:
            ImageError, DataError: as `object_masks`.
        """
        if not self._located or not self.labels_known:
            return None
        numbers = [int(index) for index in indices]
        places = [(row, label) for row, index in enumerate(numbers) for label in self._classes_in(index)]
        drawn = self._drawn([(numbers[row], partial(self.sheet, numbers[row], label)) for row, label in places])
        masks = drawn.new_zeros(len(indices), classes, *drawn.shape[2:])
        for (row, label), sheet in zip(places, drawn, strict=True):
            masks[row, label] = sheet[0]
        valid = self.valid_pixels(indices)
        return masks if valid is None else masks * valid

    def valid_pixels(self, indices: Sequence[int]) -> Tensor | None:
        """Pixels that the data say something of, (B, 1, H, W) bool; None where that is all of them.

        A pixel is ignored, False, if half of it or more is ignored in the file.

        Raises:
            ImageError, DataError: as `object_masks`.
        """
        if not self.has_ignored:
            return None
        return self._drawn([(int(index), partial(self.unsaid, int(index))) for index in indices]) < 0.5

    @property
    def has_ignored(self) -> bool:
        """Whether there may be pixels that the data say nothing of."""
        return any(one and one.ignored for one in self._maps or ())

    @property
    def _located(self) -> bool:
        return self._objects is not None or self._maps is not None

    def _own(self, index: int) -> tuple[Instance, ...]:
        return () if self._objects is None else self._objects[index]

    def _classes_in(self, index: int) -> list[int]:
        """The classes of which something may be seen in an image."""
        if self._maps is not None and (own := self._maps[index]):
            return sorted(set(own.classes.values()))
        return sorted({one.label for one in self._own(index) if one.label is not None})

    def sheet(self, index: int, label: int | None, size: tuple[int, int]) -> Image.Image:
        """Where the objects of an image are, or those of one class, before any preprocessing.

        Args:
            index: of the image.
            label: of the class, None for all objects.
            size: width and height of the image, in pixels.
        Returns:
            Mode L: 255 on an object and 0 elsewhere.
        Raises:
            ImageError, DataError: as `object_masks`.
        """
        if self._maps is not None and (own := self._maps[index]):
            return own.of_class(size, label)
        objects = self._own(index)
        return union([one for one in objects if label in (None, one.label)], size)

    def unsaid(self, index: int, size: tuple[int, int]) -> Image.Image:
        """Where the pixels of an image are ignored; as `sheet`."""
        own = self._maps and self._maps[index]
        return own.unsaid(size) if own else Image.new("L", size)

    def _seen(self, indices: Sequence[int]) -> tuple[Tensor | None, Tensor | None]:
        """`object_masks` and `valid_pixels`."""
        valid = self.valid_pixels(indices)
        if not self._located:
            return None, valid
        masks = self._drawn([(int(index), partial(self.sheet, int(index), None)) for index in indices])
        return masks if valid is None else masks * valid, valid

    def _drawn(self, sheets: Sequence[tuple[int, Sheet]]) -> Tensor:
        """(n, 1, H, W) in 0..1: for each of these images what is drawn over it, after its preprocessing."""
        raise NotImplementedError  # of images that have neither objects nor maps nothing is drawn
