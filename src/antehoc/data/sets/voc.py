"""`voc`: Pascal VOC 2007 and 2012, photographs with objects of 20 classes, several of which may be in one image.

Images come with boxes, and where `SegmentationClass` has them with a class for every pixel. Its borders (255) are
ignored: they belong to no object and are no background. The labels of the test split of 2012 were never published.

Source: Everingham, Van Gool, Williams, Winn and Zisserman, "The Pascal Visual Object Classes (VOC) Challenge",
International Journal of Computer Vision 88, 2010.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from antehoc.data.archives import FileSource
from antehoc.data.class_maps import ClassMap
from antehoc.data.examples import Files
from antehoc.data.instances import Instance
from antehoc.data.places import Place, find_places
from antehoc.data.preprocessing import Fit, preprocess
from antehoc.data.source import Source
from antehoc.data.splits import official_roles
from antehoc.data.xml import Annotated, read_objects
from antehoc.errors import DataError, near_miss, shown
from antehoc.types import DataSpec

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
IGNORED = 255  #: the number of a pixel that belongs to no object and is no background
COUNTS = {2007: {"trainval": 5_011, "test": 4_952}, 2012: {"train": 5_717, "val": 5_823}}  #: images of the full sets

_WHAT = "Pascal VOC"
_SPLITS = {2007: (("trainval",), "test"), 2012: (("train",), "val")}  # trained, tested


def voc(
    path: str | Path,
    *,
    years: tuple[int, ...] = (2012,),
    segmented: bool = False,
    difficult: bool = False,
    size: int | Sequence[int] = 224,
    fit: Fit = "pad",
    background: float = 0.5,
    resize: int | None = None,
    share: float = 1.0,
    validation: float = 0.1,
    calibration: float = 0.15,
    seed: int = 0,
) -> Source:
    """Pascal VOC in its own layout, with several labels per image: 2007, 2012 or both.

    The test role is the test split of 2007 and the val split of 2012, whole. Validation and calibration are drawn from
    trainval of 2007 and train of 2012 by a hash of each file's bytes, so that every class keeps its shares; training
    images that equal a test image are left out.

    Args:
        path: the folder `VOCdevkit`, `VOC2007` or `VOC2012`, one that holds it, or a zip of it.
        years: 2007, 2012 or both.
        segmented: take the lists of `ImageSets/Segmentation`, not those of `ImageSets/Main`: images with a map of
            classes alone.
        difficult: objects that are marked as difficult count. Without it they are neither labels nor objects, and where
            a map of classes shows a class of which nothing else is in the image, its pixels are ignored.
        size: of the model's images in pixels: one number, or height and width.
        fit: what happens to images of another shape; see `Preprocessing`.
        background: what `pad` fills with, in 0..1.
        resize: first to so many pixels, then the frame is cut out of the middle; see `Preprocessing`.
        share: how much of the images to train on is used, above 0 and at most 1.
        validation, calibration: shares of them, 0 for none.
        seed: another seed draws other validation and calibration roles.
    Returns:
        The data set, with a box for each object, and a map of classes for each image that has one.
    Raises:
        DataError: where the copy is incomplete or damaged.
        ImageError: if a file that must be hashed cannot be read.
    """
    frame = preprocess(size, 3, fit, background, resize)
    found, notes = _of_years(path, years, "Segmentation" if segmented else "Main", difficult)
    files = Files(
        [one.image for one in found],
        frame,
        torch.tensor([_present(one.objects) for one in found]),
        objects=[one.objects for one in found],
        maps=[one.map for one in found],
    )
    shares = {"validation": validation, "calibration": calibration, "share": share}
    roles, drawn = official_roles(files, [one.tested for one in found], **shares, seed=seed, where=shown(path))
    spec = DataSpec(CLASSES, 3, frame.height, frame.width, task="multi-label")
    return Source(spec, roles, frame, seed, (*notes, *drawn))


class _Found(NamedTuple):
    """An image with its objects."""

    image: FileSource
    objects: list[Instance]
    map: ClassMap | None
    tested: bool


def _of_years(path: str | Path, years: Sequence[int], lists: str, difficult: bool) -> tuple[list[_Found], list[str]]:
    """The images of these years, and a note on each year."""
    if not years or not set(years) <= set(COUNTS):
        raise DataError(f"voc: years are {' and '.join(map(str, COUNTS))}, one or both; got {list(years)}.")
    places = {place.name: place for place in find_places(path, ("JPEGImages",), _WHAT)}
    found, notes = [], []
    for year in sorted(set(years)):
        own, note = _year(_of_year(places, year, path), year, lists, difficult)
        found += own
        notes.append(note)
    return found, notes


def _of_year(places: Mapping[str, Place], year: int, path: str | Path) -> Place:
    """The place of a year. A folder of another name is taken where it is the only one."""
    if place := places.get(f"VOC{year}"):
        return place
    other = next(iter(places.values()))
    if len(places) > 1 or other.name in {f"VOC{known}" for known in COUNTS}:
        raise DataError(f"{shown(path)}: VOC{year} is missing; it has {', '.join(sorted(places))}; set `years`.")
    return other


def _year(place: Place, year: int, lists: str, difficult: bool) -> tuple[list[_Found], str]:
    """The images of a year, and a note on how many there are."""
    trained, test = _SPLITS[year]
    names = {split: _listed(place, f"ImageSets/{lists}/{split}.txt") for split in (*trained, test)}
    images, maps = set(place.files("JPEGImages")), set(place.files("SegmentationClass"))
    every = [(name, split == test) for split, own in names.items() for name in own]
    if absent := [name for name, _ in every if f"JPEGImages/{name}.jpg" not in images]:
        raise DataError(
            f"{place.where}: JPEGImages/{shown(absent[0])}.jpg is missing, the first of {len(absent)} that the lists"
            " name; use a complete copy, or lists of the images that are there."
        )
    if both := set(names[test]) & {name for split in trained for name in names[split]}:
        raise DataError(f"{place.where}: {shown(min(both))} is in {test} and in {trained[0]}; one list is damaged.")
    found = []
    for name, tested in every:
        file = f"Annotations/{name}.xml"
        annotated = read_objects(place.read(file, _WHAT), shown(place.file(file)))
        own = f"SegmentationClass/{name}.png"
        if lists == "Segmentation" and own not in maps:
            raise DataError(
                f"{place.where}: {own} is missing, which ImageSets/Segmentation names; use a complete copy."
            )
        objects = _objects(annotated, difficult, shown(place.file(file)))
        drawn = _map(place.file(own), objects) if own in maps else None
        found.append(_Found(place.file(f"JPEGImages/{name}.jpg"), objects, drawn, tested))
    mapped, boxes = sum(one.map is not None for one in found), sum(len(one.objects) for one in found)
    counts = ", ".join(f"{len(own):,} {split}" for split, own in names.items())
    whole = {split: len(own) for split, own in names.items()} == COUNTS[year]
    full = ", ".join(f"{number:,} {split}" for split, number in COUNTS[year].items())
    rest = f", where the full set has {full}" if lists == "Main" and not whole else ""
    return found, f"VOC{year}: {counts}{rest}; {boxes:,} objects, {mapped:,} images with a map of classes."


def _listed(place: Place, name: str) -> list[str]:
    return [line.split()[0] for line in place.lines(name, _WHAT)]


def _objects(annotated: Sequence[Annotated], difficult: bool, where: str) -> list[Instance]:
    for one in annotated:
        if one.name not in CLASSES:
            raise DataError(
                f"{where}: no class is called {one.name!r}.{near_miss(one.name, CLASSES)} Use another copy."
            )
    kept = [one for one in annotated if difficult or not one.difficult]
    return [Instance(one.box, None, CLASSES.index(one.name)) for one in kept]


def _map(path: FileSource, objects: Sequence[Instance]) -> ClassMap:
    """Classes of which no object counts are ignored, not background: the map shows them."""
    present = {one.label for one in objects}
    shown_here = {number + 1: number for number in range(len(CLASSES)) if number in present}
    others = frozenset(number + 1 for number in range(len(CLASSES)) if number not in present)
    return ClassMap(path, shown_here, others | {IGNORED})


def _present(objects: Sequence[Instance]) -> list[float]:
    labels = {one.label for one in objects}
    return [float(number in labels) for number in range(len(CLASSES))]
