"""Which attributes are expected for each class."""

import re

from antehoc.blocks import Note, Strong, Table
from antehoc.evaluation import expected
from antehoc.types import DataSpec


def test_few_classes_stand_side_by_side(shapes_spec):
    note, table = expected.section(shapes_spec).blocks
    assert isinstance(note, Note)
    assert isinstance(table, Table)
    assert table.head == ("question", *shapes_spec.classes)
    assert "As an example" not in note.text
    assert "1 to 3 of 5 attributes" in note.text  # a circle has no vertices, and that is all; a square has three


def test_an_attribute_of_just_half_of_the_images_is_not_expected():
    spec = DataSpec(("cat", "fox"), 3, 16, 16, ("red", "tall"), ((0.5, 0.0), (0.5, 0.75)))
    note, _ = expected.section(spec).blocks
    assert "0 to 1 of 2 attributes" in note.text


def birds(classes: int = 12) -> DataSpec:
    """Attributes that answer two questions."""
    names = tuple(f"bird {index}" for index in range(classes))
    attributes = (*(f"has_wing_color::color_{index}" for index in range(11)), "has_size::small", "has_size::large")
    rows = tuple(tuple(float(index in (row % 11, 11 + row % 2)) for index in range(13)) for row in range(classes))
    return DataSpec(names, 3, 16, 16, attributes, rows, groups=(tuple(range(11)), (11, 12)))


def test_of_many_classes_two_that_are_confused_stand_side_by_side():
    note, table = expected.section(birds(), ("bird 2", "bird 4")).blocks
    assert table.head == ("question", "bird 2", "bird 4")
    assert table.rows == (("wing color", Strong("color 2"), Strong("color 4")), ("size", "small", "small"))
    assert note.text.endswith("As an example, the two classes that are confused most often.")


def test_without_mistakes_two_classes_stand_as_an_example():
    note, table = expected.section(birds()).blocks
    assert table.head == ("question", "bird 0", "bird 1")
    assert note.text.endswith("2 of 13 attributes. As an example, two.")


def test_of_many_questions_those_answered_alike_are_left_out():
    names = tuple(f"q{index}::yes" for index in range(25))
    spec = DataSpec(tuple("abcde"), 3, 8, 8, names, (((1.0,) * 25), *(((0.0,) + (1.0,) * 24),) * 4))
    note, table = expected.section(spec, ("a", "b")).blocks
    assert table.rows == (("q0", Strong("yes"), Strong("-")),)
    assert re.search(r"; 24 questions that both answer alike are left out\.$", note.text)
