"""Attributions by hiding parts of the image and looking at what becomes of the logits."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.functional import gaussian_blur  # type: ignore[import-untyped]

from antehoc.posthoc.checks import Made
from antehoc.posthoc.probe import Asked, Probe


def occlusion(probe: Probe, images: Tensor, target: Tensor, *, window: float = 1 / 7, fill: float = 0.5) -> Made:
    """How far the logit falls when a square is painted over, as the mean over all squares that cover a pixel.

    Check `spread`: how far the logits lie apart, which is not at all where the paint has the image's own color.

    Args:
        window: the square's side, as a share of the image's; squares lie half a window apart.
        fill: the paint's brightness.
    Source:
        Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.2; captum.
    """
    from captum.attr import Occlusion

    channels, *sides = images.shape[1:]
    size = [max(1, round(window * side)) for side in sides]
    maps, spreads = [], []
    for image, label in zip(images, target, strict=True):
        asked = Asked(probe, label)
        maps.append(
            Occlusion(asked).attribute(
                image[None],
                sliding_window_shapes=(channels, *size),
                strides=(channels, *(max(1, side // 2) for side in size)),
                baselines=fill,
                perturbations_per_eval=probe.chunk,
            )[:, :1]  # a square covers all channels: they share one value
        )
        spreads.append(asked.spread())
    return Made(torch.cat(maps).detach(), {"spread": torch.stack(spreads)})


def lime(
    probe: Probe, images: Tensor, target: Tensor, *, cells: int = 7, samples: int = 500, fill: float = 0.5, seed: int
) -> Made:
    """The weight of each cell in a linear model of the logit, fitted on images with half the cells painted over.

    Check `spread`: how far these logits lie apart.

    Differs: the parts are cells of a grid, not superpixels, which would need a segmentation library.

    Args:
        cells: on each side.
        samples: painted images for each image; every image gets the same draws.
        fill: the paint's brightness.
    Source:
        Ribeiro, Singh and Guestrin, "Why Should I Trust You?", KDD 2016, Eq. 1 (ridge regression and the kernel of
        width 0.25 on cosine distances, as in the authors' code for images); captum.
    """
    rows, columns = (torch.arange(side) * min(cells, side) // side for side in images.shape[-2:])
    parts = (rows[:, None] * min(cells, images.shape[-1]) + columns)[None, None].to(images.device)
    maps, spreads = [], []
    for image, label in zip(images, target, strict=True):
        asked = Asked(probe, label)
        model = _linear(asked, torch.Generator().manual_seed(seed))
        maps.append(
            model.attribute(
                image[None], baselines=fill, feature_mask=parts, n_samples=samples, perturbations_per_eval=probe.chunk
            )[:, :1]
        )
        spreads.append(asked.spread())
    return Made(torch.cat(maps).detach().to(images), {"spread": torch.stack(spreads)})


def _linear(asked: Asked, generator: torch.Generator) -> Any:
    """captum's LIME of one label's logit, which draws from the generator."""
    from captum._utils.models.linear_model import SkLearnRidge
    from captum.attr import Lime

    def draw(_: Tensor, **known: Any) -> Tensor:
        count = known["num_interp_features"]
        return torch.randint(0, 2, (1, count), generator=generator).to(asked.target.device)

    return Lime(
        asked,
        interpretable_model=SkLearnRidge(alpha=1.0),
        similarity_func=_kernel,
        perturb_func=draw,
    )


def _kernel(_: Tensor, __: Tensor, shown: Tensor, **___: Any) -> Tensor:
    """exp(-d^2 / 0.25^2) under a root, where d is the cosine distance from all cells shown."""
    distance = 1 - shown.float().mean().sqrt()
    return (-((distance / 0.25) ** 2) / 2).exp()


def rise(
    probe: Probe, images: Tensor, target: Tensor, *, masks: int = 1000, cells: int = 7, shown: float = 0.5, seed: int
) -> Made:
    """The mean of random smooth masks, each weighted by the class's probability on what it shows.

    Check `spread`: how far the logits lie apart; where they do not, the map is that of the masks alone.

    Args:
        masks: for each image; every image gets the same.
        cells: on each side of the coarse grid that is drawn at random.
        shown: the chance of a cell to be shown.
    Source:
        Petsiuk, Das and Saenko, "RISE", BMVC 2018, Eq. 6 and section 3.3.
    """
    generator = torch.Generator().manual_seed(seed)
    grids = (torch.rand(masks, 1, cells, cells, generator=generator) < shown).to(images)
    shifts = torch.rand(masks, 2, generator=generator)
    maps = torch.zeros_like(images[:, :1])
    asked = [Asked(probe, label, log_probability=True) for label in target]
    for part in probe.parts(masks):
        drawn = _shifted(grids[part], shifts[part], images.shape[-2:])
        for row, image in enumerate(images):
            with torch.no_grad():
                probabilities = asked[row](image * drawn).exp()
            maps[row] += (probabilities[:, None, None, None] * drawn).sum(0)
    return Made(maps / (masks * shown), {"spread": torch.stack([each.spread() for each in asked])})


def _shifted(grids: Tensor, shifts: Tensor, size: torch.Size) -> Tensor:
    """Grids, drawn one cell larger than the image, and cut to its size at a random place."""
    cell = [-(-side // grids.shape[-1]) for side in size]
    large = F.interpolate(grids, [step * (grids.shape[-1] + 1) for step in cell], mode="bilinear", align_corners=False)
    starts = (shifts * torch.tensor(cell)).long().tolist()
    return torch.stack(
        [mask[:, top : top + size[0], left : left + size[1]] for mask, (top, left) in zip(large, starts, strict=True)]
    )


def extremal_perturbation(
    probe: Probe, images: Tensor, target: Tensor, *, area: float = 0.1, steps: int = 100, cells: int = 14
) -> Made:
    """The smooth mask of a given area that, the rest blurred, keeps the class's probability highest.

    Check `spread`: how far the logits lie apart under the masks tried; where they do not, any mask will do.

    Differs: the mask is a coarse grid, smoothly enlarged, in place of the paper's smooth maximum of a kernel; the score
    is the log-probability, which makes the weight of the area the same for every classifier; one area, one blur.

    Args:
        area: the share of the image that is shown, in 0..1.
        steps: of the optimizer; each is a forward and a backward pass.
        cells: on each side of the coarse grid.
    Returns:
        Masks in 0..1.
    Source:
        Fong, Patrick and Vedaldi, "Understanding Deep Networks via Extremal Perturbations and Smooth Masks", ICCV 2019,
        Eq. 2 and 4.
    """
    blurred, pixels = _blurred(images), images.shape[-2] * images.shape[-1]
    wanted = torch.zeros(pixels).to(images)
    wanted[pixels - round(area * pixels) :] = 1
    grid = torch.zeros(len(images), 1, cells, cells).to(images).requires_grad_()
    optimizer = torch.optim.Adam([grid], lr=0.3)
    asked = Asked(probe, target, log_probability=True)
    for step in range(steps):
        mask = _enlarged(grid, images.shape[-2:])
        surprise = -asked(mask * images + (1 - mask) * blurred)
        misfit = (mask.flatten(1).sort(1).values - wanted).square().mean(1)
        grid.grad = probe.slopes(surprise + 0.3 * 300 ** (step / steps) * misfit, grid)[0]
        optimizer.step()
    mask = _enlarged(grid.detach(), images.shape[-2:])
    with torch.no_grad():
        asked(mask * images + (1 - mask) * blurred)
    return Made(mask, {"spread": asked.spread()})


def _blurred(images: Tensor) -> Tensor:
    """Images under a Gaussian of a tenth of the longer side."""
    height, width = images.shape[-2:]
    sigma = max(height, width) / 10
    kernel = 2 * min(int(2 * sigma), min(height, width) - 1) + 1
    blurred: Tensor = gaussian_blur(images, [kernel, kernel], [sigma, sigma])
    return blurred


def _enlarged(grid: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(grid, size, mode="bilinear", align_corners=True).sigmoid()
