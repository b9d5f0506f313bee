"""The background study on a model that reads the object for one attribute and its surroundings for another."""

import dataclasses

import numpy as np
import pytest
import torch

from antehoc.errors import DataError
from antehoc.studies.background import MEANING, Background, Reading, _readings, background
from studies.wired import NAMES, SIDE, codes, decide_by, files, first_pixel, rows_of, said, tables, wired

FOUND = Background(
    50, 0.8, 0.75, 0.1,
    (
        Reading("has_wing::blue", "average precision", 0.1, 0.9, 0.85, 0.4, 0.375),
        Reading("has_eye::red", "average precision", 0.1, 0.11, 0.1, 0.1, None),
    ),
)  # fmt: skip


def test_what_the_background_tells_is_told_from_what_the_object_tells(tmp_path):
    # the object (red) says the class and attribute 0, its surroundings (blue) attribute 1; all images have attribute 2
    labels = [0, 1] * 8
    around = [0, 0, 1, 1] * 4
    pictures = np.zeros((16, SIDE, SIDE, 3))
    for index, (label, blue) in enumerate(zip(labels, around, strict=True)):
        pictures[index, :, :, 2] = 200 * blue
        pictures[index, 8:16, 8:16] = (200 * label, 0, 100)
    attributes = torch.tensor([labels, around, [1] * 16]).T.float()
    boxes = torch.tensor([[7.7, 8.2, 16.0, 15.8]]).repeat(16, 1)
    test = files(tmp_path, pictures, labels, boxes=boxes, attributes=attributes)

    def seen(image):
        return torch.stack([image[:, 0, 12, 12], image[:, 2, 0, 0], image[:, 0, 12, 12]], 1)

    model = wired(
        lambda image: torch.stack([0.5 - image[:, 0, 12, 12], image[:, 0, 12, 12], 0 * image[:, 0, 0, 0]], 1), seen
    )
    found = background(model, test, seed=0)
    assert (found.images, found.accuracy, found.accuracy_object_only) == (16, 1, 1)
    assert found.accuracy_background_only == 0.5
    rows = {row.attribute: row for row in found.readings}
    object_, surroundings, constant = (rows[name] for name in NAMES)
    assert found.readings[0] is surroundings
    precision = ("average precision", 0.5)  # all images tie at chance where the place that is read is covered
    assert dataclasses.astuple(surroundings)[1:] == (*precision, 1.0, 0.5, 1.0, 1.0)
    assert dataclasses.astuple(object_)[1:] == (*precision, 1.0, 1.0, 0.5, 0.0)
    assert dataclasses.astuple(constant)[1:] == ("correlation", 0, pytest.approx(1), pytest.approx(1), None, None)
    assert "wing pattern: striped" in rows_of(*tables(found.blocks()))


def test_the_background_study_needs_boxes(tmp_path):
    with pytest.raises(DataError, match="needs the object's box"):
        background(wired(decide_by(0), first_pixel), files(tmp_path, codes([0], [0], [0]), [0]), seed=0)


def test_an_attribute_that_is_hardly_read_says_nothing_of_the_background():
    rows = rows_of(*tables(FOUND.blocks()))
    assert rows == {"wing: blue": ["average precision", "0.1000", "0.9000", "0.8500", "0.4000", "0.3750"]}
    text = said(FOUND.blocks())
    assert MEANING in text
    assert "0.8000 as they are, 0.7500 with the object's box alone, and 0.1000 with the background alone" in text
    assert FOUND.figures() == []


def test_what_lies_a_twentieth_above_chance_is_read():
    rank = torch.arange(8.0).flip(0)[:, None] / 8  # the first image is the surest
    for present, kept in (((1, 2, 4, 7), True), ((1, 2, 5, 7), False)):  # precision .567 and .542 of one half
        truth = torch.zeros(8, 1, dtype=torch.bool)
        truth[list(present)] = True
        (row,) = _readings(("a",), truth, [rank] * 3)
        assert (row.kept == 1) is kept
        assert (row.kept is None) is not kept
