"""Any block as plain values for JSON, without its pixels."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from antehoc.blocks import Block, Overlay, Picture
from antehoc.figure import defined


def plain(block: Block) -> dict[str, Any]:
    """The block's fields and, as `kind`, the name of its class in small letters; NaN becomes None.

    Of pictures and maps the words are kept. A field that is called `kind` itself is written as `style`.

    Example:
        >>> from antehoc.blocks import Note
        >>> plain(Note("12 errors are few"))
        {'kind': 'note', 'text': '12 errors are few', 'style': 'text', 'lead': ''}
    """
    found: dict[str, Any] = _value(block)
    return found


def _value(value: object) -> Any:
    if isinstance(value, Picture | Overlay):
        return {"kind": type(value).__name__.lower(), "alt": value.alt, "caption": value.caption}
    if is_dataclass(value):
        named = {"style" if one.name == "kind" else one.name: _value(getattr(value, one.name)) for one in fields(value)}
        return {"kind": type(value).__name__.lower(), **named}
    if isinstance(value, Mapping):
        return {str(key): _value(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_value(one) for one in value]
    return defined(value) if isinstance(value, float) else value
