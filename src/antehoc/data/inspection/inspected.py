"""What a place with labelled images holds, and how to say it in plain words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from antehoc.data.inspection.checks import Checks
from antehoc.errors import shown
from antehoc.types import Role

_FEW = 20  #: images of a class below which it is named
_UNEVEN = 3.0  #: times as many images as in another class: worth a sentence


@dataclass(frozen=True)
class Inspected:
    """What was found at a path."""

    place: str  #: what a person calls the path
    kind: str  #: what lies there, such as `class folders`
    data: Mapping[str, Any]  #: the section `data` of a recipe that reads it, without the size of images
    counts: Mapping[str, int]  #: images by class
    checks: Checks
    roles: Mapping[Role, int] = field(default_factory=dict)  #: images by role, where a split is given
    attributes: tuple[str, ...] = ()
    groups: int = 0  #: questions with several attributes as answers
    exclusive: int = 0  #: of which exactly one answer holds
    per_image: bool = False  #: whether each image has attributes of its own
    alike: tuple[tuple[str, str], ...] = ()  #: pairs of classes that the attributes do not tell apart
    masks: int = 0  #: images with an object mask
    boxes: int = 0  #: images with an object box
    in_two_classes: tuple[str, str] | None = None  #: two equal files of different classes
    in_two_roles: tuple[str, str] | None = None  #: two equal files of different roles
    in_memory: bool = False  #: whether the images are no files of their own
    notes: tuple[str, ...] = ()  #: what was left out

    @property
    def images(self) -> int:
        """How many images there are."""
        return sum(self.counts.values())

    @property
    def per_class(self) -> int:
        """Images of the class in the middle."""
        return sorted(self.counts.values())[len(self.counts) // 2]

    def blocking(self) -> str | None:
        """Why training on it would stop, a sentence; None where nothing speaks against it."""
        if bad := self.checks.unreadable:
            more = "" if len(bad) == 1 else f" {len(bad) - 1} more cannot be read."
            return f"{bad[0]}{more}"
        if pair := self.in_two_roles:
            first, second = map(shown, pair)
            return f"{self.place}: {first} and {second} are equal files in two roles; remove one of them."
        return None

    def sentences(self) -> list[str]:
        """What was found, a sentence each."""
        checks, (low, high) = self.checks, self.checks.sides
        size = f"{checks.width}x{checks.height}"
        found = [
            f"{self.place}: {self.kind}, {self.images:,} images in {len(self.counts):,} classes.",
            f"Images per class: {self._spread()}.",
            f"Size: {size} pixels{'' if low == high else f' (median; sides from {low} to {high})'}"
            f"{', all gray' if checks.gray else ''}.",
            self._looked_at(),
        ]
        if self.roles:
            found.append(f"Split: {', '.join(f'{count:,} {role}' for role, count in self.roles.items())}.")
        return [*found, *self._labels(), *self._equal(), *self.notes]

    def _spread(self) -> str:
        low, high = (pick(self.counts, key=self.counts.__getitem__) for pick in (min, max))
        least, most = self.counts[low], self.counts[high]
        if least == most:
            return f"{least:,} each"
        said = f"{least:,} ({shown(low)}) to {most:,} ({shown(high)}), median {self.per_class:,}"
        if most >= _UNEVEN * least:
            said += f"; uneven: a class with few images is decided less often, {most / least:.1f} to 1 here"
        return said + (f"; fewer than {_FEW} images are hardly enough to learn a class" if least < _FEW else "")

    def _looked_at(self) -> str:
        checks = self.checks
        every = checks.decoded + len(checks.unreadable) >= checks.files
        how = (
            "all files were decoded"
            if every
            else f"the first bytes of all {checks.files:,} files were read, and {checks.decoded:,} of them decoded"
        )
        if not (bad := checks.unreadable):
            return f"Unreadable files: none found ({how})."
        more = f", and {len(bad) - 3} more" if len(bad) > 3 else ""
        return f"Unreadable files: {len(bad)} ({how}): {'; '.join(str(one).rstrip('.') for one in bad[:3])}{more}."

    def _labels(self) -> list[str]:
        found = []
        if self.attributes:
            grouped = f", {_some(self.groups, 'question')} with several answers" if self.groups else ""
            alone = f" ({self.exclusive} of them exclusive)" if self.groups else ""
            of = "of each image" if self.per_image else "of each class"
            found.append(f"Attributes: {len(self.attributes)} {of}{grouped}{alone}.")
        else:
            found.append("Attributes: none.")
        if self.alike:
            first = " and ".join(map(shown, self.alike[0]))
            pairs = _some(len(self.alike), "pair")
            found.append(f"The attributes do not tell {pairs} of classes apart, such as {first}.")
        objects = {"object masks": self.masks, "object boxes": self.boxes}
        given = [f"{what} on {count:,} images" for what, count in objects.items() if count]
        return [*found, f"Masks and boxes: {', '.join(given) or 'none'}."]

    def _equal(self) -> list[str]:
        if not (groups := self.checks.equal):
            return ["Duplicates: none."]
        spare = sum(len(group) - 1 for group in groups)
        found = [f"Duplicates: {_some(spare, 'file')} with the same bytes as another; equal files share a role."]
        if pair := self.in_two_classes:
            found.append(f"Equal files with different labels, such as {shown(pair[0])} and {shown(pair[1])}: fix one.")
        if pair := self.in_two_roles:
            found.append(f"Equal files in two roles, such as {shown(pair[0])} and {shown(pair[1])}: remove one.")
        return found

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON."""
        checks = self.checks
        return {
            "path": self.place, "kind": self.kind, "images": self.images, "classes": dict(self.counts),
            "roles": dict(self.roles), "width": checks.width, "height": checks.height, "sides": list(checks.sides),
            "gray": checks.gray, "decoded": checks.decoded, "unreadable": [str(one) for one in checks.unreadable],
            "duplicates": sum(len(group) - 1 for group in checks.equal), "attributes": list(self.attributes),
            "exclusive_groups": self.exclusive, "masks": self.masks, "boxes": self.boxes, "notes": list(self.notes),
        }  # fmt: skip


def _some(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def pairs_alike(classes: Sequence[str], rows: Sequence[Sequence[float]]) -> tuple[tuple[str, str], ...]:
    """Pairs of classes with the same attributes: each with the first such class."""
    first: dict[tuple[float, ...], str] = {}
    pairs = ((first.setdefault(tuple(row), name), name) for name, row in zip(classes, rows, strict=True))
    return tuple(pair for pair in pairs if pair[0] != pair[1])
