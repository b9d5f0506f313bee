"""Explainers: an image goes in, one mask comes out that says how much of each pixel may be seen."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from antehoc.errors import RecipeError, install, near_miss
from antehoc.nn.backbones import Backbone, convolution
from antehoc.nn.blocks import twice
from antehoc.nn.blur import blurred

Gate = Literal["tanh", "sigmoid", "hard"]


class Gating(NamedTuple):
    """How an explainer's last activation becomes a mask in 0..1; the paper's, unless said otherwise.

    Args:
        gate: `tanh` is the paper's batch norm, tanh and ReLU: exactly 0 where nothing may be seen, and without a
            gradient there. `sigmoid` never closes for good. `hard`, for the classifier, is 1 where the sigmoid passes
            one half and 0 elsewhere, and learns by the sigmoid's gradient.
        bias: of the batch norm before the gate: 3 starts every mask near 1 (tanh(3) = .995), 0 starts a sigmoid at
            one half. At 3 a tanh lets through 1 % of the gradient.
        sharpness: weight of that batch norm at the start: its output's deviation. At 1 (the paper's) a sigmoid stays
            between .1 and .9 until the weight has grown.
        smooth: deviation, in pixels of the image, of a Gaussian that evens out what comes before the gate; 0 is none
            (the paper's). The mask then is highest inside what it shows, not somewhere along its edge.
    """

    gate: Gate = "tanh"
    bias: float = 3.0
    sharpness: float = 1.0
    smooth: float = 0.0


PUBLISHED = Gating()


class MaskHead(nn.Module):
    """The last activation of an explainer to a mask (B, 1, H, W) in 0..1.

    Args:
        channels: of the activation.
        gating: how it becomes a mask.
        place: pixels that a side of one place of the activation stands for.
    """

    def __init__(self, channels: int, gating: Gating, *, place: int = 1) -> None:
        super().__init__()
        self.gate, self.smooth = gating.gate, gating.smooth / place
        self.convolution = nn.Conv2d(channels, 1, 1)
        self.norm = nn.BatchNorm2d(1)
        nn.init.constant_(self.norm.weight, gating.sharpness)
        nn.init.constant_(self.norm.bias, gating.bias)

    def forward(self, activation: Tensor) -> Tensor:
        value = self.norm(self.convolution(activation))
        value = blurred(value, self.smooth) if self.smooth else value
        value = value.to(torch.promote_types(value.dtype, torch.float32))  # near 1 a sigmoid needs it
        return torch.tanh(value).relu() if self.gate == "tanh" else torch.sigmoid(value)


def opened(mask: Tensor, gate: Gate) -> Tensor:
    """What the classifier is gated by: the mask itself or, of a `hard` gate, 1 where it passes one half, else 0.

    The gradient is that of the mask in both cases (straight-through).
    """
    return mask + ((mask > 0.5).to(mask.dtype) - mask).detach() if gate == "hard" else mask


class Explainer(nn.Module):
    """Images (B, C, H, W) to masks (B, 1, H, W) in 0..1; H and W are multiples of `smallest`."""

    smallest: int


class UNet(Explainer):
    """The paper's explainer: a U-Net whose decoder adds the encoder's activations to its own.

    Each level of the encoder is two 3x3 convolutions with ReLU, then 2x2 max pooling; each level of the decoder a 2x2
    transposed convolution, the addition, and two convolutions with ReLU. No batch norm but the head's.

    Args:
        image_channels: 1 (gray) or 3 (RGB).
        filters: of the levels, from the image on; the image's sides must be divisible by 2 for each level.
        scale: the image is averaged over squares of so many pixels first, and the mask enlarged to the image's size:
            at 2 it costs a quarter.
        norm: batch norm after every convolution of the levels; without it (the paper's) the masks learn slowly.
        gating: how the last activation becomes a mask.
    Source:
        "Producing joint decisions and explanations with CNNs", slide "Proposed architecture"; the authors' PyTorch code
        for the layers.
    Differs: `scale`, `norm`, `smooth`, and every gate but `tanh`.
    Example:
        >>> UNet(3, filters=(4, 8))(torch.rand(2, 3, 16, 16)).shape
        torch.Size([2, 1, 16, 16])
    """

    def __init__(
        self,
        image_channels: int,
        *,
        filters: Sequence[int] = (32, 64, 128),
        scale: int = 1,
        norm: bool = False,
        gating: Gating = PUBLISHED,
    ) -> None:
        super().__init__()
        if not filters or min(filters) < 1 or scale < 1:
            raise RecipeError(f"an explainer needs filters and a scale of 1 or more; got {list(filters)} and {scale}.")
        self.scale = scale
        self.smallest = scale * 2 ** len(filters)
        widths = tuple(filters)
        self.encoder = nn.ModuleList(
            twice(i, o, norm=norm, inplace=True)  # a sixth of the explainer's time
            for i, o in zip((image_channels, *widths[:-1]), widths, strict=True)
        )
        rising = widths[::-1]
        below = (widths[-1], *rising[:-1])
        self.rise = nn.ModuleList(nn.ConvTranspose2d(i, o, 2, 2) for i, o in zip(below, rising, strict=True))
        self.decoder = nn.ModuleList(twice(width, width, norm=norm, inplace=True) for width in rising)
        self.head = MaskHead(widths[0], gating, place=scale)

    def forward(self, image: Tensor) -> Tensor:
        value = F.avg_pool2d(image, self.scale) if self.scale > 1 else image
        levels = []
        for level in self.encoder:
            value = level(value)
            levels.append(value)
            value = F.max_pool2d(value, 2)
        for rise, level, beside in zip(self.rise, self.decoder, reversed(levels), strict=True):
            value = level(rise(value) + beside)
        return _enlarged(self.head(value), image)


class Pyramid(Explainer):
    """A frozen, pretrained backbone and a small decoder: for photographs that are too few to teach a U-Net objects.

    The activation of each stage but the first goes through a 1x1 convolution; from the deepest on, each is enlarged
    and added to the next, and a 3x3 convolution smooths the last sum. Only these convolutions and the head learn.

    Args:
        backbone: by stages; its weights and batch norms stay as they are.
        hidden: brightness that was subtracted from the images: the backbone sees them as they were.
        width: channels of the decoder.
        gating: how the last activation becomes a mask.
    Source:
        Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, section 3.
    Differs: it is bilinear where they repeat the nearest value, and one 3x3 convolution follows the finest sum alone.
    Example:
        >>> from antehoc.nn.backbones import build_backbone
        >>> Pyramid(build_backbone("tiny", 3), hidden=0.5, width=4)(torch.rand(2, 3, 16, 16)).shape
        torch.Size([2, 1, 16, 16])
    """

    smallest = 1

    def __init__(self, backbone: Backbone, *, hidden: float, width: int = 32, gating: Gating = PUBLISHED) -> None:
        super().__init__()
        if width < 1:
            raise RecipeError(f"explainer.width: a decoder needs 1 channel or more; got {width}.")
        self.frozen, self.hidden = backbone, hidden
        self.lateral = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in backbone.channels[1:])
        self.last = nn.Sequential(convolution(width, width), nn.Conv2d(width, width, 1))
        self.head = MaskHead(width, gating)
        self.frozen.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "Pyramid":
        super().train(mode)
        self.frozen.eval()
        return self

    def requires_grad_(self, requires_grad: bool = True) -> "Pyramid":
        super().requires_grad_(requires_grad)
        self.frozen.requires_grad_(False)
        return self

    def forward(self, image: Tensor) -> Tensor:
        sides = zip(self.lateral, self.frozen(image + self.hidden)[1:], strict=True)
        value, *finer = reversed([lateral(stage) for lateral, stage in sides])
        for own in finer:
            value = own + _enlarged(value, own)
        mask: Tensor = self.head(_enlarged(self.last(value), image))
        return mask


class Open(Explainer):
    """No explainer: every mask shows all. A classifier without reasons, for comparison."""

    smallest = 1

    def forward(self, image: Tensor) -> Tensor:
        return torch.ones_like(image[:, :1])


class Segmentation(Explainer):
    """Any decoder of segmentation-models-pytorch as explainer (extra `segmentation`)."""

    def __init__(self, image_channels: int, *, architecture: str, encoder: str, gating: Gating) -> None:
        super().__init__()
        try:
            import segmentation_models_pytorch as smp
        except ImportError as error:
            raise RecipeError(
                f"explainer smp/{architecture}/{encoder} needs segmentation-models-pytorch; {install('segmentation')}."
            ) from error
        names = [name.lower() for name in ("Unet", "UnetPlusPlus", "FPN", "DeepLabV3Plus", "PAN", "Linknet")]
        if architecture not in names:
            raise RecipeError(
                f"no explainer smp/{architecture}.{near_miss(architecture, names)} Known: {', '.join(names)}."
            )
        try:
            self.network: Any = smp.create_model(
                architecture, encoder_name=encoder, encoder_weights=None, in_channels=image_channels, classes=8
            )
        except (KeyError, ValueError, RuntimeError) as error:
            said = " ".join(str(error).split())[:200]
            raise RecipeError(f"explainer smp/{architecture}/{encoder}: cannot be built ({said}).") from error
        self.smallest = 32
        self.head = MaskHead(8, gating)

    def forward(self, image: Tensor) -> Tensor:
        return _enlarged(self.head(self.network(image)), image)


def build_explainer(
    name: str, image_channels: int, gating: Gating, *, filters: Sequence[int], scale: int, norm: bool
) -> Explainer:
    """The explainer of that name.

    `unet`; `none`, whose masks show all; or `smp/ARCHITECTURE/ENCODER`, such as `smp/unet/tu-mobilenetv3_small_100`.

    Raises:
        RecipeError: where the name is unknown, or its library is not installed.
    """
    if name == "unet":
        return UNet(image_channels, filters=filters, scale=scale, norm=norm, gating=gating)
    if name == "none":
        return Open()
    library, _, rest = name.partition("/")
    if library == "smp" and "/" in rest:
        architecture, _, encoder = rest.partition("/")
        return Segmentation(image_channels, architecture=architecture, encoder=encoder, gating=gating)
    raise RecipeError(f"no explainer is called {name!r}; known: unet, none, smp/ARCHITECTURE/ENCODER.")


def _enlarged(value: Tensor, image: Tensor) -> Tensor:
    same = value.shape[2:] == image.shape[2:]
    return value if same else F.interpolate(value, image.shape[2:], mode="bilinear", align_corners=False)
