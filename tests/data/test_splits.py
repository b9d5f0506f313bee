import time
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from antehoc.data.examples import Files, Tensors
from antehoc.data.preprocessing import Preprocessing
from antehoc.data.splits import SHARES, check_held_out, complete_split, leaks
from antehoc.errors import DataError
from antehoc.types import ROLES

SMALL = Preprocessing(3, 8, 10)


def random_images(count: int, *shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, *shape), generator=generator, dtype=torch.uint8)


@given(st.lists(st.floats(0.05, 1), min_size=4, max_size=4), st.integers(0, 2**32))
def test_shares_are_kept_to_one_image(paths_of_many, weights, seed):
    shares = [weight / sum(weights) for weight in weights]
    roles, _ = complete_split(paths_of_many, ["train"] * 500, shares=shares, seed=seed, where="here")
    counts = Counter(roles)
    assert all(abs(counts[role] - 500 * share) < 1 for role, share in zip(ROLES, shares, strict=True))


@pytest.fixture(scope="module")
def paths_of_many(tmp_path_factory):
    place = tmp_path_factory.mktemp("many")
    for number in range(500):
        (place / str(number)).write_bytes(str(number).encode())
    files = Files([place / str(number) for number in range(500)], Preprocessing(1, 2, 2))
    files.content_hashes()
    return files


def files_of(place, classes, groups=None, contents=None):
    """A file of its own bytes for each class number given, or of the contents given."""
    place.mkdir(exist_ok=True)
    paths = []
    for number, content in enumerate(contents or range(len(classes))):
        paths.append(place / f"{number}.png")
        paths[-1].write_bytes(b"file %d" % content)
    return Files(paths, Preprocessing(1, 2, 2), torch.tensor(classes), groups=groups)


def split(files, *, seed=0, shares=SHARES, roles=None):
    return complete_split(files, roles or ["train"] * len(files), shares=shares, seed=seed, where="here")


@pytest.mark.parametrize("seed", range(5))
def test_every_class_has_its_shares_and_the_totals_are_exact(tmp_path, seed):
    classes = [0] * 300 + [1] * 100 + [2] * 60 + [3] * 19 + [4]  # 480: by hashes alone 15 % once were 55, not 72
    roles, notes = split(files_of(tmp_path / "set", classes), seed=seed)
    assert [roles.count(role) for role in ROLES] == [288, 48, 72, 72]
    for label, count in ((0, 300), (1, 100), (2, 60), (3, 19)):
        own = Counter(role for role, number in zip(roles, classes, strict=True) if number == label)
        assert all(abs(own[role] - count * share) < 1.5 for role, share in zip(ROLES, SHARES, strict=True))
    assert roles[-1] == "train"
    assert notes == (
        f"The split was drawn class by class, by a hash of each file's bytes (seed {seed}), from 480 images: "
        "288 train, 48 validation, 72 calibration, 72 test.",
        "1 of 5 classes have too few images for validation.",
        "1 of 5 classes have too few images for calibration.",
        "1 of 5 classes have too few images for test.",
    )


def test_the_split_does_not_depend_on_names_or_order(tmp_path):
    classes = [number % 7 % 3 for number in range(90)]
    first, _ = split(files_of(tmp_path / "one", classes))
    order = torch.randperm(90, generator=torch.Generator().manual_seed(1)).tolist()
    moved = files_of(tmp_path / "two", [2 - classes[place] for place in order], contents=order)  # other class numbers
    again, _ = split(moved)
    assert [again[order.index(place)] for place in range(90)] == first
    assert split(files_of(tmp_path / "one", classes), seed=1)[0] != first


def test_groups_stay_together_and_their_shares_are_near(tmp_path):
    groups = [f"bird {number // 4}" if number < 280 else "" for number in range(300)]
    roles, notes = split(files_of(tmp_path / "set", [number // 4 % 3 for number in range(300)], groups))
    for group in set(groups) - {""}:
        assert len({role for role, own in zip(roles, groups, strict=True) if own == group}) == 1
    assert all(abs(roles.count(role) - 300 * share) <= 4 for role, share in zip(ROLES, SHARES, strict=True))
    assert "from 300 images in 70 groups, groups kept together: " in notes[0]


def test_equal_files_join_their_groups(tmp_path):
    groups = [str(number // 2) for number in range(200)]
    contents = [*range(199), 0]  # the last file is the first one again
    files = files_of(tmp_path / "set", [0, 1] * 100, groups, contents)
    for seed in range(10):
        roles, _ = split(files, seed=seed)
        assert roles[0] == roles[1] == roles[198] == roles[199]


def test_a_given_split_that_divides_a_group_is_refused(tmp_path):
    files = files_of(tmp_path / "set", [0, 1] * 4, ["", "gull", "", "", "gull", "", "", ""])
    roles = ["train"] * 4 + ["test"] * 4
    message = (
        r"^here: the group 'gull' has images in train and in test; keep a group in one role, or leave the split out\.$"
    )
    with pytest.raises(DataError, match=message):
        split(files, roles=roles)
    assert set(split(files, roles=["train"] * 5 + ["test"] * 3, shares=(0.4, 0.2, 0.2, 0.2))[0]) == set(ROLES)


def test_several_labels_are_dealt_out_each_in_its_shares(tmp_path):
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(480, 12, generator=generator) < 0.5 / torch.arange(1, 13)).long().tolist()
    roles, _ = split(files_of(tmp_path / "set", labels))
    assert all(abs(roles.count(role) - 480 * share) <= 10 for role, share in zip(ROLES, SHARES, strict=True))
    for label in range(12):
        own = Counter(role for role, row in zip(roles, labels, strict=True) if row[label])
        # two images off, where a random split has standard deviations of 1 to 7
        assert all(abs(own[role] - own.total() * share) <= 2 for role, share in zip(ROLES, SHARES, strict=True))


def test_shares_sum_to_one():
    assert sum(SHARES) == pytest.approx(1)


@given(st.lists(st.integers(0, 5), max_size=8), st.lists(st.integers(0, 5), max_size=8))
def test_leaks_matches_the_definition(train, test):
    images = random_images(6, 1, 3, 3)
    roles = {"train": Tensors(images[train], names="a"), "test": Tensors(images[test], names="b")}
    by_hand = [
        ("train", "test", f"a #{train.index(image)}", f"b #{place}")
        for place, image in enumerate(test)
        if image in train
    ]
    assert leaks(roles) == by_hand


@pytest.fixture
def paths(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(7)]
    for path, image in zip(paths, random_images(7, 9, 12, 3), strict=True):
        Image.fromarray(image.numpy()).save(path)
    return paths


def test_files_leak_by_their_bytes(paths, tmp_path):
    (tmp_path / "duplicate.png").write_bytes(paths[3].read_bytes())
    roles = {"train": Files(paths[:4], SMALL), "test": Files([*paths[4:], tmp_path / "duplicate.png"], SMALL)}
    assert leaks(roles) == [("train", "test", str(paths[3]), str(tmp_path / "duplicate.png"))]


def test_leaks_are_found_fast_among_many():
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (30_000, 1, 64, 64), dtype=np.uint8))
    images[29_999] = images[5]
    started = time.perf_counter()
    found = leaks({"train": Tensors(images[:20_000]), "test": Tensors(images[20_000:])})
    assert found == [("train", "test", "image #5", "image #9999")]
    assert time.perf_counter() - started < 5  # it takes 0.3 s; comparing pairs would take minutes


def test_duplicates_are_named_once_for_each_image_that_an_earlier_role_has():
    black = Tensors(torch.zeros(2, 1, 2, 2, dtype=torch.uint8), names="black")
    assert leaks({"train": black, "validation": black.select([1])}) == [("train", "validation", "black #0", "black #1")]


@pytest.mark.parametrize(("validation", "calibration"), [(-0.1, 0.2), (0.5, 0.5), (float("nan"), 0.1)])
def test_shares_that_leave_none_to_train_on_are_refused(validation, calibration):
    check_held_out("here", 0.0, 0.99)
    with pytest.raises(DataError, match=r"^here: validation and calibration are shares, 0 or more"):
        check_held_out("here", validation, calibration)
