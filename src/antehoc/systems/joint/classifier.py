"""The classifier of the joint system alone, as the first stage of training sees it: on the whole image."""

from typing import ClassVar, NamedTuple

from torch import Tensor

from antehoc import task
from antehoc.nn.gated import Gated
from antehoc.systems.base import Trainable
from antehoc.task import Task
from antehoc.types import Batch


class ClassifierOutput(NamedTuple):
    """What one pass of the classifier alone gives."""

    logits: Tensor  #: (B, K)


class Classifier(Trainable[ClassifierOutput]):
    """The classifier alone, on the whole image."""

    weights: ClassVar = {"label": 1.0}

    def __init__(self, network: Gated, kind: Task) -> None:
        super().__init__()
        self.network, self.task = network, kind

    def forward(self, image: Tensor) -> ClassifierOutput:
        return ClassifierOutput(self.network(image))

    def loss_terms(self, output: ClassifierOutput, batch: Batch) -> dict[str, Tensor]:
        return {"label": task.loss(self.task, output.logits, batch.label)}

    def scores(self, output: ClassifierOutput, batch: Batch) -> dict[str, Tensor]:
        return {"accuracy": task.accuracy(self.task, output.logits, batch.label)}
