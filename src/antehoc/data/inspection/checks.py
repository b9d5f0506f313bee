"""What the files of a data set are like: damaged ones, equal ones, and sizes; every file is read, few are decoded."""

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from statistics import median
from typing import NamedTuple

from antehoc.data.archives import FileSource, read_bytes, read_start
from antehoc.data.examples import THREADS
from antehoc.data.images import begins_as_image, read_image
from antehoc.errors import ImageError

DECODED = 200  #: images at most that are decoded, in even steps
_HEAD = 4096  # bytes of each file that are read: what it is, and a first look for equal files


class Checks(NamedTuple):
    """What was found in the files."""

    files: int
    decoded: int  #: how many of them were decoded; of the others the first bytes were read
    width: int  #: median of the decoded ones, in pixels; 0 where none could be
    height: int
    sides: tuple[int, int]  #: the smallest and the largest side of the decoded ones
    gray: bool  #: whether all of the decoded ones are gray
    unreadable: tuple[ImageError, ...]
    equal: tuple[tuple[int, ...], ...]  #: groups of files with the same bytes, by their number


def check_files(files: Sequence[FileSource]) -> Checks:
    """Look at every file's size and first bytes, decode some, and compare those that could be equal.

    Args:
        files: one or more image files.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        heads = list(pool.map(_head, files))
        bad = {number: head for number, head in enumerate(heads) if isinstance(head, ImageError)}
        step = -(-len(files) // DECODED)
        tried = [number for number in range(0, len(files), step) if number not in bad]
        pictures = list(pool.map(_look, [files[number] for number in tried]))
        bad |= {n: picture for n, picture in zip(tried, pictures, strict=True) if isinstance(picture, ImageError)}
        alike: dict[object, list[int]] = defaultdict(list)
        for number, head in enumerate(heads):
            if number not in bad:
                alike[head].append(number)
        equal = _equal(files, [group for group in alike.values() if len(group) > 1], pool)
    looks = [picture for picture in pictures if isinstance(picture, _Look)]
    sides = [side for look in looks for side in (look.width, look.height)]
    return Checks(
        len(files),
        len(looks),
        round(median(look.width for look in looks)) if looks else 0,
        round(median(look.height for look in looks)) if looks else 0,
        (min(sides, default=0), max(sides, default=0)),
        bool(looks) and all(look.gray for look in looks),
        tuple(bad[number] for number in sorted(bad)),
        tuple(equal),
    )


class _Look(NamedTuple):
    width: int
    height: int
    gray: bool


def _head(source: FileSource) -> object:
    """What equal files share: size, and a hash of the first bytes; the error where it is not an image."""
    try:
        start, size = read_start(source, _HEAD)
    except ImageError as error:
        return error
    return (size, blake2b(start, digest_size=16).digest()) if begins_as_image(start) else _error(source)


def _error(source: FileSource) -> ImageError | None:
    look = _look(source)
    return look if isinstance(look, ImageError) else None


def _look(source: FileSource) -> _Look | ImageError:
    try:
        picture = read_image(source)
    except ImageError as error:
        return error
    return _Look(*picture.size, picture.mode == "L")


def _equal(
    files: Sequence[FileSource], groups: Sequence[Sequence[int]], pool: ThreadPoolExecutor
) -> list[tuple[int, ...]]:
    """Of files whose sizes and first bytes are equal, those whose bytes are."""
    found: dict[bytes, list[int]] = defaultdict(list)
    numbers = [number for group in groups for number in group]
    for number, digest in zip(numbers, pool.map(_digest, [files[number] for number in numbers]), strict=True):
        found[digest].append(number)
    return [tuple(group) for group in found.values() if len(group) > 1]


def _digest(source: FileSource) -> bytes:
    return blake2b(read_bytes(source), digest_size=16).digest()
