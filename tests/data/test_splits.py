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
def test_shares_are_kept(paths_of_many, weights, seed):
    shares = [weight / sum(weights) for weight in weights]
    roles, _ = complete_split(paths_of_many, ["train"] * 2000, shares=shares, seed=seed, where="here")
    counts = Counter(roles)
    # six standard deviations of a binomial of 2000
    assert all(
        abs(counts[role] / 2000 - share) < 6 * 0.5 / 2000**0.5 for role, share in zip(ROLES, shares, strict=True)
    )


@pytest.fixture(scope="module")
def paths_of_many(tmp_path_factory):
    place = tmp_path_factory.mktemp("many")
    for number in range(2000):
        (place / str(number)).write_bytes(str(number).encode())
    files = Files([place / str(number) for number in range(2000)], Preprocessing(1, 2, 2))
    files.content_hashes()
    return files


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
