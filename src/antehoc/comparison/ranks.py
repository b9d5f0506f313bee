"""The place of each explanation by a measure, and how often it keeps that place in other draws of the images."""

from collections.abc import Mapping

import torch
from torch import Tensor

from antehoc.comparison.table import RANKED, Rank
from antehoc.metrics import MEASURES, Resamples

Each = Mapping[str, Mapping[str, Tensor]]


def ranked(measure: str, valid: Mapping[str, Tensor], each: Each, resamples: Resamples) -> dict[str, Rank]:
    """Ranks by one measure of the rows that can be compared.

    Args:
        measure: a name in `antehoc.metrics.MEASURES`, which says the better direction.
        valid: (n,) which maps are valid, for every row that may take a place.
        each: (n,) one value for each image, by row and measure; NaN where there is no answer.
        resamples: draws of the images, the same for every row.
    Returns:
        A rank for each row of whose maps at least half are valid, and that the measure has an answer for.
    """
    names = [
        name
        for name, own in valid.items()
        if float(own.double().mean()) >= RANKED and not each[name][measure].isnan().all()
    ]
    if not names:
        return {}
    sign = 1 if MEASURES[measure].direction == "higher" else -1
    place = _places(sign * torch.stack([each[name][measure].nanmean() for name in names])[None])[0]
    drawn = _places(sign * torch.stack([resamples.means(each[name][measure]) for name in names], 1))
    kept = (drawn == place).double().mean(0).tolist()
    return {name: Rank(int(own), share) for name, own, share in zip(names, place.tolist(), kept, strict=True)}


def _places(scores: Tensor) -> Tensor:
    """(draws, rows) places by score, higher first; equal scores share the better place."""
    return 1 + (scores[:, None, :] > scores[:, :, None]).sum(2)
