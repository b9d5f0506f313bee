"""The classifier of the joint system alone, as the first stage of training sees it: on the whole image."""

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from antehoc import task
from antehoc.nn.damage import openings
from antehoc.nn.gated import Gated
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
    Source:
        Jethani et al., "Have We Learned to Explain?", AISTATS 2021: a predictor trained on random masks, so that a
        mask's shape tells it nothing (REAL-X).
    Differs: their masks show single pixels or squares, each with probability one half; ours show blobs of one tenth
        of the image to all of it.
    """

    weights: ClassVar = {"label": 1.0}

    def __init__(self, network: Gated, kind: Task, gating: GatingSettings) -> None:
        super().__init__()
        self.network, self.task, self.gating = network, kind, gating

    def extra_repr(self) -> str:
        """Its settings: variants whose classifiers learn in another way share no phase."""
        return str(self.gating) if self.gating.random else ""

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
