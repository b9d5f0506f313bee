"""CUB-200-2011: photographs of 200 species of birds with boxes, parts and 312 attributes in 28 groups.

Of the 28 groups of attributes, nine ask for one answer: the shapes of bill, tail and bird, the size, and the patterns
of breast, back, tail, belly and wing. Their percentages sum to 100 in every one of the 200 species, so each annotator
chose one; they become `at_most_one`, as hard labels and parts that cannot be seen leave none. In the other 19 the sums
pass 100 somewhere: colors, eye color among them, and the pattern of the head take several answers, and even for the
length of the bill (107) and the shape of the wing (117) several were ticked.

Source: Wah, Branson, Welinder, Perona and Belongie, "The Caltech-UCSD Birds-200-2011 Dataset", Caltech, 2011.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from antehoc.data.examples import Files
from antehoc.data.groups import attribute_groups, exclusive_groups
from antehoc.data.preprocessing import Fit, Preprocessing, preprocess
from antehoc.data.sets.cub_layout import Copy, Numbers, open_copy
from antehoc.data.source import Source
from antehoc.data.splits import by_role, check_held_out, check_trained
from antehoc.errors import DataError, near_miss, shown
from antehoc.types import DataSpec, Role

SPECIES = 200
COUNTS = {"images": 11_788, "train": 5_994, "test": 5_794}  #: of the full set, by its official split
SINGLE_CHOICE = (  #: the groups of one answer
    "has_bill_shape",
    "has_breast_pattern",
    "has_tail_shape",
    "has_size",
    "has_shape",
    "has_back_pattern",
    "has_tail_pattern",
    "has_belly_pattern",
    "has_wing_pattern",
)

_CLASS_TABLE = "attributes/class_attribute_labels_continuous.txt"
_IMAGE_TABLE = "attributes/image_attribute_labels.txt"


def cub(
    path: str | Path,
    *,
    size: int | Sequence[int] = 224,
    fit: Fit = "crop",
    background: float = 1.0,
    resize: int | None = None,
    species: tuple[str, ...] = (),
    leave_out: tuple[str, ...] = (),
    attributes: Literal["auto", "image", "class"] = "auto",
    labels: Literal["hard", "soft"] = "hard",
    only_varying: bool = False,
    validation: float = 0.05,
    calibration: float = 0.12,
    seed: int = 0,
) -> Source:
    """CUB-200-2011 in its own layout: all of it, or a copy that lists some of its species only.

    The test role is the official test split, whole. Validation and calibration are drawn from the official train split,
    class by class, by a hash of each file's bytes. Preprocessing as the originals' code does it is
    `fit: crop, resize: 256`, and as the thesis writes it `fit: pad, resize: 256, background: 0`.

    Args:
        path: the folder `CUB_200_2011`, a folder that holds it, a zip of it, or a folder that holds one such zip.
        size: of the model's images in pixels: one number, or height and width.
        fit: what happens to images of another shape; see `Preprocessing`.
        background: what lies around an image that is short of the frame, in 0..1.
        resize: first to so many pixels, then the frame is cut out of the middle; see `Preprocessing`.
        species: keep only these, each by its number ("005") or its name; none stands for all.
        leave_out: keep these out of all roles; their test images become the source's `left_out`.
        attributes: `image` takes each image's own labels, `class` those of its species; `auto` takes the image's where
            the copy has `attributes/image_attribute_labels.txt`.
        labels: of the species. `hard` holds where half the annotators or more said so, and of a tie in a
            single-choice group the first; `soft` is their share, in 0..1.
        only_varying: keep only attributes that, as hard labels, differ between two of the kept species.
        validation, calibration: share of each species' train images, 0 for none.
        seed: another seed draws other validation and calibration roles.
    Returns:
        The data set, with boxes and parts in pixels of the files. Its notes say what was counted and drawn.
    Raises:
        DataError: where the copy is incomplete or damaged, or a species is not in it.
        ImageError: if an image of the train split cannot be read.
    """
    check_held_out("cub", validation, calibration)
    preprocessing = preprocess(size, 3, fit, background, resize)
    copy = open_copy(Path(path))
    chosen, counted = _choose(copy, species, leave_out)
    table = _class_attributes(copy, chosen, labels, only_varying)
    values, said = table.of_images(copy, chosen, attributes)
    everything = _files(copy, chosen, values, preprocessing)
    roles, drawn = _roles(copy, everything, chosen, {"calibration": calibration, "validation": validation}, seed)
    kept, strange = (everything.select(np.flatnonzero(rows).tolist()) for rows in (chosen.kept, chosen.strange))
    left_out = strange.without_labels() if leave_out else None
    spec, notes = _spec(chosen, table, preprocessing), (counted, said, drawn)
    return Source(spec, by_role(kept, roles), preprocessing, seed, notes, left_out)


@dataclass(frozen=True)
class _Chosen:
    """The species that are taken, those that are left out last, and the images of all of them."""

    species: list[int]  # their numbers
    classes: list[str]  # their names
    count: int  # so many of them are kept
    files: list[str]  # names of the images' files
    ids: NDArray[np.int64]  # numbers of the images
    place: NDArray[np.int64]  # of each image's species among `species`
    trained: NDArray[np.bool_]  # whether each image is in the official train split

    @property
    def kept(self) -> NDArray[np.bool_]:
        return self.place < self.count

    @property
    def strange(self) -> NDArray[np.bool_]:
        """Test images of species that are left out."""
        return ~self.kept & ~self.trained


def _choose(copy: Copy, species: Sequence[str], leave_out: Sequence[str]) -> tuple[_Chosen, str]:
    """What is taken of a copy, and a note on how much of the set is there."""
    names = copy.names("images.txt")
    ids = np.array(list(names))
    species_of = copy.table("image_class_labels.txt", ids)[:, 0].astype(int)
    trained = copy.table("train_test_split.txt", ids)[:, 0] == 1
    listed = {number: name for number, name in copy.names("classes.txt").items() if number in species_of}
    out = sorted({_species(name, listed, copy.where) for name in leave_out})
    kept = [_species(name, listed, copy.where) for name in species] or list(listed)
    order = [*sorted(set(kept) - set(out)), *out]
    if (count := len(order) - len(out)) < 2:
        raise DataError(f"{copy.where}: a classifier needs two or more species; {count} of {len(listed)} are kept.")
    rows = np.isin(species_of, order)
    chosen = _Chosen(
        order,
        [_readable(listed[number]) for number in order],
        count,
        [names[number] for number in ids[rows]],
        ids[rows],
        np.array([order.index(number) for number in species_of[rows]]),
        trained[rows],
    )
    return chosen, _counts(len(listed), trained)


def _counts(species: int, trained: NDArray[np.bool_]) -> str:
    """A note on how much of the set is there."""
    found = {"images": len(trained), "train": int(trained.sum()), "test": int((~trained).sum())}
    counts = ", ".join(f"{number:,} {name}" for name, number in found.items())
    if species < SPECIES:
        return f"The copy has {species} of {SPECIES} species: {counts}."
    whole = ", ".join(f"{number:,} {name}" for name, number in COUNTS.items())
    return (
        f"The copy has all {SPECIES} species: {counts}{'' if found == COUNTS else f', where the full set has {whole}'}."
    )


def _species(name: str, listed: Mapping[int, str], where: str) -> int:
    """The number of a species that is called by its number or its name."""
    for number, full in listed.items():
        if name in (full, _readable(full)) or (name.isdecimal() and int(name) == number):
            return number
    known = [*map(_readable, listed.values()), *listed.values()]
    raise DataError(
        f"{where}: it has no images of a species {name!r}.{near_miss(name, known)} Give numbers such as "
        f"'{next(iter(listed)):03}', or names such as {known[0]!r}."
    )


def _readable(name: str) -> str:
    return name.split(".", 1)[-1].replace("_", " ")


def _question(attribute: str) -> str:
    return attribute.split("::")[0]


@dataclass(frozen=True)
class _Attributes:
    """The attributes that are kept, and what is known of them for each of the chosen species."""

    columns: NDArray[np.int64]  # their places among all attributes
    total: int  # how many attributes the set has
    names: tuple[str, ...]
    labels: str  # hard or soft
    matrix: Numbers  # P(attribute | species), a row for each chosen species

    def of_images(self, copy: Copy, chosen: _Chosen, source: str) -> tuple[Numbers, str]:
        """The attributes of each image, its own or those of its species, and a note on which; see `cub`."""
        if source == "image" or (source == "auto" and copy.has(_IMAGE_TABLE)):
            values = copy.table(_IMAGE_TABLE, chosen.ids, items=self.total)[:, self.columns, 0]
            return values, "Each image has its own attributes."
        return self.matrix[chosen.place], f"Each image has the attributes of its species, {self.labels}."


def _class_attributes(copy: Copy, chosen: _Chosen, labels: Literal["hard", "soft"], only_varying: bool) -> _Attributes:
    listed = "attributes/attributes.txt"  # in the official archive it lies beside the folder
    names = tuple(copy.names(listed if copy.has(listed) else "../attributes.txt").values())
    soft = _shares(copy, chosen.species, names)
    hard = soft >= 0.5
    for group in attribute_groups(names):
        if _question(names[group[0]]) in SINGLE_CHOICE:
            hard[:, group] &= soft[:, group].argmax(1)[:, None] == np.arange(len(group))
    kept = hard[: chosen.count]
    columns = np.flatnonzero((kept != kept[0]).any(0)) if only_varying else np.arange(len(names))
    matrix = (hard.astype(float) if labels == "hard" else soft)[:, columns]
    return _Attributes(columns, len(names), tuple(names[column] for column in columns), labels, matrix)


def _shares(copy: Copy, species: Sequence[int], names: Sequence[str]) -> Numbers:
    """P(attribute | species), a row for each of these, in 0..1."""
    where = shown(copy.file(_CLASS_TABLE))
    soft = copy.numbers(_CLASS_TABLE) / 100
    if soft.shape != (SPECIES, len(names)):
        raise DataError(
            f"{where}: {SPECIES} rows, one for each species, of {len(names)} attributes are needed; got "
            f"{soft.shape[0]} of {soft.shape[1]}."
        )
    if not (soft.min() >= 0 and 0.01 < soft.max() <= 1):  # refuses NaN too
        raise DataError(f"{where}: percentages are needed, 0 to 100; got {soft.min() * 100:g} to {soft.max() * 100:g}.")
    if not 1 <= min(species) <= max(species) <= SPECIES:
        raise DataError(f"{copy.where}: species are numbered from 1 to {SPECIES}; got {max(species)}.")
    chosen: Numbers = soft[np.array(species) - 1]
    return chosen


def _spec(chosen: _Chosen, table: _Attributes, frame: Preprocessing) -> DataSpec:
    names = table.names
    return DataSpec(
        tuple(chosen.classes[: chosen.count]),
        frame.channels,
        frame.height,
        frame.width,
        names,
        tuple(map(tuple, table.matrix[: chosen.count].tolist())) if names else (),
        at_most_one=exclusive_groups(names, lambda group: _question(names[group[0]]) in SINGLE_CHOICE),
        groups=attribute_groups(names),
    )


def _files(copy: Copy, chosen: _Chosen, attributes: Numbers, preprocessing: Preprocessing) -> Files:
    """The images with their boxes and parts."""
    if absent := [name for name in chosen.files if not copy.has(f"images/{name}")]:
        raise DataError(
            f"{copy.where}: images/{shown(absent[0])} is missing, the first of {len(absent)} that images.txt lists; "
            f"use a complete copy, or name the species that are there in `species`."
        )
    boxes = copy.table("bounding_boxes.txt", chosen.ids, width=4)
    boxes[:, 2:] += boxes[:, :2]  # from width and height
    parts = copy.names("parts/parts.txt")
    return Files(
        [copy.file(f"images/{name}") for name in chosen.files],
        preprocessing,
        torch.from_numpy(chosen.place),
        torch.from_numpy(attributes),
        boxes=torch.from_numpy(boxes).float(),
        parts=torch.from_numpy(copy.table("parts/part_locs.txt", chosen.ids, items=len(parts), width=3)).float(),
        part_names=tuple(parts.values()),
    )


def _roles(
    copy: Copy, everything: Files, chosen: _Chosen, shares: Mapping[Role, float], seed: int
) -> tuple[list[Role], str]:
    """The role of each kept image, and a note on them."""
    files = everything.select(np.flatnonzero(chosen.kept).tolist())
    roles = _drawn(files, chosen.trained[chosen.kept], shares, seed)
    labels = [chosen.classes[label] for label in files.labels]
    check_trained(labels, roles, files.names(range(len(files))), where=copy.where)
    counts = ", ".join(f"{roles.count(role)} {role}" for role in ("train", "validation", "calibration"))
    return (
        roles,
        f"Roles were drawn from the official train split by a hash of each file's bytes (seed {seed}): {counts}.",
    )


def _drawn(files: Files, trained: NDArray[np.bool_], shares: Mapping[Role, float], seed: int) -> list[Role]:
    """Test, or drawn from train: each class gives its share, and equal files stay together."""
    roles: list[Role] = ["train" if own else "test" for own in trained]
    indices = np.flatnonzero(trained).tolist()
    hashes = files.select(indices).content_hashes()
    keys = [blake2b(digest + str(seed).encode(), digest_size=8).digest() for digest in hashes]
    labels = files.labels[indices].tolist()
    for label in set(labels):
        waiting = sorted({key for key, own in zip(keys, labels, strict=True) if own == label})
        total, drawn = len(waiting), dict[bytes, Role]()
        for role, share in shares.items():
            take = min(round(share * total), len(waiting) - 1)  # one stays in train
            drawn |= dict.fromkeys(waiting[:take], role)
            waiting = waiting[take:]
        for index, key, own in zip(indices, keys, labels, strict=True):
            if own == label:
                roles[index] = drawn.get(key, "train")
    return roles
