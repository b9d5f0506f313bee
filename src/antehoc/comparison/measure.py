"""What is measured of the maps of each row, image by image."""

import logging
import math
from collections.abc import Mapping
from typing import Any, get_args

import torch
from torch import Tensor

from antehoc.comparison.explained import Decided, Explained
from antehoc.errors import DataError
from antehoc.metrics import COMPARED, faithfulness, placement, robustness

log = logging.getLogger(__name__)

Curves = Mapping[str, tuple[faithfulness.Mode, dict[str, Any]]]

GRID: dict[str, tuple[faithfulness.Perturbation, int]] = {
    f"{perturbation} 1/{parts}": (perturbation, parts)
    for perturbation in get_args(faithfulness.Perturbation)
    for parts in (56, 28, 14, 7)
}  #: the published AOPC: what replaces a patch, and how many patches make a side
_STABLE = 8  # images whose maps are made again under small noise
_STEPS = 100  # of AOPC, at most
CURVES: Curves = {
    "aopc_coarse_blur": ("morf", {"patch": 1 / 7, "perturbation": "blur"}),
    "aopc_fine_gray": ("morf", {"patch": 1 / 14, "perturbation": "gray", "steps": _STEPS}),
    "deletion": ("deletion", {"patch": 1 / 14, "perturbation": "black", "steps": 14}),
    "insertion": ("insertion", {"patch": 1 / 14, "perturbation": "blur", "steps": 14}),
}


def curves(
    decided: Decided, rows: Mapping[str, Explained], common: Tensor, kinds: Curves = CURVES
) -> dict[str, dict[str, Tensor]]:
    """Probability of the explained class while the image is changed, (B, steps + 1) by measure and row.

    Args:
        decided: what is explained.
        rows: the maps that say in which order patches are replaced.
        common: (B,) images to measure; no other image is looked at.
        kinds: modes and options of `antehoc.metrics.faithfulness.curves`, by measure.
    Returns:
        NaN where a map is invalid or the image is not among the common ones.
    """
    classifier, images, _, target, chunk, seed, task = decided
    seen = common.nonzero()[:, 0].to(images.device)
    maps = {name: _without_nan(one.maps[seen]) for name, one in rows.items() if one.valid.any()}
    found: dict[str, dict[str, Tensor]] = {}
    for measure, (mode, options) in kinds.items():
        log.info("%s: %d maps of %d images", measure, len(maps), len(seen))
        own = faithfulness.curves(
            mode, classifier, images[seen], maps, target[seen], seed=seed, chunk=chunk, task=task, **options
        )
        points = next(iter(own.values())).shape[1]
        found[measure] = {}
        for name, one in rows.items():
            curve = torch.full((len(images), points), torch.nan, dtype=torch.float64)
            if name in own:
                curve[seen.cpu()] = own[name].cpu()
            found[measure][name] = curve.where(one.valid[:, None], torch.nan)
    return found


def grid(decided: Decided, rows: Mapping[str, Explained], common: Tensor) -> dict[str, dict[str, float]]:
    """Mean AOPC by what replaces a patch of which size, and row; a row that has no valid map is left out."""
    chosen = {name: one for name, one in rows.items() if one.kind != "control" or name == "random"}
    kinds: Curves = {
        name: ("morf", {"patch": 1 / parts, "perturbation": perturbation, "steps": _STEPS})
        for name, (perturbation, parts) in GRID.items()
    }
    means = {
        kind: {name: float(faithfulness.aopc(curve).nanmean()) for name, curve in own.items()}
        for kind, own in curves(decided, chosen, common, kinds).items()
    }
    return {kind: {name: mean for name, mean in own.items() if not math.isnan(mean)} for kind, own in means.items()}


def measured(
    decided: Decided, name: str, one: Explained, own_curves: Mapping[str, Tensor], common: Tensor
) -> dict[str, Tensor]:
    """Every measure of one row, (B,) by name.

    Args:
        decided: what is explained.
        name: of the row, for progress.
        one: its maps.
        own_curves: its curves, by measure.
        common: (B,) images to measure.
    Returns:
        NaN where a measure has no answer, a map is invalid or the image is not among the common ones.
    """
    area, aopc = faithfulness.area, faithfulness.aopc
    found = {name: (aopc if name.startswith("aopc") else area)(curve) for name, curve in own_curves.items()}
    maps, mask, seen = _without_nan(one.maps), decided.mask, decided.with_object
    if mask is not None and seen is not None:
        placed = {"pointing": placement.pointing_game, "energy": placement.energy, "pompom": placement.pompom}
        found |= {name: measure(maps, mask).where(seen, torch.nan) for name, measure in placed.items()}
        found["iou"] = _iou(maps, mask, one.valid & seen & common)
    found["gini"] = placement.gini(maps)
    found["sensitivity"] = _sensitivity(decided, name, one)
    nothing = torch.full((len(maps),), torch.nan, dtype=torch.float64)
    return {name: found.get(name, nothing).where(one.valid & common, torch.nan) for name in COMPARED}


def _without_nan(maps: Tensor) -> Tensor:
    """Invalid maps may hold anything; what is measured of them is dropped."""
    return maps.nan_to_num(0, 0, 0)


def _iou(maps: Tensor, mask: Tensor, chosen: Tensor) -> Tensor:
    """Each half of the images at the threshold that is best on the other half."""
    found = torch.full((len(maps),), torch.nan, dtype=torch.float64)
    rows = chosen.nonzero()[:, 0]
    for own, other in ((rows[::2], rows[1::2]), (rows[1::2], rows[::2])):
        if len(other):
            threshold = placement.best_threshold(maps[other], mask[other])
            found[own] = placement.iou(placement.max_scaled(maps[own]), mask[own], threshold)
    return found


def _sensitivity(decided: Decided, name: str, one: Explained) -> Tensor:
    images, target = decided.images, decided.target
    found = torch.full((len(images),), torch.nan, dtype=torch.float64)
    rows = one.valid.nonzero()[:_STABLE, 0]
    if one.again and len(rows):
        log.info("sensitivity of %s: %d images", name, len(rows))
        explain = lambda part: one.again(part, target[rows.to(target.device)])  # noqa: E731
        try:
            changes = robustness.stability(explain, images[rows.to(images.device)], samples=2, seed=decided.seed)
        except DataError:  # under noise a valid map became invalid, so that its stability is undefined
            return found
        most = robustness.max_sensitivity(changes)
        found[rows] = most.where(most.isfinite(), torch.nan)
    return found
