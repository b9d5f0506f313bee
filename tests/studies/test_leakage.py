"""Leakage on models whose answer is known: some repeat the class, some see the attributes."""

import numpy as np
import pytest
import torch

from antehoc.blocks import Strong
from antehoc.data import Source
from antehoc.errors import DataError, RecipeError
from antehoc.studies.changes import Change, HiddenPart
from antehoc.studies.leakage import MEANINGS, Leakage, leakage, run
from studies.wired import (
    DECIDED,
    OWN,
    SPEC,
    TRUE,
    Files,
    codes,
    decide_by,
    files,
    first_pixel,
    number,
    rows_of,
    said,
    tables,
    wired,
)  # fmt: skip

EDIT = Change("greyscale", 50, 0.2, 0.1, (0.05, 0.15), 0.3)
CLEAR = HiddenPart("beak", EDIT, EDIT, 0.0421, (0.01, 0.07))
UNCLEAR = HiddenPart("tail", EDIT, EDIT, 0.0432, (-0.01, 0.09))
FOUND = Leakage(50, 9, 120, 0.7, (0.6, 0.8), 0.3, 0.9, 0.5, 0.25, 0.15, 0.6, (EDIT,), (CLEAR, UNCLEAR))


@pytest.fixture
def half_wrong(tmp_path) -> Files:
    """Red holds the class that will be decided, green the true one."""
    return files(tmp_path, codes(DECIDED, TRUE, [0] * 6), TRUE)


def test_a_mirror_that_repeats_the_class_is_found_out(half_wrong):
    decide = decide_by(0, sure=3.0)
    model = wired(decide, lambda image: decide(image).softmax(1) @ torch.tensor(OWN))
    found = leakage(model, half_wrong, seed=0)
    assert (found.images, found.wrong, found.bits) == (6, 3, 6)
    assert found.follows_decided == found.follows_decided_by_repeating == 1
    assert found.follows_decided_interval == (1, 1)
    assert found.follows_true == 0
    assert found.repeated == pytest.approx(1)
    assert found.within_class == pytest.approx(found.within_class_by_repeating) != 0


def test_a_mirror_that_sees_the_true_attributes_is_believed(half_wrong):
    found = leakage(wired(decide_by(0), lambda image: torch.tensor(OWN)[number(image, 1)]), half_wrong, seed=0)
    assert (found.follows_decided, found.follows_true) == (0, 1)
    assert found.follows_decided_by_repeating == 1
    # each of the three wrong pairs differs in two bits; the decided class lacks just one of them
    assert found.follows_decided_by_absence == 0.5
    assert found.within_class == 0 < found.within_class_by_repeating
    # by hand: each attribute's true and decided bits agree with covariance 0 over the six images
    bits = np.array(OWN)
    by_hand = [np.corrcoef(bits[TRUE, i], bits[DECIDED, i])[0, 1] ** 2 for i in range(3)]
    assert found.repeated == pytest.approx(np.mean(by_hand), abs=1e-9)


def test_shares_that_are_neither_have_an_interval_over_images(tmp_path):
    # twenty wrong images with two bits each: fifteen follow the decision, five the truth
    believed = [0] * 15 + [1] * 5
    test = files(tmp_path, codes([1] * 20, believed, [0] * 20), [0] * 20)

    def seen(image):
        return torch.where(number(image, 1)[:, None] == 0, torch.tensor(OWN[1]), torch.tensor(OWN[0]))

    found = leakage(wired(decide_by(0), seen), test, seed=0)
    assert found.follows_decided == 0.75
    low, high = found.follows_decided_interval
    # two bits of an image come together: the error is that of 20 images, sqrt(.75 * .25 / 20) = .097, not of 40 bits
    assert 0.14 < 0.75 - low < 0.25
    assert 0.14 < high - 0.75 < 0.25


def test_variance_within_a_class_by_hand(tmp_path):
    # attribute 0 is 0, .2 in class 0 and .8, 1 in class 1: .04 of .68 about the means; the others never vary
    test = files(tmp_path, codes([0, 51, 204, 255], [0, 0, 1, 1], [0] * 4), [0, 0, 1, 1])

    def seen(image):
        return torch.stack([image[:, 0, 0, 0], torch.ones(len(image)), torch.zeros(len(image))], 1)

    found = leakage(wired(decide_by(1), seen), test, seed=0)
    assert found.within_class == pytest.approx(0.04 / 0.68)
    assert found.repeated == pytest.approx(1 - 0.04 / 0.68), "the decided class explains what lies between the classes"
    assert found.within_class_by_repeating == pytest.approx(0, abs=1e-9)
    assert (found.wrong, found.bits, found.follows_decided, found.follows_true) == (0, 0, None, None)
    assert rows_of(*tables(found.blocks()))["attributes that follow the predicted class"][0] == "-"


def test_a_limit_draws_images_by_the_seed(tmp_path):
    rng = np.random.default_rng(0)
    test = files(tmp_path, codes(*rng.integers(0, 255, (3, 30))), [0, 1, 2] * 10)
    model = wired(decide_by(0), first_pixel)
    once, again, other = (leakage(model, test, seed=seed, count=12) for seed in (1, 1, 2))
    assert once == again != other
    assert once.images == 12


def test_a_system_without_attributes_cannot_be_studied(half_wrong):
    with pytest.raises(RecipeError, match="names none"):
        leakage(wired(decide_by(0), None), half_wrong, seed=0)


def test_images_in_memory_cannot_be_studied(half_wrong):
    from antehoc.data import Tensors

    test = Tensors(torch.zeros(2, 3, 24, 24, dtype=torch.uint8))
    source = Source(SPEC, {"test": test}, half_wrong.preprocessing)
    with pytest.raises(DataError, match="'leakage' needs image files"):
        run(wired(decide_by(0), first_pixel), source, seed=0)


def test_its_tables_hold_what_it_found():
    shares, edits, parts = tables(FOUND.blocks())
    rows = rows_of(shares)
    assert rows["attributes that follow the predicted class"] == ["0.7000 (0.6000 to 0.8000)", "0.9000", "0.5000"]
    assert rows["variance within a class"] == ["0.2500", "0.1500", ""]
    assert rows["explained by the class (R²)"][0] == "0.6000"
    assert rows_of(edits)["greyscale"] == ["0.2000", "0.1000", "0.0500 to 0.1500", "0.3000"]
    assert [row[0] for row in parts.rows] == ["tail", "beak"]
    assert FOUND.figures() == []


def test_only_a_part_whose_interval_excludes_zero_is_bold():
    rows = rows_of(tables(FOUND.blocks())[2])
    assert rows["beak"][4] == Strong("0.0421")
    assert rows["tail"][4] == "0.0432"


def test_what_it_can_prove_stands_beside_what_it_found():
    text = said(FOUND.blocks())
    assert all(meaning in text for meaning in MEANINGS.values())
    assert "9 are classified wrongly" in text
    assert "120 attributes" in text
