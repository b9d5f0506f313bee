"""The words of the house: what goes in, what comes out, and the check that tensors have the shapes they claim."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Literal, NamedTuple, ParamSpec, TypeVar

import beartype
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, jaxtyped
from PIL import Image
from torch import Tensor

from antehoc.cards import Card
from antehoc.errors import DataError

P = ParamSpec("P")
R = TypeVar("R")

Images = Float[Tensor, "batch channels height width"]
Scores = Float[Tensor, " batch"]
Labels = Int[Tensor, " batch"]
Flags = Bool[Tensor, " batch"]

Role = Literal["train", "validation", "calibration", "test"]
ROLES: tuple[Role, ...] = ("train", "validation", "calibration", "test")


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Check shapes and types of a public function on tensors at every call (some 30 microseconds).

    A stray size of 1 broadcasts without a word; this raises instead.
    """
    return jaxtyped(typechecker=beartype.beartype)(function)


@dataclass(frozen=True)
class DataSpec:
    """What a model must know of its data, and nothing else: names, sizes, and what each class asks for.

    Raises:
        DataError: where the parts contradict each other.
    Example:
        >>> spec = DataSpec(("cat", "fox"), 1, 8, 8, ("red",), ((0.0,), (1.0,)))
        >>> spec.classes[1], spec.class_attributes[1]
        ('fox', (1.0,))
    """

    classes: tuple[str, ...]
    channels: int  #: 1 (grey) or 3 (RGB)
    height: int  #: pixels
    width: int  #: pixels
    attributes: tuple[str, ...] = ()
    class_attributes: tuple[tuple[float, ...], ...] = ()  #: P(attribute | class): a row per class, in 0..1
    exclusive: tuple[tuple[int, ...], ...] = ()  #: groups of attribute numbers of which exactly one holds
    at_most_one: tuple[tuple[int, ...], ...] = ()  #: groups of which one holds or none
    groups: tuple[tuple[int, ...], ...] = ()  #: attributes that answer one question, such as the colours of the bill
    absent: str | None = None  #: the class that means "nothing of the kind is there", if there is one

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise DataError(f"a classifier needs two or more classes of different names; got {list(self.classes)}.")
        if self.channels not in (1, 3):
            raise DataError(f"images have 1 channel (grey) or 3 (RGB); got {self.channels}.")
        if len(set(self.attributes)) != len(self.attributes):
            raise DataError(f"attributes need different names; got {list(self.attributes)}.")
        rows = len(self.classes) if self.attributes else 0
        if len(self.class_attributes) != rows or any(len(r) != len(self.attributes) for r in self.class_attributes):
            raise DataError(
                f"the class-attribute matrix must have {rows} rows (classes) of {len(self.attributes)} (attributes)."
            )
        if not all(0 <= value <= 1 for row in self.class_attributes for value in row):
            raise DataError("the class-attribute matrix holds a number outside 0..1; it holds P(attribute | class).")
        for kind, groups in (("exclusive", self.exclusive + self.at_most_one), ("question", self.groups)):
            members = [member for group in groups for member in group]
            if len(set(members)) != len(members) or not all(0 <= member < len(self.attributes) for member in members):
                raise DataError(f"{kind} groups name each attribute once, by number; got {groups}.")
        if self.absent is not None and self.absent not in self.classes:
            raise DataError(f"the class for nothing there, {self.absent!r}, is none of {list(self.classes)}.")


class Batch(NamedTuple):
    """Images that travel together. `attributes` is (B, 0) where the data have none; `activations` only when cached."""

    image: Tensor  #: (B, C, H, W) in 0..1
    label: Tensor  #: (B,)
    attributes: Tensor  #: (B, N) in 0..1
    activations: tuple[Tensor, ...] = ()  #: what a frozen part would compute again: `System.activations(image)`
    mask: Tensor | None = None  #: (B, 1, H, W) in 0..1: where the object is; None where the data have no masks


@dataclass(frozen=True)
class AttributeScores:
    """Explanans of the kind `attributes`: how surely each human-named attribute is present, in 0..1."""

    names: tuple[str, ...]
    probabilities: tuple[float, ...]
    kind: Literal["attributes"] = "attributes"


@dataclass(frozen=True)
class SaliencyMask:
    """Explanans of the kind `mask`: how much of each pixel the classifier was let see, in 0..1.

    It is kept as a grey PNG, which rounds to 1/255: plain data that any program opens. The raw mask is the output's.
    """

    height: int  #: pixels
    width: int  #: pixels
    png: str  #: 8 bits a pixel, base64
    kind: Literal["mask"] = "mask"

    @staticmethod
    def of(mask: Tensor) -> "SaliencyMask":
        """From a mask (H, W) in 0..1."""
        values = (mask.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        buffer = BytesIO()
        Image.fromarray(values).save(buffer, "PNG")
        return SaliencyMask(mask.shape[0], mask.shape[1], png=b64encode(buffer.getvalue()).decode())

    def values(self) -> Tensor:
        """The mask (H, W) in 0..1."""
        with Image.open(BytesIO(b64decode(self.png))) as picture:
            return torch.from_numpy(np.array(picture)).float() / 255


Explanans = AttributeScores | SaliencyMask  # a closed union: self-explainer and ssal add their kinds here

ReasonCode = Literal[
    "attribute-agrees",
    "attribute-unexpected",
    "attribute-missing",
    "fits-another-class",
    "like-another-class",
    "unlike-training",
    "attributes-unsure",
    "unsure",
    "mask-enough",
    "mask-needed",
    "mask-not-enough",
    "mask-not-needed",
    "whole-agrees",
    "whole-disagrees",
]


@dataclass(frozen=True)
class Reason:
    """One reason, for programs (`code` and numbers) and for people (`text`)."""

    code: ReasonCode
    text: str
    attribute: str | None = None
    probability: float | None = None  #: of the attribute, in 0..1
    expected: float | None = None  #: P(attribute | decided class), in 0..1


@dataclass(frozen=True)
class Verdict:
    """Whether the decision stands: `questioned` where the score passes the calibrated threshold."""

    outcome: Literal["accepted", "questioned"]
    score: float  #: higher: decision and explanans disagree more
    threshold: float
    alpha: float  #: the largest expected share of correct decisions that is questioned
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Decision:
    """One image's result: the same in Python, JSON and report. It holds no model."""

    label: str
    probabilities: dict[str, float]  #: by class name, summing to 1
    explanans: Explanans
    doubt: dict[str, float] = field(default_factory=dict)  #: every doubt by name; higher: they disagree more
    verdict: Verdict | None = None  #: None where the model was never calibrated
    card: Card | None = None
    by_explanation: dict[str, float] = field(default_factory=dict)  #: P(class | explanans) by name, summing to 1
    corrected: dict[str, float] = field(default_factory=dict)  #: attributes that a person set, as they now stand
