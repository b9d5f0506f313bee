import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from timm.data import ImageNetInfo
from torch.testing import assert_close

from antehoc.data.sets.cue_conflict import CLASSES
from antehoc.errors import RecipeError
from antehoc.metrics.bootstrap import share_interval
from antehoc.metrics.shape_bias import SIXTEEN, shape_bias, sixteen

CUES = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=30)


@given(CUES)
def test_it_matches_the_definition(rows):
    result = shape_bias(*torch.tensor(rows).T)
    conflicts = [row for row in rows if row[1] != row[2]]
    by_shape = sum(predicted == shape for predicted, shape, _ in conflicts)
    by_texture = sum(predicted == texture for predicted, _, texture in conflicts)
    assert result.decided == by_shape + by_texture
    if conflicts:
        assert_close(result.accuracy_shape, by_shape / len(conflicts))
        assert_close(result.accuracy_texture, by_texture / len(conflicts))
    if result.decided:
        assert_close(result.shape_bias.estimate, by_shape / result.decided)


@given(CUES)
def test_the_cues_exchanged_turn_the_bias_over(rows):
    predicted, shape, texture = torch.tensor(rows).T
    one, other = shape_bias(predicted, shape, texture), shape_bias(predicted, texture, shape)
    assert one.decided == other.decided
    assert_close(one.shape_bias.estimate, 1 - other.shape_bias.estimate, equal_nan=True)
    assert_close(one.shape_bias.low, 1 - other.shape_bias.high, equal_nan=True)


def test_images_without_a_conflict_do_not_count():
    predicted, shape = torch.tensor([0, 1, 2, 3]), torch.tensor([0, 1, 5, 3])
    texture = torch.tensor([4, 1, 2, 3])  # by shape, no conflict, by texture, no conflict
    result = shape_bias(predicted, shape, texture)
    assert result.shape_bias == share_interval(torch.tensor([True, False]))
    assert result[1:] == (0.5, 0.5, 2)


def test_nothing_decided_is_nan():
    result = shape_bias(torch.tensor([2]), torch.tensor([0]), torch.tensor([1]))
    assert all(map(math.isnan, result.shape_bias))
    assert result[1:] == (0.0, 0.0, 0)
    nothing = shape_bias(*torch.zeros(3, 0, dtype=torch.int64))
    assert math.isnan(nothing.accuracy_shape)
    assert nothing.decided == 0


def test_a_level_outside_0_to_1_is_refused():
    with pytest.raises(RecipeError, match="got 95"):
        shape_bias(*torch.zeros(3, 2, dtype=torch.int64), level=95.0)


def test_each_of_the_16_is_the_mean_softmax_of_its_members():
    logits = torch.randn(3, 1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    found = sixteen(logits)
    for row, (values, means) in enumerate(zip(logits.tolist(), found.tolist(), strict=True)):
        total = sum(map(math.exp, values))
        by_hand = [sum(math.exp(values[n]) for n in members) / len(members) / total for members in SIXTEEN.values()]
        assert means == pytest.approx(by_hand), row


def test_the_sixteen_are_those_of_the_stimuli_and_share_no_member():
    assert tuple(SIXTEEN) == CLASSES
    members = [number for group in SIXTEEN.values() for number in group]
    assert len(members) == len(set(members))
    # counted in the list of rgeirhos/texture-vs-shape
    assert [len(SIXTEEN[name]) for name in ("bird", "dog", "truck", "bottle")] == [49, 109, 8, 7]


@pytest.mark.parametrize(
    ("name", "lemmas"),
    [
        ("airplane", {"airliner"}),
        ("bear", {"brown bear", "American black bear", "ice bear", "sloth bear"}),
        ("bicycle", {"bicycle-built-for-two", "mountain bike"}),
        ("boat", {"canoe", "fireboat", "lifeboat", "speedboat", "yawl"}),
        ("car", {"beach wagon", "convertible", "sports car"}),
        ("cat", {"tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat", "cougar"}),
        ("chair", {"barber chair", "folding chair", "rocking chair", "throne"}),
        ("clock", {"analog clock", "digital clock", "wall clock"}),
        ("elephant", {"Indian elephant", "African elephant"}),
        ("keyboard", {"computer keyboard", "typewriter keyboard"}),
        ("knife", {"cleaver"}),
        ("oven", {"rotisserie"}),
    ],
)
def test_the_numbers_are_what_the_synsets_are_called(name, lemmas):
    information = ImageNetInfo("imagenet-1k")
    assert {information.index_to_description(number).split(",")[0] for number in SIXTEEN[name]} == lemmas


def test_the_dogs_are_those_of_the_stimuli():
    # the list of rgeirhos/texture-vs-shape, by its gaps
    runs = [(152, 191), (193, 203), (205, 226), (228, 241), (243, 250), (252, 257), (259, 259), (261, 263), (265, 268)]
    assert SIXTEEN["dog"] == tuple(number for first, last in runs for number in range(first, last + 1))


def test_the_members_of_the_others_are_pinned():
    counts_and_sums = {name: (len(own), sum(own)) for name, own in SIXTEEN.items() if name != "dog"}
    assert counts_and_sums == {
        "airplane": (1, 404), "bear": (4, 1182), "bicycle": (2, 1115), "bird": (49, 4213), "boat": (5, 3379),
        "bottle": (7, 5502), "car": (3, 1764), "cat": (6, 1701), "chair": (4, 2604), "clock": (3, 1831),
        "elephant": (2, 771), "keyboard": (2, 1386), "knife": (1, 499), "oven": (1, 766), "truck": (8, 5637),
    }  # fmt: skip
