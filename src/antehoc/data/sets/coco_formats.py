"""COCO's formats: JSON of instances, panoptic PNGs with JSON, and YOLO's text files."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from antehoc.data.archives import SUFFIXES, FileSource, read_bytes, reason
from antehoc.data.instances import Box
from antehoc.data.outlines import Outlines, RunLengths, run_lengths
from antehoc.data.places import Place
from antehoc.errors import DataError, shown

_WHAT = "COCO"

THINGS: Mapping[int, str] = dict(
    zip(
        [n for n in range(1, 91) if n not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)],
        (
            *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light"),
            *("fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow"),
            *("elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee"),
            *("skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard"),
            *("tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
            *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch"),
            *("potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard"),
            *("cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase"),
            *("scissors", "teddy bear", "hair drier", "toothbrush"),
        ),
        strict=True,
    )
)  #: the 80 countable classes by COCO's numbers


class Thing(NamedTuple):
    """An object before its class has a number in the data set."""

    category: int
    box: Box
    shares: bool = False  #: whether the box is in shares of width and height, not in pixels
    mask: Outlines | RunLengths | None = None


@dataclass(frozen=True)
class Annotated:
    """An image with its objects, and the panoptic PNG with the category of each segment where there is one."""

    image: FileSource
    things: tuple[Thing, ...]
    segments: FileSource | None = None
    categories: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Classes:
    """The names of classes by their numbers in the files."""

    names: Mapping[int, str] = field(default_factory=dict)

    def joined(self, other: "Classes", where: str) -> "Classes":
        """Both together.

        Raises:
            DataError: if they call a class differently, or two classes alike.
        """
        for number, name in other.names.items():
            if self.names.get(number, name) != name:
                raise DataError(f"{where}: the class {number} is called {self.names[number]!r} and {name!r}.")
        names = {**self.names, **other.names}
        if len(set(names.values())) != len(names):
            raise DataError(f"{where}: two classes have one name; names must differ.")
        return Classes(names)


Read = tuple[Classes, list[Annotated]]


def read_instances(place: Place, split: str) -> Read:
    """`annotations/instances_<split>.json`: every image that it lists.

    Raises:
        DataError: if it is missing or damaged, or an image is missing.
    """
    name = f"annotations/instances_{split}.json"
    where, found = shown(place.file(name)), _json(place, name)
    with_objects: dict[int, list[Thing]] = {}
    try:
        classes = Classes({int(one["id"]): str(one["name"]) for one in found["categories"]})
        images = {int(one["id"]): one for one in found["images"]}
        for number, one in enumerate(found["annotations"]):
            image = images[int(one["image_id"])]
            mask = _mask(one.get("segmentation"), image, f"{where}, annotations.{number}")
            thing = Thing(int(one["category_id"]), _box(one["bbox"]), mask=mask)
            with_objects.setdefault(int(one["image_id"]), []).append(thing)
        names = {number: str(one["file_name"]) for number, one in images.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(where, error) from error
    files = _images(place, split, list(names.values()))
    return _checked(classes, where), [
        Annotated(file, tuple(with_objects.get(number, ()))) for number, file in zip(names, files, strict=True)
    ]


def read_panoptic(place: Place, split: str) -> Read:
    """`annotations/panoptic_<split>.json` and its PNGs, or `segments.json` and the PNGs in `panoptic_rgb_ids`.

    Raises:
        DataError: if they are missing or damaged, or an image is missing.
    """
    name = f"annotations/panoptic_{split}.json"
    if not place.has(name):
        return _listed_segments(place, split)
    where, found = shown(place.file(name)), _json(place, name)
    try:
        classes = Classes({int(one["id"]): str(one["name"]) for one in found["categories"] if one["isthing"]})
        names = {int(one["id"]): str(one["file_name"]) for one in found["images"]}
        segments = {str(one["file_name"]): one["segments_info"] for one in found["annotations"]}
        images = [names[int(one["image_id"])] for one in found["annotations"]]
        rows = [[(int(s["id"]), int(s["category_id"]), _box(s["bbox"])) for s in own] for own in segments.values()]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(where, error) from error
    inside = "annotations/" if place.holds(f"annotations/panoptic_{split}") else ""
    pngs = [f"{inside}panoptic_{split}/{name}" for name in segments]
    return _checked(classes, where), _panoptic(place, split, images, pngs, rows, classes)


def _listed_segments(place: Place, split: str) -> Read:
    """`segments.json`, a list of segments with their image, category and box; categories up to 90 are things."""
    if not place.has("segments.json"):
        raise DataError(
            f"{place.where}: annotations/panoptic_{split}.json is missing, and segments.json as well; panoptic data"
            " have one of them."
        )
    where, found = shown(place.file("segments.json")), _json(place, "segments.json")
    rows: dict[str, list[tuple[int, int, Box]]] = {}
    try:
        classes = Classes(
            {**THINGS, **{int(s["category_id"]): str(s["category"]) for s in found if s["category_id"] <= 90}}
        )
        for one in found:
            if one["split"] == split:
                segment = (int(one["segment_id"]), int(one["category_id"]), _box(one["bbox_xywh"]))
                rows.setdefault(str(one["image"]), []).append(segment)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(where, error) from error
    pngs = [f"panoptic_rgb_ids/{split}/{name}.png" for name in rows]
    return classes, _panoptic(place, split, [f"{name}.jpg" for name in rows], pngs, list(rows.values()), classes)


def _panoptic(
    place: Place,
    split: str,
    images: Sequence[str],
    pngs: Sequence[str],
    rows: Sequence[Sequence[tuple[int, int, Box]]],
    classes: Classes,
) -> list[Annotated]:
    if absent := [png for png in pngs if not place.has(png)]:
        raise DataError(
            f"{place.where}: {shown(absent[0])} is missing, the first of {len(absent)} panoptic PNGs; use a complete"
            " copy."
        )
    found = []
    for file, png, own in zip(_images(place, split, images), pngs, rows, strict=True):
        things = tuple(Thing(category, box) for _, category, box in own if category in classes.names)
        found.append(Annotated(file, things, place.file(png), {segment: category for segment, category, _ in own}))
    return found


def read_yolo(place: Place, split: str, folder: str) -> Read:
    """The images of a split that have a text file; an empty one says that there is no object.

    Raises:
        DataError: if the folder is missing, no image has a file, or a line cannot be read.
    """
    if not place.holds(f"{folder}/{split}"):
        raise DataError(f"{place.where}: {folder}/{split} is missing; YOLO's text files are there; set `folder`.")
    classes, texts = _yolo_classes(place, folder), set(place.files(f"{folder}/{split}"))
    found = []
    for name in _all_images(place, split):
        file = f"{folder}/{split}/{PurePosixPath(name).stem}.txt"
        if file not in texts:  # not annotated: it may show anything
            continue
        lines = place.lines(file, _WHAT) if _filled(place, file) else []
        where = shown(place.file(file))
        things = tuple(_yolo_line(line, classes, where) for line in lines)
        found.append(Annotated(place.file(name), things))
    if not found:
        raise DataError(f"{place.where}: no image of {split} has a text file in {folder}/{split}; use a complete copy.")
    return classes, found


def left_out(place: Place, split: str, found: Sequence[Annotated]) -> int:
    """How many images of a split are not annotated."""
    return len(_all_images(place, split)) - len(found)


def _filled(place: Place, name: str) -> bool:
    """Whether there is anything in a text file: an image without objects may have an empty one."""
    return bool(read_bytes(place.file(name)).strip())


def _yolo_classes(place: Place, folder: str) -> Classes:
    if place.has("classes.json"):
        listed = _json(place, "classes.json")
        own = listed.get(folder) if isinstance(listed, Mapping) else None
        if isinstance(own, Mapping):
            return _checked(Classes({int(key): str(name) for key, name in own.items()}), f"{place.where}, classes.json")
    for name in (f"{folder}/classes.txt", "classes.txt"):
        if place.has(name):
            return _checked(Classes(dict(enumerate(place.lines(name, _WHAT)))), shown(place.file(name)))
    return Classes(dict(enumerate(THINGS.values())))


def _yolo_line(line: str, classes: Classes, where: str) -> Thing:
    try:
        number, *edges = [float(part) for part in line.split()]
    except ValueError:
        number, edges = math.nan, []
    if (
        number not in classes.names
        or len(edges) not in (4, *range(6, len(edges) + 1, 2))
        or not all(-0.01 <= edge <= 1.01 for edge in edges)
    ):
        raise DataError(
            f"{where}: a line holds a known class and shares in 0..1, four of a box or six and more of an outline; got "
            f"{shown(line[:80])!r}."
        )
    if len(edges) == 4:
        x, y, width, height = edges
        return Thing(int(number), (x - width / 2, y - height / 2, x + width / 2, y + height / 2), shares=True)
    box = (min(edges[::2]), min(edges[1::2]), max(edges[::2]), max(edges[1::2]))
    return Thing(int(number), box, shares=True, mask=Outlines((tuple(edges),), shares=True))


def _mask(value: Any, image: Mapping[str, Any], where: str) -> Outlines | RunLengths | None:
    """A mask in COCO's JSON: outlines, or run lengths."""
    if isinstance(value, list) and value:
        outlines = tuple(tuple(map(float, one)) for one in value)
        if any(len(one) < 6 or len(one) % 2 for one in outlines):
            raise DataError(f"{where}: an outline has three corners or more, x and y of each; use a complete copy.")
        return Outlines(outlines)
    if isinstance(value, Mapping):
        height, width = (int(image[side]) for side in ("height", "width"))
        try:
            return run_lengths(value["counts"], height, width)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
    return None


def _box(edges: Any) -> Box:
    x, y, width, height = map(float, edges)
    return (x, y, x + width, y + height)


def _json(place: Place, name: str) -> Any:
    try:
        return json.loads(place.read(name, _WHAT))
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{shown(place.file(name))}: this is no JSON ({reason(error)}); use a complete copy."
        ) from error


def _damaged(where: str, error: Exception) -> DataError:
    if isinstance(error, DataError):
        return error
    return DataError(f"{where}: a value is missing or damaged ({reason(error)}); use a complete copy.")


def _checked(classes: Classes, where: str) -> Classes:
    if len(classes.names) < 2:
        raise DataError(f"{where}: a classifier needs two or more classes; got {list(classes.names.values())}.")
    return Classes().joined(classes, where)


def _top(place: Place, split: str) -> str:
    """The folder of a split's images."""
    for top in (f"images/{split}", split):
        if place.holds(top):
            return top
    raise DataError(
        f"{place.where}: neither {split} nor images/{split} is there; use a complete copy, or set `splits`."
    )


def _images(place: Place, split: str, names: Sequence[str]) -> list[FileSource]:
    """The files of these images."""
    top = _top(place, split)
    present = set(place.files(top))
    if absent := [name for name in names if f"{top}/{name}" not in present]:
        raise DataError(
            f"{place.where}: {top}/{shown(absent[0])} is missing, the first of {len(absent)} that are annotated; use a"
            " complete copy."
        )
    return [place.file(f"{top}/{name}") for name in names]


def _all_images(place: Place, split: str) -> list[str]:
    return [name for name in place.files(_top(place, split)) if PurePosixPath(name).suffix.lower() in SUFFIXES]
