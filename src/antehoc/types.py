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
from antehoc.spec import DataSpec as DataSpec

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
