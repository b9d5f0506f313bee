"""`coco`: COCO and sets in its formats: photographs with objects of many classes, several of which are in one image.

- `instances` is `annotations/instances_<split>.json`: boxes, and masks as outlines or run lengths.
- `panoptic` is `annotations/panoptic_<split>.json` with its PNGs, or `segments.json`, a list of segments whose PNGs are
  in `panoptic_rgb_ids/<split>/`: boxes and a map of classes. What can be counted (things) is an object, what cannot
  (stuff) is background, and pixels without a segment are ignored.
- `yolo` is a text file for each image, `<folder>/<split>/<name>.txt`, with a line for each object: its class and four
  numbers (a box) or six and more (an outline), as shares of width and height. An empty file says that there is no
  object. Names of classes come from `classes.json` (numbers to names, by folder), `<folder>/classes.txt` or
  `classes.txt`; without these they are COCO's 80.

Images lie in `<split>/` or `images/<split>/`. Those that are not annotated are left out. Crowds of a class are objects
of it.

Source: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; Kirillov, He, Girshick, Rother and Dollár,
"Panoptic Segmentation", CVPR 2019.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import torch

from antehoc.data.class_maps import ClassMap
from antehoc.data.examples import THREADS, Files
from antehoc.data.images import image_size
from antehoc.data.instances import Instance
from antehoc.data.places import Place, only_place
from antehoc.data.preprocessing import Fit, Preprocessing, preprocess
from antehoc.data.sets.coco_formats import Annotated, Classes, left_out, read_instances, read_panoptic, read_yolo
from antehoc.data.source import Source
from antehoc.data.splits import official_roles
from antehoc.errors import DataError, near_miss
from antehoc.types import DataSpec

Annotations = Literal["instances", "panoptic", "yolo"]

UNLABELED = 0  #: the segment of pixels that belong to none

_READ = {"instances": read_instances, "panoptic": read_panoptic}


def coco(
    path: str | Path,
    *,
    annotations: Annotations = "instances",
    folder: str = "labels",
    splits: tuple[str, str] = ("train2017", "val2017"),
    classes: tuple[str, ...] = (),
    size: int | Sequence[int] = 224,
    fit: Fit = "pad",
    background: float = 0.5,
    resize: int | None = None,
    share: float = 1.0,
    validation: float = 0.1,
    calibration: float = 0.15,
    seed: int = 0,
) -> Source:
    """COCO, or a set in one of its formats, with several labels per image.

    The second split is the test role, whole. Validation and calibration are drawn from the first by a hash of each
    file's bytes, so that every class keeps its shares; training images that equal a test image are left out.

    Args:
        path: the folder of the set, one that holds it, or a zip of it.
        annotations: their format; the page of this module describes each.
        folder: of YOLO's text files.
        splits: to train on, and to test.
        classes: keep objects of these alone, by name; what else a map shows is background. None stands for all.
        size: of the model's images in pixels: one number, or height and width.
        fit: what happens to images of another shape; see `Preprocessing`.
        background: what `pad` fills with, in 0..1.
        resize: first to so many pixels, then the frame is cut out of the middle; see `Preprocessing`.
        share: how much of the first split is used, above 0 and at most 1.
        validation, calibration: shares of the first split, 0 for none.
        seed: another seed draws other validation and calibration roles.
    Returns:
        The data set. Its notes count objects, and images that were left out.
    Raises:
        DataError: where the copy is incomplete or damaged, or a class is unknown.
        ImageError: if a file that must be hashed cannot be read.
    """
    place = only_place(path, (splits[0], f"images/{splits[0]}"), f"COCO with a split {splits[0]}")
    frame = preprocess(size, 3, fit, background, resize)
    known, parts = _read(place, annotations, folder, splits)
    kept = _kept(known, classes, place.where)
    files, note = _files([one for part in parts for one in part], kept, frame)
    tested = [False] * len(parts[0]) + [True] * len(parts[1])
    shares = {"validation": validation, "calibration": calibration, "share": share}
    roles, notes = official_roles(files, tested, **shares, seed=seed, where=place.where)
    spec = DataSpec(tuple(kept.values()), 3, frame.height, frame.width, task="multi-label")
    rest = sum(left_out(place, split, part) for split, part in zip(splits, parts, strict=True))
    said = (f"Images that are not annotated were left out: {rest}.",) if rest else ()
    return Source(spec, roles, frame, seed, (note, *notes, *said))


def _read(
    place: Place, annotations: Annotations, folder: str, splits: tuple[str, str]
) -> tuple[Classes, list[list[Annotated]]]:
    """The classes, and the annotated images of each split."""
    known, parts = Classes(), []
    for split in splits:
        own = read_yolo(place, split, folder) if annotations == "yolo" else _READ[annotations](place, split)
        known = known.joined(own[0], place.where)
        parts.append(own[1])
    return known, parts


def _kept(known: Classes, classes: Sequence[str], where: str) -> dict[int, str]:
    """The names of the classes that are kept, by their numbers in the files."""
    names = known.names.values()
    if unknown := [name for name in classes if name not in names]:
        raise DataError(f"{where}: no class is called {unknown[0]!r}.{near_miss(unknown[0], names)}")
    return {number: name for number, name in sorted(known.names.items()) if not classes or name in classes}


def _files(found: Sequence[Annotated], kept: Mapping[int, str], frame: Preprocessing) -> tuple[Files, str]:
    """The images with their objects of the classes that are kept, and a note on how many there are."""
    numbers = {category: number for number, category in enumerate(kept)}
    with ThreadPoolExecutor(THREADS) as pool:
        objects = list(pool.map(lambda one: _objects(one, numbers), found))
    labels = torch.zeros(len(found), len(kept))
    for row, own in enumerate(objects):
        labels[row, [one.label for one in own if one.label is not None]] = 1
    files = Files(
        [one.image for one in found], frame, labels, objects=objects, maps=[_map(one, numbers) for one in found]
    )
    empty = int((labels.sum(0) == 0).sum())
    counts = f"{len(found):,} images with {sum(map(len, objects)):,} objects of {len(kept)} classes"
    return files, f"The copy has {counts}{f', {empty} of which have none' if empty else ''}."


def _objects(one: Annotated, numbers: Mapping[int, int]) -> list[Instance]:
    own = [thing for thing in one.things if thing.category in numbers]
    width, height = image_size(one.image) if any(thing.shares for thing in own) else (1, 1)
    found = []
    for thing in own:
        scale = (width, height, width, height) if thing.shares else (1, 1, 1, 1)
        x0, y0, x1, y1 = (edge * side for edge, side in zip(thing.box, scale, strict=True))
        found.append(Instance((x0, y0, x1, y1), thing.mask, numbers[thing.category]))
    return found


def _map(one: Annotated, numbers: Mapping[int, int]) -> ClassMap | None:
    if one.segments is None:
        return None
    classes = {segment: numbers[category] for segment, category in one.categories.items() if category in numbers}
    return ClassMap(one.segments, classes, frozenset({UNLABELED}), "rgb")
