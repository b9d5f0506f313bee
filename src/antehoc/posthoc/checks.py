"""What a post-hoc method gives, and whether it may be looked at."""

from collections.abc import Mapping
from math import inf
from typing import NamedTuple

import torch
from torch import Tensor


class Made(NamedTuple):
    """A method's maps (B, 1, H, W), raw, and its own checks by name, (B,) each."""

    maps: Tensor
    checks: Mapping[str, Tensor] = {}


class Passes(NamedTuple):
    """Images that went through the classifier for each image that was explained."""

    forward: float
    backward: float


class Bound(NamedTuple):
    """The least and the largest value of a check in a valid map, and what is wrong with any other."""

    least: float
    largest: float
    complaint: str  #: a sentence around the value


_NOT_NORMALIZED = (
    "images normalized as for this network's published weights get another class: pass preprocessing=, or (0.0, 1.0) if"
    " it takes images in 0..1 as they are."
)

BOUNDS = {
    "preprocessed": Bound(1.0, inf, _NOT_NORMALIZED),
    "finite": Bound(1.0, inf, "only {:.3g} of the map's pixels are finite numbers."),
    "range": Bound(1e-6, inf, "the map is flat: its values differ by {:.2g} of the largest, so it points nowhere."),
    "spread": Bound(
        1e-5,
        inf,
        "no change of the image moved the logit by more than {:.2g} of the largest one: this is rounding.",
    ),
    "completeness": Bound(
        0.0,
        0.05,
        "its sum misses F(x) - F(x') by {:.2g} of it; more steps help, unless F jumps, as at a hard gate.",
    ),
    "conservation": Bound(0.0, 0.01, "relevance and the share of constants miss the logit by {:.2g} of it."),
    "bias_share": Bound(-9.0, 0.9, "constants take {:.3g} of the logit; what is left for the pixels is another size."),
    "rectifiers": Bound(1.0, inf, "the classifier used {:.0f} ReLUs that can be reached: this is its plain gradient."),
}  #: a check by any other name only informs


class Mapped(NamedTuple):
    """The maps of one method for a batch, what they cost, and whether they may be looked at."""

    maps: Tensor  #: (B, 1, H, W), higher = more relevant, in the method's own unit; never normalized
    valid: Tensor  #: (B,) bool
    checks: dict[str, Tensor]  #: (B,) by name
    why: tuple[str, ...]  #: for each image: what is wrong, in one sentence; empty where it is valid
    passes: Passes


def judge(maps: Tensor, checks: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor], tuple[str, ...]]:
    """Whether each map may be looked at, all its checks, and the first complaint.

    Two checks are made of every map: `finite`, the share of its pixels that are numbers, and `range`, the distance
    from its least to its largest value as a share of the largest absolute one.

    Args:
        maps: (B, 1, H, W)
        checks: of the method itself, (B,) each, by a name in `BOUNDS` or any other, which then only informs.
    Returns:
        `valid` (B,), the checks and `why`, as in `Mapped`.
    Example:
        >>> judge(torch.ones(1, 1, 2, 2), {})[2]
        ('the map is flat: its values differ by 0 of the largest, so it points nowhere.',)
    """
    rows = maps.flatten(1)
    extent = (rows.amax(1) - rows.amin(1)) / rows.abs().amax(1).clamp(min=torch.finfo(rows.dtype).tiny)
    every = {"finite": rows.isfinite().to(rows.dtype).mean(1), "range": extent}
    every |= {name: values.detach().to(maps) for name, values in checks.items()}
    why = [""] * len(maps)
    for name, bound in BOUNDS.items():
        for row, value in enumerate(every[name].tolist() if name in every else ()):
            if not bound.least <= value <= bound.largest and not why[row]:
                why[row] = bound.complaint.format(value)
    valid = torch.tensor([not sentence for sentence in why], dtype=torch.bool, device=maps.device)
    return valid, every, tuple(why)
