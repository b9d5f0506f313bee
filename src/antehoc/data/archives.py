"""Where files lie: paths and members of zip archives, their bytes, and the images in a folder or an archive."""

import os
import re
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from antehoc.errors import DataError, ImageError, shown

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff"})
LIMIT_BYTES = 2**31  #: of one file: an uncompressed image of `geometry.LIMIT_PX` pixels is smaller


@dataclass(frozen=True)
class Member:
    """A file inside a zip archive. Its text form is the archive's path, a slash and the name inside."""

    archive: Path
    name: str

    def __str__(self) -> str:
        return f"{self.archive}/{self.name}"


FileSource: TypeAlias = Path | Member


def read_bytes(source: FileSource) -> bytes:
    """The content of one file.

    Args:
        source: a path, or a member of a zip archive; a path may lead into an archive, such as `a.zip/cat/1.png`.
    Raises:
        ImageError: if it is missing, a folder, no regular file, larger than `LIMIT_BYTES` or not readable.
    """
    return _read(source, -1)[0]


def read_start(source: FileSource, count: int) -> tuple[bytes, int]:
    """The first bytes of one file, `count` at most, and its size in bytes.

    Raises:
        ImageError: as `read_bytes` does.
    """
    return _read(source, count)


def _read(source: FileSource, count: int) -> tuple[bytes, int]:
    try:
        if isinstance(source, Member):
            return _unpack(source, count)
        if inside := _into_archive(source):
            return _unpack(inside, count)
        status = source.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{shown(source)}: this is a folder; give an image file.")
        if not stat.S_ISREG(status.st_mode):  # a pipe or a device could be read without end
            raise ImageError(f"{shown(source)}: this is not a regular file; give an image file.")
        _refuse_large(source, status.st_size)
        with source.open("rb") as file:
            return file.read(count), status.st_size
    except FileNotFoundError as error:
        raise ImageError(f"{shown(source)}: there is no such file; give the path of an image.") from error
    except PermissionError as error:
        raise ImageError(f"{shown(source)}: no permission to read this file; change its permissions.") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise ImageError(
            f"{shown(source)}: it cannot be read ({reason(error)}); give a readable image file."
        ) from error


def image_paths(top: Path) -> tuple[list[Path], list[Path]]:
    """Images at any depth in a folder, and the files that are none; see `walked`.

    Raises:
        DataError: if a folder cannot be listed.
    """
    images: list[Path] = []
    others: list[Path] = []
    for path, is_image in walked(top):
        (images if is_image else others).append(path)
    return images, others


def walked(top: Path) -> Iterator[tuple[Path, bool]]:
    """The files at any depth in a folder, and whether each is an image by its suffix; hidden ones do not count.

    They come folder by folder, sorted by name in each. Symbolic links are followed, a folder that is reached twice is
    read once.

    Raises:
        DataError: if a folder cannot be listed.
    """
    seen: set[str] = set()
    for place, folders, files in os.walk(top, onerror=_refuse_listing, followlinks=True):
        own = os.path.realpath(place)
        if own in seen:  # a link to a folder above, or to one that was read
            folders.clear()
            continue
        seen.add(own)
        folders[:] = sorted(filter(_visible, folders))  # os.walk goes on with what is left here
        for name in sorted(filter(_visible, files)):
            yield Path(place, name), Path(name).suffix.lower() in SUFFIXES


def subfolders(top: Path) -> list[Path]:
    """The folders in a folder, sorted; hidden ones do not count.

    Raises:
        DataError: if it cannot be listed.
    """
    return [entry for entry in listed(top) if _visible(entry.name) and os.path.isdir(entry)]


def listed(top: Path) -> list[Path]:
    """What is in a folder, sorted.

    Raises:
        DataError: if it cannot be listed.
    """
    try:
        return sorted(top.iterdir())
    except OSError as error:
        _refuse_listing(error, top)
    raise AssertionError  # not reached


def named_images(path: Path) -> dict[str, FileSource]:
    """The images in a folder, at any depth, or in a zip archive, by their name inside it, sorted by path.

    Raises:
        DataError: if it cannot be opened, or holds none.
    """
    if os.path.isdir(path):
        named: dict[str, FileSource] = {image.relative_to(path).as_posix(): image for image in image_paths(path)[0]}
    else:
        named = {member.name: member for member in members(path)}
    if not named:
        raise DataError(f"{shown(path)}: it holds no image; give a folder or a zip archive of images, or an idx file.")
    return named


def reason(error: Exception) -> str:
    """An error of another library in a few words on one line."""
    words = (error.strerror if isinstance(error, OSError) else None) or str(error)
    words = re.sub(r" ?<_io\.\w+ object at \w+>", "", words)  # an address that no one can use
    return words.splitlines()[0].strip(" .")[:80] if words.strip() else type(error).__name__


def _into_archive(path: Path) -> Member | None:
    """The member that a path leads to, where one of its parents is a zip archive."""
    if os.path.exists(path):
        return None
    archive = next((parent for parent in path.parents if os.path.isfile(parent)), None)
    if archive is None or not zipfile.is_zipfile(archive):
        return None
    return Member(archive, path.relative_to(archive).as_posix())


def _unpack(member: Member, count: int) -> tuple[bytes, int]:
    try:
        archive = _archive(member.archive, member.archive.stat().st_mtime_ns, os.getpid())
        size = archive.getinfo(member.name).file_size
        _refuse_large(member, size)
        with archive.open(member.name) as file:
            return file.read(count), size
    except KeyError as error:
        raise ImageError(f"{shown(member)}: the archive has no such file; give the name of one that it has.") from error
    # RuntimeError: encrypted; NotImplementedError: packed in a way that Python does not know
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        raise ImageError(f"{shown(member)}: it cannot be unpacked ({reason(error)}); pack it again.") from error


@lru_cache(maxsize=8)
def _archive(path: Path, stamp: int, process: int) -> zipfile.ZipFile:
    """An open archive: reading its list again for each image is slow. A forked process must not share the handle."""
    return zipfile.ZipFile(path)


def _refuse_large(source: FileSource, size: int) -> None:
    if size > LIMIT_BYTES:
        raise ImageError(
            f"{shown(source)}: {size:,} bytes are too many for one image; at most {LIMIT_BYTES:,} are read."
        )


def members(path: Path) -> list[Member]:
    """The images in a zip archive, sorted by name.

    Raises:
        DataError: if it cannot be opened.
    """
    return [member for member, is_image in packed(path) if is_image]


def packed(path: Path) -> list[tuple[Member, bool]]:
    """The files in a zip archive, sorted by name, and whether each is an image by its suffix; hidden ones do not count.

    Raises:
        DataError: if it cannot be opened.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(archive.namelist())
    except FileNotFoundError as error:
        raise DataError(f"{shown(path)}: there is no such file or folder; give one with images.") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{shown(path)}: it cannot be opened ({reason(error)}); give a folder or a zip of images."
        ) from error
    files = [name for name in names if not name.endswith("/") and all(map(_visible, PurePosixPath(name).parts))]
    return [(Member(path, name), PurePosixPath(name).suffix.lower() in SUFFIXES) for name in files]


def _visible(name: str) -> bool:
    return not name.startswith((".", "__MACOSX"))


def _refuse_listing(error: OSError, top: Path | None = None) -> None:
    raise DataError(
        f"{shown(top or error.filename)}: it cannot be listed ({error.strerror}); give a folder of images."
    ) from error
