import pytest

from antehoc.data.xml import read_objects
from antehoc.errors import DataError
from data.sets.layouts import annotation


def test_objects_have_boxes_from_zero_on_and_flags():
    first, second = read_objects(annotation(("cat", (1, 2, 3, 4), False), ("dog", (5, 5, 5, 5), True)).encode(), "a")
    assert first == ("cat", (0.0, 1.0, 3.0, 4.0), False)
    assert second == ("dog", (4.0, 4.0, 5.0, 5.0), True)
    assert read_objects(b"<annotation/>", "a") == []


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY l0 "ha">%s]><annotation>&l30;</annotation>""" % b"".join(
    b'<!ENTITY l%d "&l%d;&l%d;">' % (n, n - 1, n - 1) for n in range(1, 31)
)


@pytest.mark.parametrize(
    "content",
    [
        LAUGHS,
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><annotation>&x;</annotation>',
        b'<!DOCTYPE annotation SYSTEM "http://example.org/a.dtd"><annotation/>',
    ],
)
def test_document_types_are_refused_before_anything_expands(content):
    with pytest.raises(DataError, match=r"^a\.xml: an annotation declares no document type \(DOCTYPE\); use another"):
        read_objects(content, "a.xml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<annotation>", "this is no whole XML file"),
        (b"", "this is no whole XML file"),
        (b"<annotation>&nothing;</annotation>", "this is no whole XML file"),
        (b'<?xml version="1.0" encoding="nothing"?><a/>', "this is no whole XML file"),
        (b"<annotation><object><name>cat</name></object></annotation>", "object 1 needs a name and a bndbox"),
        (annotation(("cat", (3, 1, 2, 2), False)).encode(), "object 1 needs a name and a bndbox"),
        (annotation(("", (1, 1, 2, 2), False)).encode(), "object 1 needs a name and a bndbox"),
    ],
)
def test_damaged_files_are_refused_in_a_sentence(content, said):
    with pytest.raises(DataError, match=said) as caught:
        read_objects(content, "a.xml")
    assert str(caught.value).endswith(".")
