"""The mirror networks: each reads the classifier's activations stage by stage and gives the attributes' logits."""

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from antehoc.errors import RecipeError
from antehoc.nn.backbones import Backbone, PaperShapes, convolution, glorot_, paper_block

Join = Literal["add", "concat", "start"]


class PaperMirror(nn.Module):
    """The thesis's mirror for shapes: the same plan as the classifier with 3 filters, one scale on; 1,073 parameters.

    Source:
        Thesis, Fig. 3.7.
    """

    def __init__(
        self, backbone: Backbone, shapes: list[tuple[int, int, int]], attributes: int, *, join: Join, filters: int = 3
    ) -> None:
        super().__init__()
        if not isinstance(backbone, PaperShapes) or join != "concat":
            raise RecipeError("the 'paper-shapes' mirror needs the 'paper-shapes' backbone and join: concat.")
        inputs = [shapes[0][0], *(filters + shape[0] for shape in shapes[1:])]
        self.blocks = nn.ModuleList(paper_block(i, filters) for i in inputs)
        height, width = ((side - 3) // 2 for side in shapes[-1][1:])
        if min(height, width) < 1:
            raise RecipeError("the images are too small for the 'paper-shapes' mirror; take larger ones, of 64x64.")
        self.head = nn.Linear(filters * height * width, attributes)
        glorot_(self.head)
        self.features = filters

    def forward(self, stages: list[Tensor]) -> tuple[Tensor, Tensor]:
        hidden = self.blocks[0](stages[0])
        for block, stage in zip(self.blocks[1:], stages[1:], strict=True):
            hidden = block(torch.cat([hidden, stage], 1))
        return self.head(hidden.flatten(1)), hidden


class FullMirror(nn.Module):
    """A copy of the backbone's later stages: stage i reads its own last result joined with the main's.

    It begins at the first activation that it gets: of the first stage, or of the last one that is frozen.

    Source:
        Thesis, Fig. 4.4: y_1 = stage_1(x_0) + x_1, y_i = stage_i(y_{i-1}) + x_i.
    Differs: with `concat`, a 1x1 convolution brings the joined channels back to the stage's own number; with `start`
        nothing is joined after the beginning, so that the mirror is a second opinion rather than an echo.
    """

    def __init__(
        self,
        stages: list[nn.Module],
        shapes: list[tuple[int, int, int]],
        attributes: int,
        *,
        join: Join,
        warm_start: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not stages:
            raise RecipeError("a full mirror copies all stages but the first, and this backbone has only one.")
        self.stages = nn.ModuleList(stages)
        self.mixes = nn.ModuleList(
            nn.Conv2d(2 * shape[0], shape[0], 1) if join == "concat" else nn.Identity() for shape in shapes[1:]
        )
        self.join, self.warm_start, self.dropout = join, warm_start, nn.Dropout(dropout)
        self.head = nn.Linear(shapes[-1][0], attributes)
        self.features = shapes[-1][0]

    def forward(self, stages: list[Tensor]) -> tuple[Tensor, Tensor]:
        hidden = stages[0]
        for stage, mix, activation in zip(self.stages, self.mixes, stages[1:], strict=True):
            own = stage(hidden)
            if self.join == "start":
                hidden = own
            else:
                hidden = own + activation if self.join == "add" else mix(torch.cat([own, activation], 1))
        return self.head(self.dropout(mean(hidden))), hidden


class LightMirror(nn.Module):
    """A few small convolutions a stage: each activation is brought to `width` channels and joined on the way down."""

    def __init__(
        self,
        shapes: list[tuple[int, int, int]],
        attributes: int,
        *,
        join: Join,
        width: int = 32,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.join, self.dropout = join, nn.Dropout(dropout)
        self.inputs = nn.ModuleList(convolution(shape[0], width, kernel=1) for shape in shapes)
        steps = [max(1, round(above[1] / below[1])) for above, below in pairwise(shapes)]
        joined = width if join == "add" else 2 * width
        self.steps = nn.ModuleList(
            [_step(width if index == 0 else joined, width, stride) for index, stride in enumerate(steps)]
        )
        self.last = _step(joined if steps else width, 2 * width, 1)
        self.features = 2 * width
        self.head = nn.Linear(self.features, attributes)

    def forward(self, stages: list[Tensor]) -> tuple[Tensor, Tensor]:
        hidden = self.inputs[0](stages[0])
        for step, read, activation in zip(self.steps, self.inputs[1:], stages[1:], strict=True):
            own, seen = step(hidden), read(activation)
            if own.shape != seen.shape:  # an odd size halves to one side or the other
                own = F.adaptive_avg_pool2d(own, seen.shape[-2:])
            hidden = own + seen if self.join == "add" else torch.cat([own, seen], 1)
        hidden = self.last(hidden)
        return self.head(self.dropout(mean(hidden))), hidden


def _step(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """A depthwise and a pointwise convolution: the cheap way to look at a neighborhood."""
    return nn.Sequential(
        convolution(inputs, inputs, stride=stride, groups=inputs), convolution(inputs, outputs, kernel=1)
    )


def mean(activation: Tensor) -> Tensor:
    """(B, C) the mean over the places of an activation."""
    return activation.mean((2, 3))
