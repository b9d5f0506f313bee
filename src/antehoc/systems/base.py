"""What training needs of a model, and what a system adds: it decides, explains and doubts.

A system must write `forward`, `loss_terms`, `scores`, `explain` and `doubts`. Everything else has a default.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

from torch import Tensor, nn

from antehoc import task
from antehoc.cards import Card
from antehoc.doubts import DOUBTS, Temperature, TrainingImages
from antehoc.errors import DataError
from antehoc.explanations import Explanation
from antehoc.types import Batch, DataSpec, Reason


@runtime_checkable
class Output(Protocol):
    """What every system's output has."""

    @property
    def logits(self) -> Tensor: ...


OutputT = TypeVar("OutputT")
SystemOutputT = TypeVar("SystemOutputT", bound=Output)
Explanations = tuple[Explanation, ...]
Reasons = dict[int, list[Reason]]  #: by the number of the class that they are about, the strongest first


class Reconsidered(NamedTuple):
    """What explanations and decided classes say without the images: what changes when a person corrects one."""

    doubts: dict[str, Tensor]  #: (B,) by name: those doubts of the system that depend on nothing else
    by_explanation: Tensor  #: (B, K) P(class | explanation) under a uniform prior
    reasons: list[Reasons]  #: of each image


class Trainable(nn.Module, ABC, Generic[OutputT]):
    """All that the training loop needs.

    A model whose first part may be frozen splits `forward` in two: `from_activations(activations(image))`. What
    `activations` gives can then be cached where that part is frozen and the images do not change between epochs.
    """

    weights: ClassVar[Mapping[str, float]]  #: the default weight of every loss term

    @abstractmethod
    def forward(self, image: Tensor) -> OutputT:
        """The output for images (B, C, H, W) in 0..1. It never sees a label."""

    @abstractmethod
    def loss_terms(self, output: OutputT, batch: Batch) -> dict[str, Tensor]:
        """Raw, named terms, each a scalar; their weights belong to the recipe."""

    @abstractmethod
    def scores(self, output: OutputT, batch: Batch) -> dict[str, Tensor]:
        """Validation figures by name, each a scalar; higher is better."""

    def look(self, image: Tensor, output: OutputT) -> OutputT:
        """The output with what further passes over the images add: what losses and doubts need beside the decision."""
        return output

    def training_pass(self, image: Tensor) -> OutputT:
        """The output of a training step. Override it only where forward and looks must share one pass."""
        return self.look(image, self(image))

    def activations(self, image: Tensor) -> tuple[Tensor, ...]:
        """What the later half reads of the images; the batch comes first in each."""
        return (image,)

    def from_activations(self, activations: tuple[Tensor, ...]) -> OutputT:
        """The output, from what `activations` gave."""
        output: OutputT = self(*activations)
        return output

    def frozen_part(self) -> nn.Module:
        """The module that `activations` runs: a cache of them is named after its layers and weights."""
        return self

    def cacheable(self, parts: tuple[str, ...]) -> bool:
        """Whether `activations` runs frozen layers only in a phase that trains these parts.

        A learner with a `look` of its own is never cacheable: a cache holds no images to look at.
        """
        return False

    def learner(self, parts: tuple[str, ...]) -> "Trainable[Any]":
        """The smallest part that must run to train these parts: itself, or one of its own modules."""
        return self

    def depth(self, name: str) -> int:
        """How deep a parameter lies, by its name: 0 in new layers, 1 in a backbone's last stage, and so on back."""
        return 0

    def begin_phase(self, parts: tuple[str, ...]) -> None:
        """Called once before a phase that trains these parts starts: the place for a warm start."""
        return

    def remarks(self, figures: Mapping[str, float]) -> list[str]:
        """What a person should know of a training with these validation figures, a sentence each."""
        return []


class System(Trainable[SystemOutputT], ABC):
    """A classifier that explains its decisions. Its constructor takes the `DataSpec`, then keyword-only values."""

    card: ClassVar[Card]
    earlier: ClassVar[Mapping[str, str]] = {}  #: where arguments of earlier versions went: `settings.regrouped`
    removed: ClassVar[Mapping[str, object]] = {}  #: arguments of earlier versions that are gone, with their defaults
    spec: DataSpec

    def __init__(self) -> None:
        super().__init__()
        self.training_images = TrainingImages()
        self.temperature = Temperature()

    @abstractmethod
    def explain(self, output: SystemOutputT) -> list[Explanations]:
        """One or more explanations for each image."""

    @abstractmethod
    def doubts(self, output: SystemOutputT) -> dict[str, Tensor]:
        """What the explanation says against the decision, by names in `DOUBTS`; higher: they disagree more.

        Returns:
            (B,) each; with several labels (B, K). Doubts of the decision alone are added by `all_doubts`.
        """

    def all_doubts(self, output: SystemOutputT) -> dict[str, Tensor]:
        """Every doubt by name: the system's own, those of the decision alone, and those of similar training images."""
        logits = output.logits
        found = {name: doubt.function(self.spec.task, logits) for name, doubt in DOUBTS.items() if doubt.of_decision}
        found["confidence"] = self.temperature(self.spec.task, logits)
        read = self.dense(output) if self.training_images.fitted else None
        near = {} if read is None else self.training_images(read[0], self.predicted(output))
        return {**self.doubts(output), **found, **near}

    def nearest(self, output: SystemOutputT) -> Tensor | None:
        """(B, 5) classes of the most similar training images that are kept, the nearest first; None where none are."""
        read = self.dense(output) if self.training_images.fitted else None
        return None if read is None else self.training_images.nearest(read[0])

    def predicted(self, output: SystemOutputT) -> Tensor:
        """What is decided: (B,) class numbers, or with several labels (B, K) bool."""
        return task.predicted(self.spec.task, output.logits)

    def doubt_features(self, output: SystemOutputT) -> dict[str, Tensor]:
        """What `fit_doubts` needs of each training image, by name: (B, features) each, and no more than that."""
        return {}

    def fit_doubts(self, features: Mapping[str, Tensor], label: Tensor) -> None:
        """Set what the doubts must know of the training data.

        Args:
            features: what `doubt_features` gave of all training images, (n, features) each.
            label: (n,), or with several labels (n, K).
        """
        return

    def columns(self, output: SystemOutputT) -> dict[str, Tensor]:
        """What an evaluation keeps of the explanation of each image, by name; small tensors, the batch first."""
        return {}

    def dense(self, output: SystemOutputT) -> tuple[Tensor, nn.Linear] | None:
        """What the classifier's dense layer reads of each image (B, features), and that layer; None without one."""
        return None

    def shown(self, output: SystemOutputT) -> Tensor | None:
        """(B, 1, H, W) in 0..1: how much of each pixel the decision could see; None where it sees whole images."""
        return None

    def through(self, image: Tensor, mask: Tensor) -> Tensor:
        """(B, K) logits of images of which only this is seen, (B, 1, H, W) in 0..1. For systems that have `shown`."""
        raise NotImplementedError(f"{type(self).__name__} sees whole images.")

    def by_explanation(self, output: SystemOutputT) -> Tensor | None:
        """(B, K) P(class | explanation) under a uniform prior; None where the explanation says nothing of classes."""
        return None

    def reasons(self, output: SystemOutputT) -> list[Reasons]:
        """The explanation's own reasons for and against each decision; those of `DOUBTS` are added later."""
        return [{} for _ in range(len(output.logits))]

    def reconsider(self, explanations: Sequence[Explanations], predicted: Tensor) -> Reconsidered:
        """What follows from the explanations, as `explain` gives them, and the decided classes (B,) alone.

        Raises:
            DataError: where a person cannot correct this kind of explanation.
        """
        raise DataError("this explanation cannot be corrected by hand; decide on another image.")

    def decision(self, image: Tensor) -> Tensor:
        """(B, K) logits of images. Override it where they can be had without the explanation."""
        logits: Tensor = self(image).logits
        return logits

    def as_classifier(self) -> nn.Module:
        """The decision alone, so that other people's tools work on it."""
        return _Decision(self)


class _Decision(nn.Module):
    def __init__(self, system: System[Any]) -> None:
        super().__init__()
        self.system = system

    def forward(self, image: Tensor) -> Tensor:
        return self.system.decision(image)
