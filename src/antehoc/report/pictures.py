"""Pictures of pixels: images as `data:` addresses, maps over their images, and the color scale of all maps."""

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO

import matplotlib
import numpy as np
import torch.nn.functional as F
from matplotlib.colors import to_rgb
from PIL import Image
from torch import Tensor

from antehoc.blocks import Overlay
from antehoc.report.look import GREEN, clean

SHADES = matplotlib.colormaps["inferno"]  #: of every mask and map: black is 0, light yellow is 1
CRISP_PX = 128  #: up to this size an image is shown pixel by pixel
_COLOR = 0.62  # of an overlay is the mask's, the rest the image's in gray
_LINE = 80  # an outline is one part in so many of its image's side


def picture(image: Tensor | Image.Image, side_px: int = 384) -> str:
    """An image as a `data:` address, scaled down to at most so many pixels a side.

    Small ones are kept pixel by pixel (PNG), photographs are compressed (JPEG).

    Args:
        image: (C, H, W) in 0..1, or an image of Pillow in mode L or RGB.
        side_px: the longer side at most.
    """
    image = pixels(image)
    small = max(image.size) <= CRISP_PX
    image = image.copy()
    image.thumbnail((side_px, side_px))
    file = BytesIO()
    if small:
        image.save(file, "PNG", optimize=True)
    else:
        image.save(file, "JPEG", quality=85)
    return f"data:image/{'png' if small else 'jpeg'};base64,{b64encode(file.getvalue()).decode()}"


def pixels(image: Tensor | Image.Image) -> Image.Image:
    """An image (C, H, W) in 0..1 as one of Pillow; one of Pillow as it is."""
    if isinstance(image, Image.Image):
        return image
    values = (image.detach().cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)


def drawn(block: Overlay) -> Image.Image:
    """A map over its image, or over gray where it has none, with the outline of its object."""
    under = Image.new("L", (block.values.shape[1], block.values.shape[0]), 128) if block.image is None else block.image
    over = overlay(under, block.values)
    return over if block.outline is None else outlined(over, block.outline)


def overlay(image: Tensor | Image.Image, mask: Tensor) -> Image.Image:
    """An image in gray under the colors of a mask: black where the mask is 0, light yellow where it is 1.

    Every mask and map has these same colors, those of `color_bar`.

    Args:
        image: (C, H, W) in 0..1, or an image of Pillow in mode L or RGB.
        mask: (h, w) in 0..1; of another size than the image it is stretched over it.
    """
    under = pixels(image).convert("L")
    size = (under.height, under.width)
    over = mask.detach().cpu().float().clamp(0, 1)[None, None]
    if over.shape[2:] != size:
        over = F.interpolate(over, size, mode="bilinear", antialias=True)
    colors = SHADES(over[0, 0].numpy())[..., :3]
    mixed = _COLOR * colors + (1 - _COLOR) * np.asarray(under, dtype=np.float64)[..., None] / 255
    return Image.fromarray((255 * mixed).round().astype(np.uint8))


def outlined(image: Image.Image, inside: Tensor) -> Image.Image:
    """An image of Pillow with a green line around an object (height, width), just outside of it so as to hide none."""
    width = max(1, round(max(image.size) / _LINE))
    value = inside[None, None].float()
    if value.shape[2:] != (image.height, image.width):
        value = F.interpolate(value, (image.height, image.width), mode="nearest")
    ring = (F.max_pool2d(value, 2 * width + 1, 1, width) - value)[0, 0] > 0
    values = np.array(image.convert("RGB"))
    values[ring.numpy()] = [round(255 * part) for part in to_rgb(GREEN)]
    return Image.fromarray(values)


def color_bar(low: str, high: str, *, width_px: int = 208) -> str:
    """The colors of every mask and map from 0 to 1, as SVG, with what the two ends mean."""
    steps = 32
    cells = "".join(
        f'<rect x="{width_px * step / steps:.1f}" y="0" width="{width_px / steps + 0.5:.1f}" height="8"'
        f' fill="{_hex(SHADES(step / (steps - 1)))}"/>'
        for step in range(steps)
    )
    said = clean(f"color scale, black: {low}; light yellow: {high}")
    words = f'<text x="0" y="22">{clean(low)}</text><text x="{width_px}" y="22" text-anchor="end">{clean(high)}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width_px} 26" width="{width_px}" height="26" role="img"'
        f' aria-label="{said}" font-family="sans-serif" font-size="12" fill="currentColor">{cells}{words}</svg>'
    )


def _hex(color: Sequence[float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in color[:3])
