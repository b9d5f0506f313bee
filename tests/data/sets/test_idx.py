import gzip
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.test_idx import idx as packed_idx

from antehoc.data.sets.idx import NAMES, idx
from antehoc.data.splits import leaks
from antehoc.errors import DataError

REAL = Path(os.environ.get("ANTEHOC_DATA", "/nowhere"))


def write(top, *, counts=(40, 12), suffix="", dot="-", images=None):
    top.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    for split, count in zip(("train", "t10k"), counts, strict=True):
        pictures = draw.integers(0, 256, (count, 6, 5), dtype=np.uint8) if images is None else images[split]
        for name, array in ((f"images{dot}idx3", pictures), (f"labels{dot}idx1", np.arange(count) % 4)):
            content = packed_idx(array)
            (top / f"{split}-{name}-ubyte{suffix}").write_bytes(gzip.compress(content) if suffix else content)
    return top


@pytest.mark.parametrize(("inner", "suffix", "dot"), [("", "", "-"), ("MNIST/raw", ".gz", "-"), ("", "", ".")])
@pytest.mark.parametrize("zipped", [False, True])
def test_the_test_split_is_whole_and_the_rest_is_drawn(tmp_path, inner, suffix, dot, zipped):
    top = write(tmp_path / "in" / inner, suffix=suffix, dot=dot)
    path = tmp_path / "in"
    if zipped:
        path = tmp_path / "set.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in top.iterdir():
                archive.write(file, f"{inner}/{file.name}".lstrip("/"))
    source = idx(path, validation=0.1, calibration=0.2, size=(6, 5))
    assert {role: len(own) for role, own in source.roles.items()} == {
        "train": 28, "validation": 4, "calibration": 8, "test": 12,
    }  # fmt: skip
    assert leaks(source.roles) == []
    assert source.roles["test"].labels.tolist() == [n % 4 for n in range(12)]
    assert source.roles["validation"].labels.bincount(minlength=4).tolist() == [1] * 4
    assert (source.spec.classes, source.spec.attributes) == (NAMES["digits"], ())
    assert source.roles["test"].batch([0, 1]).image.shape == (2, 1, 6, 5)


def test_images_that_are_in_the_test_split_are_not_trained_on(tmp_path):
    train, test = (np.random.default_rng(seed).integers(0, 256, (20, 4, 4), dtype=np.uint8) for seed in (0, 1))
    train[3], train[4] = test[0], test[1]
    train[8] = train[0]
    source = idx(write(tmp_path, counts=(20, 20), images={"train": train, "t10k": test}), size=4, validation=0.3)
    assert leaks(source.roles) == []
    assert sum(len(own) for own in source.roles.values()) == 38
    assert source.notes[1] == "Images of the train split that equal a test image were left out: 2."


def test_share_size_and_names_are_options(tmp_path):
    source = idx(write(tmp_path), share=0.5, kind="fashion", size=8, channels=3)
    assert sum(len(source.roles[role]) for role in ("train", "validation", "calibration")) == 20
    assert source.spec.classes[9] == "Ankle boot"
    assert source.roles["train"].batch([0]).image.shape == (1, 3, 8, 8)
    other = [idx(tmp_path, seed=seed).roles["calibration"].content_hashes() for seed in (0, 0, 1)]
    assert other[0] == other[1] != other[2]


def test_what_is_missing_or_does_not_fit_is_said(tmp_path):
    top = write(tmp_path)
    with pytest.raises(DataError, match=r"3 classes have the numbers 0 to 2; the train labels go from 0 to 3"):
        idx(top, classes=("a", "b", "c"))
    with pytest.raises(DataError, match=r"share, of the train split, is above 0 and at most 1; got 0\.0\.$"):
        idx(top, share=0.0)
    (top / "t10k-labels-idx1-ubyte").write_bytes(packed_idx(np.zeros(5)))
    with pytest.raises(DataError, match=r"12 t10k images need as many labels; got \(5,\)"):
        idx(top)
    (top / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte or \.gz is missing; a set of idx files has it"):
        idx(top)


@pytest.mark.skipif(not (REAL / "mnist").exists(), reason="ANTEHOC_DATA does not lead to the development data")
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_real_files_have_their_published_counts(name):
    source = idx(REAL / name, share=0.02)
    assert sum(len(own) for own in source.roles.values()) == 1200 + 10_000
    assert len(source.roles["test"]) == 10_000
    if name == "fashion-mnist":
        assert source.roles["test"].labels.bincount().tolist() == [1000] * 10
    assert torch.equal(source.roles["test"].labels.unique(), torch.arange(10))
