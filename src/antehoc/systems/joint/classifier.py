"""The classifier of the joint system alone, as the first stage of training sees it: on the whole image."""

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from antehoc import task
from antehoc.errors import RecipeError
from antehoc.nn.damage import openings
from antehoc.nn.gated import Gated, GatedBackbone
from antehoc.systems.base import Trainable
from antehoc.systems.joint.settings import GatingSettings
from antehoc.task import Task
from antehoc.types import Batch


class ClassifierOutput(NamedTuple):
    """What one pass of the classifier alone gives."""

    logits: Tensor  #: (B, K)


class Classifier(Trainable[ClassifierOutput]):
    """The classifier alone, on the whole image.

    Args:
        network: sees an image through a mask.
        kind: of the labels.
        gating: its `random` share of the images is seen through random masks in training.
        frozen_stages: this many first stages of its backbone never learn; with gating at the image alone.
    Raises:
        RecipeError: its stages cannot be frozen, or it has not so many.
    Source:
        Jethani et al., "Have We Learned to Explain?", AISTATS 2021: a predictor trained on random masks, so that a
        mask's shape tells it nothing (REAL-X).
    Differs: their masks show single pixels or squares, each with probability one half; ours show blobs of one tenth
        of the image to all of it.
    """

    weights: ClassVar = {"label": 1.0}

    def __init__(self, network: Gated, kind: Task, gating: GatingSettings, *, frozen_stages: int = 0) -> None:
        super().__init__()
        self.network, self.task, self.gating, self.frozen_stages = network, kind, gating, frozen_stages
        if frozen_stages:
            _check_frozen(network, gating, frozen_stages)
            self.frozen_part().eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "Classifier":
        super().train(mode)
        self.frozen_part().eval()
        return self

    def requires_grad_(self, requires_grad: bool = True) -> "Classifier":
        super().requires_grad_(requires_grad)
        self.frozen_part().requires_grad_(False)
        return self

    def frozen_part(self) -> nn.Module:
        part = nn.Module()
        if self.frozen_stages and isinstance(self.network, GatedBackbone):
            backbone = self.network.backbone
            part.stages = backbone.stages[: self.frozen_stages]
            for name, value in backbone.named_buffers(recurse=False):  # of its normalization
                part.register_buffer(name, value)
        return part

    def cacheable(self, parts: tuple[str, ...]) -> bool:
        return bool(self.frozen_stages) and not self.gating.random

    def activations(self, image: Tensor) -> tuple[Tensor, ...]:
        if self.frozen_stages and isinstance(self.network, GatedBackbone):
            return (self.network.backbone.begin(image, self.frozen_stages),)
        return (image,)

    def from_activations(self, activations: tuple[Tensor, ...]) -> ClassifierOutput:
        if self.frozen_stages and isinstance(self.network, GatedBackbone):
            last = self.network.backbone.finish(activations[0], self.frozen_stages)[-1]
            return ClassifierOutput(self.network.head(last.mean((2, 3))))
        return self.forward(*activations)

    def extra_repr(self) -> str:
        """Its settings: variants whose classifiers learn in another way share no phase."""
        frozen = f"frozen_stages={self.frozen_stages}" if self.frozen_stages else ""
        return f"{self.gating if self.gating.random else ''}{frozen}"

    def forward(self, image: Tensor) -> ClassifierOutput:
        return ClassifierOutput(self.network(image))

    def training_pass(self, image: Tensor) -> ClassifierOutput:
        if not self.gating.random:
            return self.forward(image)
        hidden = torch.rand(len(image), 1, 1, 1, device=image.device) < self.gating.random
        mask = openings(image).where(hidden, 1.0)
        return ClassifierOutput(self.network.head(self.features(image, mask)))

    def features(self, image: Tensor, mask: Tensor) -> Tensor:
        """What the dense layer reads of an image through a mask, (B, D)."""
        if self.gating.at == "image":
            return self.network.features(self.hide(image, mask), None)
        return self.network.features(image, mask)

    def hide(self, image: Tensor, mask: Tensor) -> Tensor:
        """Images whose pixels fade to the brightness `hidden` as far as the mask does not show them."""
        hidden = self.gating.hidden
        return hidden + (image - hidden) * mask

    def loss_terms(self, output: ClassifierOutput, batch: Batch) -> dict[str, Tensor]:
        return {"label": task.loss(self.task, output.logits, batch.label)}

    def scores(self, output: ClassifierOutput, batch: Batch) -> dict[str, Tensor]:
        return {"accuracy": task.accuracy(self.task, output.logits, batch.label)}


def _check_frozen(network: Gated, gating: GatingSettings, count: int) -> None:
    if not isinstance(network, GatedBackbone) or gating.at != "image":
        raise RecipeError("frozen_stages: joint freezes stages of a backbone with gating.at: image alone.")
    stages = len(network.backbone.stages)
    if not 0 <= count < stages:
        raise RecipeError(f"frozen_stages: 0 to {stages - 1} of this backbone; got {count}.")
