"""Pascal VOC's XML: the objects of an image. Document types, and with them entities, are refused."""

import math
from typing import NamedTuple
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from antehoc.data.archives import reason
from antehoc.data.instances import Box
from antehoc.errors import DataError


class Annotated(NamedTuple):
    """One object of an annotation."""

    name: str
    box: Box  #: x0, y0, x1, y1 in pixels; far edges exclusive
    difficult: bool  #: marked as hard to recognize


def read_objects(content: bytes, where: str) -> list[Annotated]:
    """The objects that an annotation names, in its order.

    Args:
        content: of the file. Its edges count from 1 and are inclusive.
        where: what a message puts in front.
    Raises:
        DataError: if it is no XML, declares a document type, or an object has no name or no box.
    """
    objects = []
    for number, one in enumerate(_tree(content, where).iter("object"), 1):
        name, box = (one.findtext("name") or "").strip(), one.find("bndbox")
        edges = [_number(box, key) for key in ("xmin", "ymin", "xmax", "ymax")]
        if not name or not all(map(math.isfinite, edges)) or edges[0] > edges[2] or edges[1] > edges[3]:
            raise DataError(
                f"{where}: object {number} needs a name and a bndbox with xmin, ymin, xmax and ymax; got {name!r} and "
                f"{edges}."
            )
        hard = (one.findtext("difficult") or "0").strip() == "1"
        objects.append(Annotated(name, (edges[0] - 1, edges[1] - 1, edges[2], edges[3]), hard))
    return objects


def _tree(content: bytes, where: str) -> Element:
    """The root of a document without a document type: so none of its entities can expand or be fetched."""
    builder, parser = TreeBuilder(), expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise DataError(f"{where}: an annotation declares no document type (DOCTYPE); use another copy.")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(content, True)
        return builder.close()
    except (expat.ExpatError, AssertionError, ValueError, LookupError) as error:
        raise DataError(f"{where}: this is no whole XML file ({reason(error)}); use a complete copy.") from error


def _number(box: Element | None, key: str) -> float:
    """NaN where there is none."""
    try:
        return math.nan if box is None else float(box.findtext(key) or "nan")
    except ValueError:
        return math.nan
