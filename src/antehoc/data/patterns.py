"""Textures that are drawn: patterns of two colors whose angle, period and colors say nothing of the pattern."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from antehoc.data.series import Floats

Pattern: TypeAlias = Callable[[Floats, Floats, Floats], NDArray[Any]]

NUMBERS = 10 + 32 * 32  #: random numbers that a texture takes
_DIGITS = 9  # of a cosine, so that no libm shows in the images


def draw_pattern(pattern: Pattern, numbers: Floats, side: int) -> NDArray[np.uint8]:
    """A texture.

    Args:
        pattern: of `FOREGROUND` or `BACKGROUND`.
        numbers: (NUMBERS,) uniform in 0..1: they choose angle, place, period and both colors.
        side: height and width in pixels.
    Returns:
        (side, side, 3), RGB.
    """
    angle = 2 * np.pi * numbers[0]
    cos, sin = (float(np.round(part, _DIGITS)) for part in (np.cos(angle), np.sin(angle)))
    period = side * (0.09 + 0.05 * numbers[1])
    x, y = np.meshgrid(np.arange(side) / period, np.arange(side) / period)
    u, v = x * cos + y * sin + 50 + numbers[2], y * cos - x * sin + 50 + numbers[3]
    dark, light = numbers[4:7] * 0.45, 0.55 + numbers[7:10] * 0.45
    level = np.clip(pattern(u, v, numbers[10:].reshape(32, 32)), 0, 1)[..., None]
    return np.asarray((dark + (light - dark) * level) * 255 + 0.5).astype(np.uint8)


def _wave(value: Floats) -> Floats:
    """A triangle wave of period 1, in 0..1."""
    return np.asarray(np.abs(2 * (value % 1) - 1))


def _dots(u: Floats, v: Floats, _: Floats) -> Floats:
    return np.asarray(((u % 1 - 0.5) ** 2 + (v % 1 - 0.5) ** 2 < 0.09) * 1.0)


def _bricks(u: Floats, v: Floats, _: Floats) -> Floats:
    return np.asarray(1.0 - ((v % 1 < 0.2) | ((u / 2 + np.floor(v) % 2 / 2) % 1 < 0.1)))


def _noise(u: Floats, v: Floats, lattice: Floats) -> Floats:
    """Bilinear between the numbers of a lattice that repeats."""
    left, top = np.floor(u).astype(int), np.floor(v).astype(int)
    right, down = u - left, v - top
    n = len(lattice)
    upper = lattice[top % n, left % n] * (1 - right) + lattice[top % n, (left + 1) % n] * right
    lower = lattice[(top + 1) % n, left % n] * (1 - right) + lattice[(top + 1) % n, (left + 1) % n] * right
    return np.asarray(upper * (1 - down) + lower * down)


FOREGROUND: Mapping[str, Pattern] = {
    "stripes": lambda u, v, _: _wave(u),
    "checks": lambda u, v, _: (np.floor(u) + np.floor(v)) % 2,
    "dots": _dots,
    "bricks": _bricks,
    "zigzag": lambda u, v, _: (_wave(u + _wave(v)) > 0.5) * 1.0,
    "mesh": lambda u, v, _: ((u % 1 < 0.25) | (v % 1 < 0.25)) * 1.0,
    "grain": lambda u, v, lattice: _noise(4 * u, 4 * v, lattice),
    "blotches": lambda u, v, lattice: (_noise(1.6 * u, 1.6 * v, lattice) > 0.5) * 1.0,
}  #: the patterns of objects, by name

BACKGROUND: Mapping[str, Pattern] = {
    "plain": lambda u, v, _: np.full_like(u, 0.5),
    "slope": lambda u, v, _: (u - u.min()) / np.ptp(u),
    "fog": lambda u, v, lattice: _noise(u / 3, v / 3, lattice),
    "rings": lambda u, v, _: _wave(np.sqrt((u - 55) ** 2 + (v - 55) ** 2)),
    "diamonds": lambda u, v, _: (np.abs(u % 1 - 0.5) + np.abs(v % 1 - 0.5) < 0.35) * 1.0,
    "lines": lambda u, v, _: (u % 1 < 0.15) * 1.0,
}  #: the patterns of backgrounds, by name
