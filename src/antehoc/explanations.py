"""The kinds of explanation. Each describes itself, in words and as blocks of a report: no other file checks the kind.

To add a kind, write a frozen dataclass here and add it to `KINDS`.
"""

from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from antehoc.blocks import Bar, Bars, Overlay, Section
from antehoc.errors import DataError, RecipeError
from antehoc.figure import number, percent
from antehoc.schema import build_named
from antehoc.spec import DataSpec

PRESENT = 0.5  #: from this probability on an attribute is said to be present
_BARS = 10  # attributes that are shown; the rest is counted
_FEW_CLASSES = 5  # with more, the confidence of each class is not shown


class Explanation(ABC):
    """What a decision comes with: plain data that can be shown, written to JSON and read back."""

    kind: ClassVar[str]  #: its name in JSON, a key of `KINDS`
    source: ClassVar[str]  #: what it is called in "classes by ...", such as "the mask"
    note: ClassVar[str]  #: what a page says above images that are explained so
    legend: ClassVar[str]  #: how its picture is to be read

    @abstractmethod
    def blocks(self, spec: DataSpec | None, label: str, image: Tensor | Image.Image | None = None) -> list[Section]:
        """What a page shows of it beside the image, a titled section for each part.

        Args:
            spec: of the model's data; None where the model is not at hand: what it expects is not shown then.
            label: the class that is decided, or the label that it explains.
            image: (C, H, W) in 0..1 or a picture, for maps to lie over.
        """

    about: str = ""  #: the class that it explains, where a decision has an explanation for each of several

    def words(self) -> list[str]:
        """What a terminal shows of it below the decision, beside the reasons; a sentence each."""
        return []

    def maps(self) -> dict[str, Tensor]:
        """The maps (H, W) in 0..1 that it consists of, by name; none where it has no place in the image."""
        return {}

    def resampled(self, change: Callable[[Tensor], Tensor]) -> "Explanation":
        """The same with each of its maps changed, such as brought to the pixels of the source image."""
        return self

    def checked(self) -> "Explanation":
        """Itself, where values read from outside are such an explanation; their types are right already.

        Raises:
            DataError: naming the value.
        """
        return self

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON, its kind among them."""
        values: dict[str, Any] = asdict(self)  # type: ignore[call-overload]
        return {"kind": self.kind, **{key: value for key, value in values.items() if key != "about" or value}}


@dataclass(frozen=True)
class AttributeScores(Explanation):
    """How surely each human-named attribute is present, in 0..1."""

    names: tuple[str, ...]
    probabilities: tuple[float, ...]
    about: str = ""

    def __post_init__(self) -> None:
        if len(self.names) != len(self.probabilities):
            raise DataError(f"attributes need a probability each; got {len(self.names)} and {len(self.probabilities)}.")

    kind: ClassVar[str] = "attributes"
    source: ClassVar[str] = "the attributes"
    note: ClassVar[str] = (
        "The class probabilities come from the classifier. The classes by the attributes alone come from the predicted"
        " attributes and the table of attributes expected for each class. The confidence of a class by support is the"
        " share of its expected attributes that are present."
    )
    legend: ClassVar[str] = (
        "Tick mark: expected for the decided class. Vermilion: an attribute at odds with it. Of many attributes, the"
        " most probable answer to each question is shown, first those present that few classes have."
    )

    def blocks(self, spec: DataSpec | None, label: str, image: Tensor | Image.Image | None = None) -> list[Section]:
        if not self.names:
            return []
        rows = self.bars(spec, label, _BARS)
        spoken = ", ".join(f"{row.label} {number(row.value, 'probability')}" for row in rows)
        title = "Attributes that stand out" if len(self.names) > _BARS else "Attributes"
        bars = Bars(tuple(rows), f"attribute probabilities: {spoken}", len(self.names) - len(rows), "attributes")
        return [Section(title, (bars,)), *self._support_section(spec, label)]

    def _support_section(self, spec: DataSpec | None, label: str) -> list[Section]:
        """The confidence of each class by the papers' support rule, where the classes are few."""
        if spec is None or len(spec.classes) > _FEW_CLASSES:
            return []
        shares = self.support(spec)
        rows = tuple(Bar(name, share, bold=name == label) for name, share in shares.items())
        spoken = ", ".join(f"{name} {number(share, 'probability')}" for name, share in shares.items())
        return [Section("Confidence by support", (Bars(rows, f"confidence of each class by support: {spoken}"),))]

    def bars(self, spec: DataSpec | None, label: str, most: int) -> list[Bar]:
        """Attribute probabilities, each with a tick at what is expected for the decided class; without `spec` none.

        Where there are more than `most`: of each question the most probable answer, first what is present and rare
        among the classes; without questions, the attributes that are surest or most at odds with the class.
        """
        if spec is None:
            surest = sorted(zip(self.names, self.probabilities, strict=True), key=lambda row: -row[1])[:most]
            return [Bar(plain(name), seen, "seen") for name, seen in surest]
        expected = spec.class_attributes[spec.classes.index(label)]
        rows = list(zip(self.names, self.probabilities, expected, strict=True))
        if len(rows) > most:
            rows = _telling(rows, spec) if spec.groups else sorted(rows, key=lambda r: -max(r[1], abs(r[1] - r[2])))
        return [
            Bar(plain(name), seen, "odd" if (seen >= PRESENT) != (wanted > 0.5) else "seen", tick=wanted)
            for name, seen, wanted in rows[:most]
        ]

    def support(self, spec: DataSpec) -> dict[str, float]:
        """For each class the share of its expected attributes that are present: `doubts.support_confidence`."""
        present = [probability >= PRESENT for probability in self.probabilities]
        found = {}
        for name, row in zip(spec.classes, spec.class_attributes, strict=True):
            expected = [share > 0.5 for share in row]
            both = sum(p and e for p, e in zip(present, expected, strict=True))
            found[name] = both / max(sum(expected), 1)
        return found


@dataclass(frozen=True)
class SaliencyMask(Explanation):
    """How much of each pixel the classifier could see, in 0..1.

    It is kept as a gray PNG, which rounds to 1/255: plain data that any program opens. The raw mask is the output's.
    """

    height: int  #: pixels
    width: int  #: pixels
    png: str  #: 8 bits a pixel, base64
    about: str = ""

    kind: ClassVar[str] = "mask"
    source: ClassVar[str] = "the mask"
    note: ClassVar[str] = "The class probabilities come from the classifier, which sees the image through the mask."
    legend: ClassVar[str] = (
        "The mask lies over its image: light yellow where the classifier could see it, black where it could not, on the"
        " same scale from 0 to 1 in every picture."
    )

    @staticmethod
    def of(mask: Tensor, about: str = "") -> "SaliencyMask":
        """From a mask (H, W) in 0..1, and the class that it explains where there are several."""
        values = (mask.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        buffer = BytesIO()
        Image.fromarray(values).save(buffer, "PNG")
        return SaliencyMask(mask.shape[0], mask.shape[1], png=b64encode(buffer.getvalue()).decode(), about=about)

    def values(self) -> Tensor:
        """The mask (H, W) in 0..1."""
        with Image.open(BytesIO(b64decode(self.png))) as picture:
            return torch.from_numpy(np.array(picture)).float() / 255

    def checked(self) -> "SaliencyMask":
        try:
            with Image.open(BytesIO(b64decode(self.png, validate=True)), formats=("PNG",)) as picture:
                found = (*picture.size, picture.mode)
                if found == (self.width, self.height, "L"):
                    picture.load()
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            text = self.png if len(self.png) < 40 else f"{self.png[:37]}..."
            raise DataError(
                f"png holds a PNG in base64; got {text!r}, which is none; decide on the image again."
            ) from error
        if found != (self.width, self.height, "L"):
            raise DataError(
                f"png holds a gray PNG of {self.width} x {self.height} pixels, as the mask's width and height say; got"
                f" {found[0]} x {found[1]} pixels of mode {found[2]}; decide on the image again."
            )
        return self

    def blocks(self, spec: DataSpec | None, label: str, image: Tensor | Image.Image | None = None) -> list[Section]:
        values = self.values()
        mean = f"the mask shows {percent(float(values.mean()))} of the image"
        alt = f"{mean}, {_where(values)}"
        overlay = Overlay(values, alt, image, low="0: hidden", high="1: shown", caption=mean)
        title = "What the mask lets through"
        return [Section(f"{title}: {self.about}" if self.about else title, (overlay,))]

    def words(self) -> list[str]:
        of, values = f" of {self.about!r}" if self.about else "", self.values()
        return [] if bool(values.eq(1).all()) else [f"the mask{of} shows {percent(float(values.mean()))} of the image"]

    def maps(self) -> dict[str, Tensor]:
        return {"mask": self.values()}

    def resampled(self, change: Callable[[Tensor], Tensor]) -> "SaliencyMask":
        return SaliencyMask.of(change(self.values()), self.about)


KINDS: dict[str, Callable[..., Explanation]] = {"attributes": AttributeScores, "mask": SaliencyMask}

ExplanationT = TypeVar("ExplanationT", bound=Explanation)


def of_kind(explanations: Iterable[Explanation], kind: type[ExplanationT]) -> ExplanationT | None:
    """The first explanation of a kind; None where there is none."""
    return next((one for one in explanations if isinstance(one, kind)), None)


def from_plain(values: object, where: str) -> Explanation:
    """An explanation from the plain values of `to_plain`, checked.

    Raises:
        RecipeError: an unknown kind, unknown keys, values of the wrong type, or that are no such explanation.
    """
    try:
        return build_named("kind of explanation", KINDS, values, where, key="kind").checked()
    except DataError as error:
        raise RecipeError(f"{where}: {error}") from error


def plain(name: str) -> str:
    """An attribute's name as people write it.

    Example:
        >>> plain("has_bill_shape::hooked_seabird"), plain("four vertices")
        ('bill shape: hooked seabird', 'four vertices')
    """
    return name.removeprefix("has_").replace("::", ": ").replace("_", " ")


def _telling(rows: Sequence[tuple[str, float, float]], spec: DataSpec) -> list[tuple[str, float, float]]:
    """The most probable attribute of each question, and those that answer none, by how far they stand out."""
    grouped = {number for group in spec.groups for number in group}
    kept = [max(group, key=lambda number: rows[number][1]) for group in spec.groups]
    kept += [number for number in range(len(rows)) if number not in grouped]
    usual = np.mean(spec.class_attributes, 0)
    return [rows[n] for n in sorted(kept, key=lambda n: (rows[n][1] < PRESENT, usual[n] - rows[n][1]))]


def _where(values: Tensor) -> str:
    """Where the middle of what a mask shows lies, for a person who does not see it."""
    total = float(values.sum())
    if total == 0:
        return "nothing anywhere"
    sides = (("top", "middle", "bottom"), ("left", "middle", "right"))
    names = []
    for axis, words in enumerate(sides):
        sums = values.sum(1 - axis)
        middle = sum((place + 0.5) * float(share) for place, share in enumerate(sums)) / total / len(sums)
        names.append(words[min(int(3 * middle), 2)])
    return f"centered at the {' '.join(dict.fromkeys(names))}"
