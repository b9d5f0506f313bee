"""The groups of arguments of the joint system, checked where they are made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from antehoc.errors import RecipeError, near_miss
from antehoc.nn.backbones import build_backbone
from antehoc.nn.explainers import Explainer, Gate, Gating, Pyramid, build_explainer
from antehoc.systems.joint.losses import NEED_ABSENT, TERMS
from antehoc.systems.settings import BackboneSettings
from antehoc.types import DataSpec


@dataclass(frozen=True)
class GatingSettings:
    """How the mask works on what the classifier sees.

    Args:
        at: where the mask works: on the `image`'s pixels, so that nothing of a hidden one is read; on the `first`
            stage's activations, on those of all `stages`, or after the stem and every residual block (`blocks`, the
            paper's).
        hidden: brightness in 0..1 of a hidden pixel.
        kind: `tanh` (the paper's), `sigmoid`, or `hard`: the classifier sees a pixel or does not.
        bias: before the gate, at the start: 3 shows all (the paper's), and lets 1 % of the gradient through a tanh.
        sharpness: how far the masks' values reach at the start (1 is the paper's); masks of a small one stay gray.
        smooth: deviation in pixels of a Gaussian that evens out the U-Net's map before the gate: masks are highest
            inside what they show, and single pixels do not stand out. 0 (the paper's) is none.
        random: share of the images in 0..1 that the classifier sees through random masks while it learns alone: it
            then takes neither hidden pixels nor a mask's shape for evidence. 0 (the paper's) is none.
        decides: what the decision is made on: what the `mask` shows (the paper's), or the `whole` image, so that no
            mask costs accuracy; the classifier is then asked again through the mask. Only with `at: image`.
    """

    at: Literal["image", "first", "stages", "blocks"] = "image"
    hidden: float = 0.5
    kind: Gate = "sigmoid"
    bias: float = 0.0
    sharpness: float = 1.0
    smooth: float = 0.0
    random: float = 0.0
    decides: Literal["mask", "whole"] = "mask"

    def __post_init__(self) -> None:
        if not 0 <= self.hidden <= 1:
            raise RecipeError(f"hidden is a brightness in 0..1; got {self.hidden}.")
        if self.smooth < 0:
            raise RecipeError(f"smooth is a deviation in pixels, 0 or more; got {self.smooth}.")
        if self.decides == "whole" and self.at != "image":
            raise RecipeError(f"gating.decides: whole goes with gating.at: image; got {self.at!r}.")
        if not 0 <= self.random <= 1:
            raise RecipeError(f"gating.random is a share of the images in 0..1; got {self.random}.")


@dataclass(frozen=True)
class ExplainerSettings:
    """The network that draws the mask. In a recipe its name alone will do: `explainer: none`.

    Args:
        name: `unet` (the paper's); `backbone`, a small decoder on a frozen copy of the classifier's backbone as it was
            before training, for photographs; `none`; or `smp/ARCHITECTURE/ENCODER` of segmentation-models-pytorch.
        filters: of the U-Net's levels.
        scale: the U-Net reads the image averaged over squares of so many pixels; at 2 it costs a quarter.
        norm: batch norm in the U-Net; without it (the paper's) it learns slowly.
        width: channels of the decoder of `backbone`.
    """

    name: str = "unet"
    filters: Sequence[int] = (16, 32, 64)
    scale: int = 1
    norm: bool = True
    width: int = 32

    @staticmethod
    def of(given: "str | ExplainerSettings") -> "ExplainerSettings":
        """The settings, also from a name alone."""
        return ExplainerSettings(given) if isinstance(given, str) else given

    def build(self, spec: DataSpec, gating: GatingSettings, backbone: BackboneSettings) -> Explainer:
        """The explainer for images of these data, beside a classifier with this backbone.

        Raises:
            RecipeError: where it does not take images of this size.
        """
        form = Gating(gating.kind, gating.bias, gating.sharpness, gating.smooth)
        if self.name == "backbone":
            if backbone.name == "vgg":
                raise RecipeError("explainer: backbone copies a backbone by stages, and 'vgg' is none; take `unet`.")
            copy = build_backbone(
                backbone.name, spec.channels, weights=backbone.weights, options=backbone.options, batch_norm="fixed"
            )
            return Pyramid(copy, hidden=gating.hidden, width=self.width, gating=form)
        built = build_explainer(self.name, spec.channels, form, filters=self.filters, scale=self.scale, norm=self.norm)
        side = built.smallest
        if spec.height % side or spec.width % side:
            raise RecipeError(
                f"this explainer takes images whose sides are multiples of {side} pixels; "
                f"got {spec.height}x{spec.width}."
            )
        return built


def check_losses(losses: Sequence[str], spec: DataSpec, budget: Sequence[float]) -> None:
    """Refuse terms that do not exist or that the data do not allow, and a budget that is none.

    Raises:
        RecipeError: with one sentence that says how to fix it.
    """
    for name in losses:
        if name not in TERMS:
            raise RecipeError(
                f"losses: no term is called {name!r}.{near_miss(name, [*TERMS])} Known: {', '.join(TERMS)}."
            )
    if spec.absent is None and (wrong := [name for name in NEED_ABSENT if name in losses]):
        raise RecipeError(
            f"losses: `{wrong[0]}` is for data with a class that means nothing is there; these have none."
        )
    if len(budget) != 2 or not 0 <= budget[0] <= budget[1] <= 1:
        raise RecipeError(f"budget is two shares of the image, the lesser first; got {[*budget]}.")
    if "budget" in losses and tuple(budget) == (0, 1):
        raise RecipeError("losses: `budget` needs its bounds, such as budget: [0.03, 1.0].")
