"""A system: one map for each label, whose brightest places decide. It may name several labels in an image."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import torch
from flatness import flatness
from torch import Tensor, nn

from antehoc import task
from antehoc.cards import Card
from antehoc.explanations import SaliencyMask
from antehoc.systems.base import Explanations, System
from antehoc.types import Batch, DataSpec


class ChannelsOutput(NamedTuple):
    """What one pass gives."""

    logits: Tensor  #: (B, K)
    maps: Tensor  #: (B, K, H, W) in 0..1


class Channels(System[ChannelsOutput]):
    """A convolution to one map per label; a label's logit grows with the brightest place of its map.

    Args:
        spec: the data, with one label per image or several.
        kernel: side of the convolution, an odd number of pixels.
    """

    weights: ClassVar[Mapping[str, float]] = {"label": 1.0}
    card: ClassVar = Card(
        explanandum="the labels that are named for one image",
        process="a convolution gives a map for each label, and the brightest place of a map decides",
        explanation="one map for each label that is named, in 0..1",
        requirement="trust in a single decision: is there one place that the label rests on?",
        may_read="where the evidence for a label is",
        may_not_read="that every bright place was used",
        explainer="the convolution",
        explanee="the person who is accountable for the decision",
        stage="ante hoc",
        scope="local",
    )

    def __init__(self, spec: DataSpec, *, kernel: int = 3) -> None:
        super().__init__()
        self.spec = spec
        self.maps = nn.Conv2d(spec.channels, len(spec.classes), kernel, padding=kernel // 2)
        self.scale = nn.Parameter(torch.tensor(8.0))
        self.bias = nn.Parameter(torch.full((len(spec.classes),), -4.0))

    def forward(self, image: Tensor) -> ChannelsOutput:
        maps = self.maps(image).sigmoid()
        return ChannelsOutput(self.scale * maps.amax((2, 3)) + self.bias, maps)

    def loss_terms(self, output: ChannelsOutput, batch: Batch) -> dict[str, Tensor]:
        return {"label": task.loss(self.spec.task, output.logits, batch.label)}

    def scores(self, output: ChannelsOutput, batch: Batch) -> dict[str, Tensor]:
        return {"accuracy": task.accuracy(self.spec.task, output.logits, batch.label)}

    def explain(self, output: ChannelsOutput) -> list[Explanations]:
        named = task.named(self.spec.task, output.logits)
        return [
            tuple(SaliencyMask.of(maps[number], self.spec.classes[number]) for number in own)
            for maps, own in zip(output.maps, named, strict=True)
        ]

    def doubts(self, output: ChannelsOutput) -> dict[str, Tensor]:
        flat = flatness(output.maps)
        if self.spec.task == "single-label":
            flat = flat.gather(1, self.predicted(output)[:, None])[:, 0]
        return {"flatness": flat}
