"""CIFAR's pickled batches, read without executing what a pickle asks for.

A pickle is a program: it may call any function. Here it may call four, all of them ours: what makes an array, its type,
and bytes of text. No function or class of Python, numpy or another library is ever handed to it.
"""

import pickle
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from antehoc.data.archives import reason
from antehoc.errors import DataError


def read_pickled(content: bytes, where: str) -> dict[str, Any]:
    """The mapping in a pickle of plain values and arrays of bytes.

    Args:
        content: of the file.
        where: what a message puts in front.
    Returns:
        Its values by name; arrays as uint8, text as str where it is UTF-8 and else as bytes.
    Raises:
        DataError: for a pickle that needs anything but numbers, text, lists, mappings and arrays of bytes, and for a
            file that is none.
    """
    try:
        found = _Plain(BytesIO(content), encoding="bytes").load()
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    except Exception as error:  # a damaged pickle raises errors of every kind
        raise DataError(f"{where}: this is no pickled batch ({reason(error)}); download it again.") from error
    if not isinstance(found, Mapping):
        raise DataError(f"{where}: a batch is a mapping; got {type(found).__name__}; download it again.")
    return {str(_text(key)): _plain(value, where) for key, value in found.items()}


class _Kind:
    """Stands for numpy's type of an array's values."""

    def __init__(self, name: Any = "", *_: Any) -> None:
        self.name = _text(name)

    def __setstate__(self, state: Any) -> None:
        """Byte order and fields, of which bytes have none."""


class _Array:
    """Stands for numpy's array until its bytes are there."""

    def __init__(self, *_: Any) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: Any) -> None:
        self.state = tuple(state)

    def array(self, where: str) -> NDArray[np.uint8]:
        if len(self.state) != 5:
            raise DataError(f"{where}: an array has no values; download it again.")
        _, shape, kind, fortran, content = self.state
        content = content.encode("latin-1") if isinstance(content, str) else content
        if not isinstance(kind, _Kind) or kind.name not in ("u1", "|u1", "uint8") or not isinstance(content, bytes):
            raise DataError(f"{where}: arrays of a batch hold bytes (uint8); this one holds something else.")
        try:
            return np.frombuffer(content, np.uint8).reshape([*map(int, shape)], order="F" if fortran else "C")
        except (ValueError, TypeError) as error:
            raise DataError(f"{where}: an array of {shape} has {len(content):,} bytes; download it again.") from error


def _bytes(text: Any, encoding: Any = "latin1") -> bytes:
    """How Python 3 writes bytes for Python 2."""
    if not isinstance(text, str) or _text(encoding) not in ("latin1", "latin-1"):
        raise DataError("its bytes are written in an unknown way; download the file again.")
    return text.encode("latin-1")


def _made(*_: Any) -> _Array:
    return _Array()


_ALLOWED: Mapping[tuple[str, str], Callable[..., Any]] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _made for core in ("core", "_core")},
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Kind,
    ("_codecs", "encode"): _bytes,
}


class _Plain(pickle.Unpickler):
    """Knows four names, and hands out ours for them."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise DataError(
                f"this pickle asks for {module}.{name}, which a batch of images does not need and which was not run; "
                "use another copy."
            )
        allowed = _ALLOWED[module, name]
        return lambda *values: allowed(*values)  # a pickle can set attributes: only of this wrapper


def _text(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, _Array):
        return value.array(where)
    return [_text(one) for one in value] if isinstance(value, list) else _text(value)
