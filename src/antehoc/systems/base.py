"""What every system is: a module that decides, explains and doubts in one pass."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

from torch import Tensor, nn

from antehoc.cards import Card
from antehoc.types import Batch, DataSpec, Explanans, Reason


@runtime_checkable
class Output(Protocol):
    """The least that a system's output has."""

    @property
    def logits(self) -> Tensor: ...


OutputT = TypeVar("OutputT")
SystemOutputT = TypeVar("SystemOutputT", bound=Output)


class Reconsidered(NamedTuple):
    """What explanans and decided classes say without the images: what follows when a person corrects an explanans."""

    doubts: dict[str, Tensor]  #: (B,) by name: those doubts of the system that look at nothing else
    by_explanation: Tensor  #: (B, K) P(class | explanans) under a uniform prior; (B, 0) where it speaks of no class
    reasons: list[tuple[list[Reason], list[Reason]]]  #: for each decision and against it, strongest first


class Trainable(nn.Module, ABC, Generic[OutputT]):
    """All that the training loop needs.

    `forward(image)` is `from_activations(activations(image))`: the first half is what a phase may cache when the part
    that it runs through is frozen and the images do not change from epoch to epoch.
    """

    weights: ClassVar[Mapping[str, float]]  #: the default weight of every loss term

    @abstractmethod
    def activations(self, image: Tensor) -> tuple[Tensor, ...]:
        """What the later half reads of the images (B, C, H, W) in 0..1; the batch comes first in each."""

    @abstractmethod
    def from_activations(self, activations: tuple[Tensor, ...]) -> OutputT:
        """The output, from what `activations` gave."""

    def forward(self, image: Tensor) -> OutputT:
        return self.from_activations(self.activations(image))

    def frozen_part(self) -> nn.Module:
        """What `activations` runs through: a cache of them is named after its layers and weights."""
        return self

    @abstractmethod
    def loss_terms(self, output: OutputT, batch: Batch) -> dict[str, Tensor]:
        """Raw, named terms, each a scalar; their weights belong to the recipe."""

    @abstractmethod
    def scores(self, output: OutputT, batch: Batch) -> dict[str, Tensor]:
        """Validation figures by name, each a scalar; higher is better."""

    def remarks(self, figures: Mapping[str, float]) -> list[str]:
        """What a person should know of a training whose validation figures are these, a sentence each."""
        return []


class System(Trainable[SystemOutputT], ABC):
    """A classifier that gives its reasons. Its constructor takes the `DataSpec`, then keyword-only plain values."""

    card: ClassVar[Card]
    spec: DataSpec

    @abstractmethod
    def learner(self, parts: tuple[str, ...]) -> Trainable[Any]:
        """The least of the system that must run to train these parts: itself, or one of its own modules."""

    @abstractmethod
    def cacheable(self, parts: tuple[str, ...]) -> bool:
        """Whether `activations` runs through frozen layers only in a phase that trains these parts."""

    def depth(self, name: str) -> int:
        """How deep a parameter lies, by its name: 0 in new layers, 1 in a backbone's last stage, and so on back."""
        return 0

    @abstractmethod
    def begin_phase(self, parts: tuple[str, ...]) -> None:
        """Called once before a phase that trains these parts starts: the place for a warm start."""

    @abstractmethod
    def explain(self, output: SystemOutputT) -> list[Explanans]:
        """One explanans per image."""

    @abstractmethod
    def doubts(self, output: SystemOutputT) -> dict[str, Tensor]:
        """Every doubt by name, (B,) each; higher: decision and explanans disagree more."""

    @abstractmethod
    def table(self, output: SystemOutputT) -> dict[str, Tensor]:
        """What an evaluation keeps of the explanans of each image, by name; small tensors, the batch first."""

    def dense(self, output: SystemOutputT) -> tuple[Tensor, nn.Linear] | None:
        """What the classifier's dense layer reads of each image (B, features), and that layer; None without one."""
        return None

    @abstractmethod
    def reconsider(self, explanans: Sequence[Explanans], predicted: Tensor) -> Reconsidered:
        """What follows from the explanans, as `explain` gives them, and the decided classes (B,) alone."""

    def considered(self, output: SystemOutputT, explanans: Sequence[Explanans]) -> Reconsidered:
        """What decisions come with beside their doubts: classes by the explanans, and reasons for and against."""
        return self.reconsider(explanans, output.logits.argmax(1))

    def reasons(self, output: SystemOutputT) -> list[tuple[list[Reason], list[Reason]]]:
        """For each image the reasons for the decision and those against it, strongest first."""
        return self.considered(output, self.explain(output)).reasons

    @abstractmethod
    def fit_doubts(self, output: SystemOutputT, label: Tensor) -> None:
        """Set what the doubts must know of the training data, from the output on training images and their labels."""

    def decision(self, image: Tensor) -> Tensor:
        """(B, K) logits of images; a system whose output holds more says here how to get them alone."""
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
