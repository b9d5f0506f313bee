"""A doubt: the map of a class is as bright everywhere as at its brightest place."""

from torch import Tensor

from antehoc.doubts import Doubt


def flatness(maps: Tensor) -> Tensor:
    """(B, K) in 0..1: how far the mean of each map (B, K, H, W) comes up to its maximum; 1 for a flat one."""
    return maps.mean((2, 3)) / maps.amax((2, 3)).clamp(min=1e-6)


FLATNESS = Doubt(
    flatness,
    "map-flat",
    "the map of the class {name} stands out less than in correct decisions",
    "the flatness of the map",
)
