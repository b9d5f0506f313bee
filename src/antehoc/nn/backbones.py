"""Backbones by stages: an image goes in, one activation per stage comes out, shallow to deep."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import timm
import torch
from torch import Tensor, nn

from antehoc.errors import RecipeError, near_miss

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Backbone(nn.Module, ABC):
    """Image (B, C, H, W) in 0..1 to a tuple of activations (B, C_i, H_i, W_i), one per stage.

    `stages` are plain modules applied in order, so that a mirror can copy them; `channels` are the C_i.
    """

    stages: nn.ModuleList
    channels: tuple[int, ...]

    @abstractmethod
    def prepare(self, image: Tensor) -> Tensor:
        """The model's own normalisation of an image in 0..1."""

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        activation, activations = self.prepare(image), []
        for stage in self.stages:
            activation = stage(activation)
            activations.append(activation)
        return tuple(activations)


class PaperShapes(Backbone):
    """The thesis's main network for shapes, without its dense layer: 955 of its 1,459 parameters.

    Three times [4x4 convolution, no padding, 5 filters; ReLU; batch norm; 2x2 max pooling], for 64x64 images.

    Source:
        Thesis, Fig. 3.7; the authors' Keras code for the order (ReLU before batch norm), epsilon and initial weights.
    """

    def __init__(self, image_channels: int, *, filters: int = 5) -> None:
        super().__init__()
        inputs = (image_channels, filters, filters)
        self.stages = nn.ModuleList(paper_block(i, filters) for i in inputs)
        self.channels = (filters,) * 3

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
    """A small convolutional network that does not care where the object stands: strides instead of a dense layer.

    With its default widths some 72,000 parameters on grey images; the default of recipe `shapes-free`.
    """

    def __init__(self, image_channels: int, *, widths: tuple[int, ...] = (16, 32, 64)) -> None:
        super().__init__()
        inputs = (image_channels, *widths[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(convolution(i, o, stride=2), convolution(o, o)) for i, o in zip(inputs, widths, strict=True)
        )
        self.channels = tuple(widths)

    def prepare(self, image: Tensor) -> Tensor:
        return image


def convolution(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution without bias, batch norm, ReLU; keeps the size, or divides it by the stride."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Timm(Backbone):
    """Any timm network that is built of stages in a row (`features_only` gives a list net).

    Images in 0..1 are normalised with the mean and deviation that timm names for the network. Grey images take the
    mean over the three channels of both.

    Raises:
        RecipeError: where timm does not know the name, or the network is no row of stages.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, image_channels: int, *, name: str, pretrained: bool = False) -> None:
        super().__init__()
        if not timm.is_model(name):
            raise RecipeError(
                f"no backbone is called {name!r}.{near_miss(name, [*BACKBONES, *timm.list_models()])} "
                f"Known: {', '.join(BACKBONES)}, and the networks of timm."
            )
        try:
            net: Any = timm.create_model(name, pretrained=pretrained, features_only=True, in_chans=image_channels)
        except (RuntimeError, AttributeError, NotImplementedError, ValueError) as error:
            raise RecipeError(
                f"timm's {name!r} does not give its stages ({error}); take a convolutional one."
            ) from error
        taps = getattr(net, "return_layers", None)
        if not (hasattr(net, "items") and isinstance(taps, Mapping)):
            raise RecipeError(f"timm's {name!r} is no row of stages; take one such as resnet18 or convnext_atto.")
        if net.output_fmt != "NCHW":  # swin, mambaout: read as they are, rows would pass for channels
            raise RecipeError(f"timm's {name!r} puts channels last; take one such as resnet18 or convnext_atto.")
        stages: list[nn.Sequential] = []
        parts: list[nn.Module] = []
        for key, part in net.items():
            parts.append(part)
            if key in taps:
                stages.append(nn.Sequential(*parts))
                parts = []
        self.stages = nn.ModuleList(stages)
        self.channels = tuple(net.feature_info.channels())
        mean, deviation = (
            torch.tensor(net.pretrained_cfg.get(key, default)).view(1, -1, 1, 1)
            for key, default in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD))
        )
        if image_channels == 1:
            mean, deviation = mean.mean(1, keepdim=True), deviation.mean(1, keepdim=True)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("deviation", deviation, persistent=False)

    def prepare(self, image: Tensor) -> Tensor:
        return (image - self.mean) / self.deviation


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


def build_backbone(name: str, image_channels: int, *, pretrained: bool = False) -> Backbone:
    """The backbone of that name: one of `BACKBONES`, else a network of timm.

    Args:
        name: such as `small` or `resnet18`.
        image_channels: 1 (grey) or 3 (RGB).
        pretrained: start from timm's published weights (fetched, or from its cache); timm networks only.
    Raises:
        RecipeError: where the name is unknown or the network is no row of stages.
    Example:
        >>> build_backbone("tiny", 1).channels
        (4, 8, 8)
    """
    if name not in BACKBONES:
        return Timm(image_channels, name=name, pretrained=pretrained)
    if pretrained:
        raise RecipeError(f"backbone {name!r} has no published weights; leave `pretrained` out.")
    return BACKBONES[name](image_channels)
