"""Gated classifiers: what a mask hides, they cannot see."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import timm
import torch.nn.functional as F
from torch import Tensor, nn

from antehoc.errors import RecipeError, shown
from antehoc.nn.backbones import Backbone, build_backbone, fix_statistics
from antehoc.nn.blocks import twice
from antehoc.nn.rows import FAILURES
from antehoc.schema import build

GateAt = Literal["image", "first", "stages"]


class Gated(nn.Module, ABC):
    """A classifier that multiplies what it sees by a mask.

    Attributes:
        head: its last dense layer.
    """

    head: nn.Linear

    @abstractmethod
    def features(self, image: Tensor, mask: Tensor | None) -> Tensor:
        """What the dense layer reads, (B, D), of images (B, C, H, W) through masks (B, 1, H, W); None hides nothing."""

    def forward(self, image: Tensor, mask: Tensor | None = None) -> Tensor:
        logits: Tensor = self.head(self.features(image, mask))
        return logits


class GatedVgg(Gated):
    """The paper's own classifier: four levels of two convolutions, each seen through the mask before it is pooled.

    The last level's maximum over all places goes through two dense layers of 128 with a sigmoid and dropout.

    Args:
        image_channels: 1 (gray) or 3 (RGB).
        classes: how many.
        filters: of the levels.
        norm: batch norm after every convolution; without it (the paper's) a few thousand scenes teach it nothing.
    Source:
        The authors' PyTorch code (VGG-like classifier).
    Differs: `norm`.
    """

    def __init__(
        self,
        image_channels: int,
        classes: int,
        *,
        filters: Sequence[int] = (32, 64, 128, 256),
        norm: bool = False,
    ) -> None:
        super().__init__()
        if not filters or min(filters) < 1:
            raise RecipeError(f"filters: every level has 1 or more; got {[*filters]}.")
        inputs = (image_channels, *filters[:-1])
        self.levels = nn.ModuleList(twice(i, o, norm=norm) for i, o in zip(inputs, filters, strict=True))
        dense = [nn.Linear(filters[-1], 128), nn.Linear(128, 128)]
        self.dense = nn.Sequential(*(part for layer in dense for part in (layer, nn.Sigmoid(), nn.Dropout(0.3))))
        self.head = nn.Linear(128, classes)
        for layer in (*dense, self.head):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def features(self, image: Tensor, mask: Tensor | None) -> Tensor:
        value = image
        for number, level in enumerate(self.levels):
            value = seen(level(F.max_pool2d(value, 2) if number else value), mask)
        read: Tensor = self.dense(value.amax((2, 3)))
        return read


class GatedResNet(Gated):
    """A ResNet of timm that sees through the mask after its stem and after every residual block.

    Source:
        The authors' PyTorch code (ResNet classifiers); published results use `resnet18`.
    """

    def __init__(self, name: str, image_channels: int, classes: int, *, options: Mapping[str, Any]) -> None:
        super().__init__()
        try:
            network: Any = timm.create_model(name, in_chans=image_channels, num_classes=classes, **options)
        except FAILURES as error:
            said = " ".join(str(error).split())[:200]
            raise RecipeError(f"backbone {shown(name)!r}: cannot be built ({said}).") from error
        if not hasattr(network, "layer4") or not hasattr(network, "maxpool"):
            raise RecipeError(f"gating.at: blocks is for the ResNets of timm; {name!r} is none, take `stages`.")
        self.stem = nn.Sequential(network.conv1, network.bn1, network.act1, network.maxpool)
        self.blocks = nn.ModuleList(
            block for row in (network.layer1, network.layer2, network.layer3, network.layer4) for block in row
        )
        self.head = network.fc

    def features(self, image: Tensor, mask: Tensor | None) -> Tensor:
        value = seen(self.stem(image), mask)
        for block in self.blocks:
            value = seen(block(value), mask)
        return value.mean((2, 3))


class GatedBackbone(Gated):
    """Any backbone by stages, seen through the mask.

    Args:
        backbone: by stages.
        classes: how many.
        gate_at: `first` hides places of the first stage's activation, `stages` of every stage's; with `image` the
            caller hides pixels before they come here.
    """

    def __init__(self, backbone: Backbone, classes: int, *, gate_at: GateAt) -> None:
        super().__init__()
        if gate_at != "image" and not backbone.plain:
            raise RecipeError(
                f"gating.at: {gate_at} gates activations of places, and this backbone has none; take `image`."
            )
        self.backbone, self.gate_at = backbone, gate_at
        self.head = nn.Linear(backbone.channels[-1], classes)

    def features(self, image: Tensor, mask: Tensor | None) -> Tensor:
        state = self.backbone.prepare(image)
        for number, stage in enumerate(self.backbone.stages):
            state = stage(state)
            if self.gate_at == "stages" or (self.gate_at == "first" and not number):
                state = seen(state, mask)
        return self.backbone.view(state).mean((2, 3))


def seen(value: Tensor, mask: Tensor | None) -> Tensor:
    """An activation (B, C, h, w) times the mask (B, 1, H, W), averaged to its size."""
    if mask is None:
        return value
    return value * (
        mask if mask.shape[2:] == value.shape[2:] else F.adaptive_avg_pool2d(mask, (value.shape[2], value.shape[3]))
    )


def build_gated(
    name: str,
    image_channels: int,
    classes: int,
    *,
    gate_at: Literal["image", "first", "stages", "blocks"],
    weights: str | bool = False,
    options: Mapping[str, Any] = MappingProxyType({}),
    batch_norm: Literal["auto", "update", "fixed"] = "auto",
) -> Gated:
    """The gated classifier of that name.

    Args:
        name: `vgg`, the paper's; a ResNet of timm with `gate_at: blocks`, as the paper gates them; else a backbone.
        image_channels: 1 (gray) or 3 (RGB).
        classes: how many.
        gate_at: `blocks` (the paper's), `stages`, `first` or `image`; `vgg` takes `blocks` or `image`.
        weights, options, batch_norm: of the backbone (`build_backbone`).
    Raises:
        RecipeError: where name, weights and `gate_at` do not fit each other.
    """
    if name != "vgg" and gate_at != "blocks":
        backbone = build_backbone(name, image_channels, weights=weights, options=options, batch_norm=batch_norm)
        return GatedBackbone(backbone, classes, gate_at=gate_at)
    if weights:
        raise RecipeError(f"backbone {name!r} with gating.at: {gate_at} takes no weights; take `stages` or `image`.")
    network = (
        _vgg(image_channels, classes, gate_at, options)
        if name == "vgg"
        else GatedResNet(name, image_channels, classes, options=options)
    )
    if batch_norm == "fixed":
        fix_statistics(network)
    return network


def _vgg(image_channels: int, classes: int, gate_at: str, options: Mapping[str, Any]) -> GatedVgg:
    if gate_at not in ("blocks", "image"):
        raise RecipeError(f"backbone 'vgg' takes gating.at: blocks or image; got {gate_at}.")
    if foreign := set(options) - {"filters", "norm"}:
        raise RecipeError(f"backbone 'vgg' takes the options filters and norm; got {min(foreign)!r}.")
    given = {"image_channels": image_channels, "classes": classes}
    return build(GatedVgg, options, "backbone.options", **given)
