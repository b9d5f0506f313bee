"""The classifier beside which the mirror stands: a backbone by stages and a dense layer."""

from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from antehoc import task
from antehoc.errors import RecipeError
from antehoc.nn.backbones import Backbone, PaperShapes, glorot_
from antehoc.systems.base import Trainable
from antehoc.types import Batch, DataSpec


class MainOutput(NamedTuple):
    """What one pass of the classifier gives."""

    logits: Tensor  #: (B, K)
    stages: tuple[Tensor, ...]  #: every stage's activation


class Main(Trainable[MainOutput]):
    """The classifier: a backbone and a dense layer."""

    weights: ClassVar = {"label": 1.0}

    def __init__(
        self,
        spec: DataSpec,
        backbone: Backbone,
        *,
        head: Literal["flatten", "pool"] = "pool",
        frozen_stages: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= frozen_stages < len(backbone.stages):
            raise RecipeError(f"frozen_stages: 0 to {len(backbone.stages) - 1} of this backbone; got {frozen_stages}.")
        self.backbone, self.frozen_stages, self.task = backbone, frozen_stages, spec.task
        self.shapes = stage_shapes(backbone, spec)[frozen_stages:]
        channels, height, width = self.shapes[-1]
        flat = channels * height * width if head == "flatten" else channels
        self.pool: nn.Module = nn.Identity() if head == "flatten" else nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(flat, len(spec.classes))
        if isinstance(backbone, PaperShapes):
            glorot_(self.head)
        self.frozen_part().eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "Main":
        super().train(mode)
        self.frozen_part().eval()
        return self

    def requires_grad_(self, requires_grad: bool = True) -> "Main":
        super().requires_grad_(requires_grad)
        if self.frozen_stages:
            self.frozen_part().requires_grad_(False)
        return self

    def frozen_part(self) -> nn.Module:
        part = nn.Module()
        part.stages = self.backbone.stages[: self.frozen_stages]
        for name, value in self.backbone.named_buffers(recurse=False):  # of its normalization
            part.register_buffer(name, value)
        return part

    def forward(self, image: Tensor) -> MainOutput:
        return self.from_activations(self.activations(image))

    def activations(self, image: Tensor) -> tuple[Tensor, ...]:
        return (self.backbone.begin(image, self.frozen_stages),)

    def from_activations(self, activations: tuple[Tensor, ...]) -> MainOutput:
        stages = self.backbone.finish(activations[0], self.frozen_stages)
        return MainOutput(self.head(self.dropout(self.read(stages[-1]))), stages)

    def read(self, activation: Tensor) -> Tensor:
        """What the dense layer reads of the last activation: (B, features)."""
        features: Tensor = self.pool(activation).flatten(1)
        return features

    def loss_terms(self, output: MainOutput, batch: Batch) -> dict[str, Tensor]:
        return {"label": task.loss(self.task, output.logits, batch.label)}

    def scores(self, output: MainOutput, batch: Batch) -> dict[str, Tensor]:
        return {"accuracy": task.accuracy(self.task, output.logits, batch.label)}


@torch.no_grad()
def stage_shapes(backbone: Backbone, spec: DataSpec) -> list[tuple[int, int, int]]:
    """Channels, height and width of each stage's activation, found by one pass on an empty image."""
    training = backbone.training
    backbone.eval()
    try:
        stages = backbone(torch.zeros(1, spec.channels, spec.height, spec.width))
    except (RuntimeError, AssertionError, AttributeError) as error:  # from its convolutions, about the size
        raise RecipeError(
            f"images of {spec.height}x{spec.width} pixels do not pass through this backbone, most likely because they "
            "are too small; take larger ones or another backbone."
        ) from error
    finally:
        backbone.train(training)
    return [tuple(stage.shape[1:]) for stage in stages]
