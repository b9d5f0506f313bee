"""Stages of training as data: who learns, how long, by which optimizer, and which weights are kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from antehoc.data.augmentation import Drawn
from antehoc.errors import RecipeError, near_miss

Augment = Literal["none", "flip", "orientations", "crops", "thesis", "thesis-code"]
DRAWN = frozenset(get_args(Drawn))  #: augmentations that are drawn when an image is fetched


@dataclass(frozen=True)
class Phase:
    """One stage of training.

    Args:
        train: names of the system's parts that learn; all others are frozen and in eval mode.
        epochs: passes over the training images.
        batch_size: images per step.
        optimizer: `nadam`, `adamw` or `sgd` (momentum 0.9).
        learning_rate: the largest one.
        schedule: `one-cycle` rises for a tenth of the steps and falls to a thousandth of it; `inverse-time`
            divides by 1 + decay * step (Keras's `decay`); `constant`.
        decay: of `inverse-time`, per step.
        weight_decay: of the optimizer.
        weights: weights of loss terms that differ from the system's own.
        backbone_rate: learning rate of the backbone, as a share of `learning_rate` (which new layers take).
        augment: `flip` mirrors images left to right at random, `orientations` turns and flips them to one of the eight
            orientations of a square, `crops` shows a random part of the picture or its mirror image; `thesis` and
            `thesis-code` are the thesis's, as written and as coded (`data.augmentation`).
        views: how many versions of each image `crops`, `thesis` and `thesis-code` draw where activations are cached;
            without a cache every epoch draws new ones.
        cache: compute the frozen part's activations once and keep them in memory, or on `disk` for other phases and
            runs as well (under ANTEHOC_CACHE, else ~/.cache/antehoc); only where `train` leaves that part alone.
        cache_in: precision in which cached activations are computed and kept: `bfloat16` takes half the memory, and a
            third of the time where the device has bfloat16 arithmetic; elsewhere they are computed in float32.
        precision: of the layers' arithmetic while the phase trains: with `bfloat16` a step takes half the time where
            the device has bfloat16 arithmetic; elsewhere the phase trains in float32. Weights, losses and masks (from
            the gate on) are always float32.
        keep: weights that the phase ends with: `last`, or `best` on validation by `monitor`.
        monitor: a validation figure, such as `loss` or `accuracy`.
        patience: stop after this many epochs without a better `monitor`; None: never.
    Raises:
        RecipeError: where a number is out of its range.
    """

    train: tuple[str, ...]
    epochs: int
    batch_size: int = 64
    optimizer: Literal["nadam", "adamw", "sgd"] = "nadam"
    learning_rate: float = 1e-3
    schedule: Literal["one-cycle", "inverse-time", "constant"] = "constant"
    decay: float = 0.0
    weight_decay: float = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)
    backbone_rate: float = 1.0
    augment: Augment = "none"
    views: int = 8
    cache: bool | Literal["disk"] = False
    cache_in: Literal["float32", "bfloat16"] = "float32"
    precision: Literal["float32", "bfloat16"] = "float32"
    keep: Literal["last", "best"] = "last"
    monitor: str = "loss"
    patience: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "backbone_rate", "views"):
            if getattr(self, name) <= 0:
                raise RecipeError(f"{name} must be above 0; got {getattr(self, name)}.")
        if not self.train:
            raise RecipeError("a phase trains at least one part; `train` is empty.")


_ORIENTATIONS: tuple[tuple[tuple[int, ...], bool], ...] = (  # number quarter turns, from 4 on mirrored as well
    ((), False), ((3,), True), ((2, 3), False), ((2,), True), ((3,), False), ((2, 3), True), ((2,), False), ((), True),
)  # fmt: skip


def views(augment: Augment) -> int:
    """How many versions of an image a step chooses from; 1 where they are drawn when it is fetched."""
    return {"flip": 2, "orientations": 8}.get(augment, 1)


def view(image: Tensor, augment: Augment, number: int) -> Tensor:
    """Version `number` of images (B, C, H, W); number 0 is the image itself."""
    if augment == "flip":
        return image.flip(3) if number else image
    flipped, transposed = _ORIENTATIONS[number]
    turned = image.flip(flipped) if flipped else image
    return turned.transpose(2, 3) if transposed else turned


def freeze(system: nn.Module, parts: tuple[str, ...]) -> None:
    """Let only the named parts learn; the rest takes no gradient. `set_modes` is its other half.

    Raises:
        RecipeError: where the system has no part of that name.
    """
    known = [name for name, part in system.named_children() if any(True for _ in part.parameters())]
    for name in parts:
        if name not in known:
            raise RecipeError(
                f"the system has no part {name!r} to train.{near_miss(name, known)} Known: {', '.join(known)}."
            )
    for name, part in system.named_children():
        part.requires_grad_(name in parts)


def set_modes(system: nn.Module, parts: tuple[str, ...]) -> None:
    """Train mode for the parts that learn, eval mode for the frozen ones: batch norm must not drift."""
    system.training = bool(parts)  # its own flag, which Lightning leaves as it finds it
    for name, part in system.named_children():
        part.train(name in parts)


def build_optimizer(
    phase: Phase, parameters: Mapping[int, list[nn.Parameter]], steps: int
) -> tuple[torch.optim.Optimizer, LRScheduler]:
    """The phase's optimizer and its schedule over that many steps.

    Args:
        phase: names both.
        parameters: those that learn, by depth: 0 for new layers, then the backbone's stages from the last one back.
        steps: of the optimizer, in all.
    """
    decay = phase.weight_decay
    shared: dict[float, list[nn.Parameter]] = {}  # one group per rate: an optimizer steps through groups one by one
    for depth, own in parameters.items():
        shared.setdefault(_rate(phase, depth), []).extend(own)
    groups = [{"params": own, "lr": rate} for rate, own in shared.items()]
    optimizer: torch.optim.Optimizer
    if phase.optimizer == "nadam":
        optimizer = torch.optim.NAdam(groups, phase.learning_rate, weight_decay=decay, foreach=True)
    elif phase.optimizer == "adamw":
        optimizer = torch.optim.AdamW(groups, phase.learning_rate, weight_decay=decay)
    else:
        optimizer = torch.optim.SGD(groups, phase.learning_rate, momentum=0.9, weight_decay=decay)
    if phase.schedule == "one-cycle":
        return optimizer, OneCycleLR(
            optimizer,
            list(shared),
            total_steps=steps,
            pct_start=max(0.1, min(1.5 / steps, 0.6)),  # of few steps a tenth would be none
            cycle_momentum=False,
            div_factor=10,
            final_div_factor=100,
        )
    fall = phase.decay if phase.schedule == "inverse-time" else 0.0
    return optimizer, LambdaLR(optimizer, lambda step: 1 / (1 + fall * step))


def _rate(phase: Phase, depth: int) -> float:
    return phase.learning_rate * (phase.backbone_rate if depth else 1.0)
