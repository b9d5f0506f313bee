"""Reading SVG in tests."""

from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"


def parse(svg: str) -> ElementTree.Element:
    """The root of a drawing, after what holds for every drawing is checked."""
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root.get("aria-label")
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    return root


def words(root: ElementTree.Element) -> list[str]:
    """What its texts say."""
    return ["".join(element.itertext()).strip() for element in root.iter(f"{SVG}text")]
