from collections import Counter

import pytest

from antehoc.data.drawn import KINDS, STRANGE
from antehoc.data.sets.shapes import CLASS_ATTRIBUTES, CLASSES, shapes, spec
from antehoc.errors import DataError

# Classes and attributes


def test_the_kinds_and_their_attributes_are_those_of_the_thesis():
    # originals: "circle 10000; rectangle 00110; square 00111; triangle 01001"; classes in alphabetical order
    assert CLASSES == ("circle", "rectangle", "square", "triangle")
    assert ["".join(map(str, row)) for row in CLASS_ATTRIBUTES] == ["10000", "00110", "00111", "01001"]
    assert set(STRANGE) == {"pentagon", "hexagon", "star", "ellipse"}
    assert len(set(KINDS)) == len(KINDS) == 9


def test_the_spec_says_what_the_images_are(shapes_spec):
    assert spec() == shapes_spec
    assert (spec(32).height, spec(32).width) == (32, 32)
    for row in shapes_spec.class_attributes:
        assert [sum(row[member] for member in group) for group in shapes_spec.exclusive] == [1]


def test_roles_get_what_they_ask_for_and_share_no_image():
    counts = {"train": 80, "validation": 40, "calibration": 200, "test": 400}
    source = shapes(seed=0, **counts)
    seen = {role: set(examples.content_hashes()) for role, examples in source.roles.items()}
    assert {role: len(hashes) for role, hashes in seen.items()} == counts
    assert len(set().union(*seen.values())) == sum(counts.values())
    for role, examples in source.roles.items():
        assert Counter(examples.labels.tolist()) == dict.fromkeys(range(4), counts[role] // 4)
        assert examples.attributes.tolist() == [list(CLASS_ATTRIBUTES[label]) for label in examples.labels]


def crossing(source):
    """How many different images stand in more than one role."""
    roles = [set(examples.content_hashes()) for examples in source.roles.values()]
    return sum(map(len, roles)) - len(set().union(*roles))


def test_where_duplicates_abound_they_still_share_a_role():
    counts = {"train": 1600, "validation": 800, "calibration": 800, "test": 800}
    assert crossing(shapes(seed=0, sizes="whole", **counts)) == 0
    assert crossing(shapes(seed=0, sizes="whole", split="random", **counts)) > 100, "as in the originals"


def test_a_role_without_an_image_per_class_is_refused():
    with pytest.raises(DataError, match="'validation' needs 4 images or more, one per class; got 3"):
        shapes(seed=0, validation=3)
