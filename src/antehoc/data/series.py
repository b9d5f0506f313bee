"""Endless series of drawn images: random numbers that can be entered anywhere, and roles taken from an image's bytes.

An image is a pure function of its seed, stream and number: its parameters come from raw counter-based words. Which role
it plays is taken from a hash of its bytes, so that two equal images always share a role.
"""

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from antehoc.types import Role

Floats: TypeAlias = NDArray[np.float64]
Arrays: TypeAlias = tuple[NDArray[Any], ...]  #: of the same images, such as their pixels and their masks

_CHUNK = 64  # images drawn at once: their pixels fit the cache


def uniform(seed: int, stream: int, start: int, count: int, width: int) -> Floats:
    """Random numbers of the images `start` to `start + count` of a series.

    Args:
        seed: 0 to 2**63.
        stream: the number of the series among those of one seed.
        start: number of the first image.
        count: how many images.
        width: how many numbers each image has.
    Returns:
        (count, width) in 0..1: 53 bits of raw Philox words each.
    """
    blocks = -(-width // 4)  # of four words, as the counter counts them
    key = np.array([seed, stream], dtype=np.uint64)
    generator = np.random.Philox(key=key, counter=[start * blocks, 0, 0, 0])
    words = generator.random_raw(count * blocks * 4).reshape(count, blocks * 4)[:, :width]
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def paint_all(paint: Callable[[slice], None], count: int) -> None:
    """Let several threads paint so many images, a few dozen rows at a time."""
    with ThreadPoolExecutor() as pool:  # numpy releases the interpreter lock inside its loops
        list(pool.map(paint, [slice(first, first + _CHUNK) for first in range(0, count, _CHUNK)]))


def share(image: NDArray[np.uint8]) -> Floats:
    """A number in 0..1 for each image, from a hash of its bytes alone: equal images get equal numbers."""
    digests = b"".join(hashlib.blake2b(picture.tobytes(), digest_size=8).digest() for picture in image)
    return np.frombuffer(digests, dtype="<u8").astype(np.float64) / 2.0**64


def fill_roles(
    wanted: Mapping[Role, int], draw: Callable[[int, int], Arrays], chance: Callable[[Arrays, int], Floats]
) -> dict[Role, Arrays]:
    """Draw images of one series until every role has its number of them.

    Args:
        wanted: how many images each role gets, 1 or more.
        draw: gives so many images, from this number on: start and count.
        chance: a number in 0..1 for each drawn image, the first of which has this number; it chooses the role.
    Returns:
        The images of each role, in the order of the series.
    """
    total = sum(wanted.values())
    edges = np.cumsum([count / total for count in wanted.values()])[:-1]
    kept: dict[Role, list[Arrays]] = {role: [] for role in wanted}
    start = 0
    while missing := {role: lack for role, n in wanted.items() if (lack := n - _count(kept[role])) > 0}:
        # some more than the expected number, so that one round is nearly always enough
        worst = max(lack / wanted[role] for role, lack in missing.items())
        count = int(total * worst * 1.02 + 6 * total / min(wanted.values()) ** 0.5) + 8
        drawn = draw(start, count)
        role_of = np.searchsorted(edges, chance(drawn, start), side="right")
        for number, role in enumerate(wanted):
            rows = np.flatnonzero(role_of == number)[: missing.get(role, 0)]
            kept[role].append(tuple(part[rows] for part in drawn))
        start += count
    return {role: tuple(map(np.concatenate, zip(*parts, strict=True))) for role, parts in kept.items()}


def _count(parts: list[Arrays]) -> int:
    return sum(len(part[0]) for part in parts)
