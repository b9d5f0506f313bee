"""Backbones by stages: an image goes in, one activation per stage comes out, shallow to deep."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import timm
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from antehoc.errors import RecipeError, near_miss
from antehoc.nn.rows import Row, timm_row, torchvision_row


class Backbone(nn.Module, ABC):
    """Image (B, C, H, W) in 0..1 to a tuple of activations (B, C_i, H_i, W_i), one per stage.

    `stages` are modules applied in order to one tensor, the state; `channels` are the C_i. Where `plain`, states are
    the activations themselves, so that a mirror can copy stages and run them on activations. Else `view` shows the
    activation in a state.
    """

    stages: nn.ModuleList
    channels: tuple[int, ...]
    plain: bool = True
    fixed_statistics: bool = False  #: batch norms use their running statistics also in training

    @abstractmethod
    def prepare(self, image: Tensor) -> Tensor:
        """The model's own normalization of an image in 0..1."""

    def view(self, state: Tensor) -> Tensor:
        """The activation (B, C_i, H_i, W_i) in the state after stage i."""
        return state

    def begin(self, image: Tensor, upto: int) -> Tensor:
        """The state after the first `upto` stages: what to keep of stages that stand still.

        Raises:
            RecipeError: where there are not so many stages.
        """
        if not 0 <= upto <= len(self.stages):
            raise RecipeError(f"this backbone has {len(self.stages)} stages; its first {upto} cannot be taken.")
        state = self.prepare(image)
        for stage in self.stages[:upto]:
            state = stage(state)
        return state

    def finish(self, state: Tensor, upto: int) -> tuple[Tensor, ...]:
        """The activations of all stages after the first `upto`, from `begin`'s state."""
        activations = []
        for stage in self.stages[upto:]:
            state = stage(state)
            activations.append(self.view(state))
        return tuple(activations)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return self.finish(self.begin(image, 0), 0)

    def fix_statistics(self) -> None:
        """Keep every batch norm on its running statistics, also in train mode and in copies of stages."""
        fix_statistics(self)
        self.fixed_statistics = True


def fix_statistics(network: nn.Module) -> None:
    """Keep every batch norm of a network on its running statistics, also in train mode."""
    for part in network.modules():
        if isinstance(part, _BatchNorm):
            part.register_forward_pre_hook(_stand_still)


class PaperShapes(Backbone):
    """The thesis's main network for shapes, without its dense layer: 955 of its 1,459 parameters.

    Three times [4x4 convolution, no padding, 5 filters; ReLU; batch norm; 2x2 max pooling], for 64x64 images.

    Source:
        Thesis, Fig. 3.7; the authors' Keras code for the order (ReLU before batch norm), epsilon and initial weights.
    """

    def __init__(self, image_channels: int) -> None:
        super().__init__()
        self.channels = (5, 5, 5)
        inputs = (image_channels, *self.channels[:-1])
        self.stages = nn.ModuleList(paper_block(i, o) for i, o in zip(inputs, self.channels, strict=True))

    def prepare(self, image: Tensor) -> Tensor:
        return image


def paper_block(inputs: int, filters: int) -> nn.Sequential:
    """One block of the thesis's networks, with Keras's initial weights (Glorot uniform, zero bias) and epsilon."""
    block = nn.Sequential(
        nn.Conv2d(inputs, filters, 4),
        nn.ReLU(),
        nn.BatchNorm2d(filters, eps=1e-3),
        nn.MaxPool2d(2),
    )
    glorot_(block)
    return block


def glorot_(module: nn.Module) -> None:
    """Set convolutions and dense layers to Glorot uniform weights and zero biases, as Keras does."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


class Small(Backbone):
    """A small convolutional network for objects anywhere in the image: strides instead of a dense layer.

    Some 72,000 parameters on gray images.
    """

    def __init__(self, image_channels: int) -> None:
        super().__init__()
        self.channels = (16, 32, 64)
        inputs = (image_channels, *self.channels[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(convolution(i, o, stride=2), convolution(o, o))
            for i, o in zip(inputs, self.channels, strict=True)
        )

    def prepare(self, image: Tensor) -> Tensor:
        return image


def convolution(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution without bias, batch norm, ReLU; keeps the size, or divides it by the stride."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Network(Backbone):
    """A network of timm or torchvision.

    Images in 0..1 are normalized with the mean and deviation that are named for the network; gray images take the
    mean over the three channels of both.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, image_channels: int, row: Row) -> None:
        super().__init__()
        self.stages, self.channels = nn.ModuleList(row.stages), row.channels
        self.size, self.tokens, self.plain = row.size, row.tokens, row.tokens is None
        mean, deviation = (torch.tensor(values).view(1, -1, 1, 1) for values in (row.mean, row.deviation))
        if image_channels == 1:
            mean, deviation = mean.mean(1, keepdim=True), deviation.mean(1, keepdim=True)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("deviation", deviation, persistent=False)

    def prepare(self, image: Tensor) -> Tensor:
        if self.size and image.shape[2:] != self.size:
            (height, width), (rows, columns) = image.shape[2:], self.size
            raise RecipeError(
                f"images of {height}x{width} pixels do not pass through this backbone, which takes {rows}x{columns}; "
                f"give it the option img_size: [{height}, {width}], or images of its size."
            )
        image = (image - self.mean) / self.deviation
        if self.plain and image.device.type == "cpu":  # convolutions are faster so, by about a quarter
            image = image.contiguous(memory_format=torch.channels_last)
        return image

    def view(self, state: Tensor) -> Tensor:
        if self.tokens is None:
            return state
        prefix, rows, columns = self.tokens
        return state[:, prefix:].transpose(1, 2).reshape(state.shape[0], -1, rows, columns)


class Tiny(Backbone):
    """Three stages of a few filters for any image from 8x8 pixels on: for tests and examples."""

    def __init__(self, image_channels: int) -> None:
        super().__init__()
        self.channels = (4, 8, 8)
        inputs = (image_channels, *self.channels[:-1])
        self.stages = nn.ModuleList(convolution(i, o, stride=2) for i, o in zip(inputs, self.channels, strict=True))

    def prepare(self, image: Tensor) -> Tensor:
        return image


BACKBONES: dict[str, type[Backbone]] = {"paper-shapes": PaperShapes, "small": Small, "tiny": Tiny}


def build_backbone(
    name: str,
    image_channels: int,
    *,
    weights: str | bool = False,
    options: Mapping[str, Any] = MappingProxyType({}),
    batch_norm: Literal["auto", "update", "fixed"] = "auto",
) -> Backbone:
    """The backbone of that name: one of `BACKBONES`, a network of timm, or `torchvision/NAME`.

    Args:
        name: such as `small`, `resnet18` or `torchvision/squeezenet1_0`.
        image_channels: 1 (gray) or 3 (RGB).
        weights: True for the published weights (fetched, or from the cache), a `.safetensors` file of the whole
            network, `hf-hub:OWNER/NAME`, or a tag of timm such as `a1_in1k`; for networks of timm and torchvision.
        options: of timm's or torchvision's network, such as `{"pad_type": "same"}` or `{"img_size": 64}`.
        batch_norm: `fixed` keeps the running statistics also in training, which small batches need;
            `update` never does; `auto` does where batch norm was folded into the given weights.
    Raises:
        RecipeError: the name is unknown, the network is not a sequence of stages, or weights or options do not fit it.
    Example:
        >>> build_backbone("tiny", 1).channels
        (4, 8, 8)
    """
    if name in BACKBONES:
        if weights or options:
            raise RecipeError(
                f"backbone {name!r} has no published weights and no options; leave both out, "
                f"or replace the group: backbone: {{name: {name}, replace: true}}."
            )
        backbone = BACKBONES[name](image_channels)
    else:
        backbone = Network(image_channels, _row(name, image_channels, weights, options))
    if batch_norm == "fixed" or (batch_norm == "auto" and weights and folded(backbone)):
        backbone.fix_statistics()
    return backbone


def _row(name: str, image_channels: int, weights: str | bool, options: Mapping[str, Any]) -> Row:
    """The stages of a network of torchvision or timm."""
    library, _, rest = name.rpartition("/")
    if library == "torchvision":
        return torchvision_row(rest, image_channels, weights=weights, options=options)
    if not timm.is_model(name):
        raise RecipeError(
            f"no backbone is called {name!r}.{near_miss(name, [*BACKBONES, *timm.list_models()])} "
            f"Known: {', '.join(BACKBONES)}, the networks of timm, and torchvision/NAME."
        )
    return timm_row(name, image_channels, weights=weights, options=options)


def folded(module: nn.Module) -> bool:
    """Whether batch norm was folded into the convolutions: all means 0, each layer's variances one constant."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    return bool(norms) and all(
        not norm.running_mean.any() and bool((norm.running_var == norm.running_var[0]).all())
        for norm in norms
        if norm.running_mean is not None and norm.running_var is not None
    )


def _stand_still(norm: nn.Module, _: Any) -> None:
    norm.training = False
