"""MNIST's files as a data set."""

import numpy as np
import pytest
import torch

from antehoc.data.sets.idx import idx
from antehoc.data.splits import leaks
from antehoc.errors import DataError
from antehoc.types import ROLES


def write(place, part, images, labels):
    count, height, width = images.shape
    sizes = b"".join(int(size).to_bytes(4, "big") for size in (count, height, width))
    (place / f"{part}-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + sizes + images.tobytes())
    (place / f"{part}-labels-idx1-ubyte").write_bytes(
        b"\0\0\x08\x01" + len(labels).to_bytes(4, "big") + bytes(labels.tolist())
    )


@pytest.fixture
def digits(tmp_path):
    """30 training and 6 test images of three classes; one training image is a test image as well."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (36, 5, 4), dtype=np.uint8)
    images[7] = images[31]
    labels = np.arange(36) % 3
    write(tmp_path, "train", images[:30], labels[:30])
    write(tmp_path, "t10k", images[30:], labels[30:])
    return tmp_path, torch.from_numpy(images), labels


def test_training_images_are_shared_out_and_test_images_kept(digits):
    place, images, labels = digits
    source = idx(place, size=(5, 4), classes=("a", "b", "c"))
    assert source.spec.classes == ("a", "b", "c")
    assert list(source.roles) == list(ROLES)
    assert source.roles["test"].batch(range(6)).image.equal(images[30:, None].float() / 255)
    assert source.roles["test"].labels.tolist() == labels[30:].tolist()
    assert sum(len(examples) for examples in source.roles.values()) == 35
    assert "Images of the train split that equal a test image were left out: 1." in source.notes
    assert leaks(source.roles) == []
    train = source.roles["train"].batch(range(len(source.roles["train"])))
    for image, label in zip(train.image, train.label, strict=True):
        row = next(row for row in range(30) if (images[row, None].float() / 255).equal(image))
        assert labels[row] == label


def test_classes_without_names_are_numbers_and_too_few_names_are_refused(digits):
    place, *_ = digits
    assert idx(place).spec.classes == ("0", "1", "2")
    with pytest.raises(DataError, match="it has 3 classes, and `classes` names 2"):
        idx(place, classes=("a", "b"))


def test_images_of_two_sizes_are_refused(digits):
    place, images, labels = digits
    write(place, "t10k", images[30:, :4].numpy(), labels[30:])
    with pytest.raises(DataError, match="must have one size; got 4x5 and 4x4 pixels"):
        idx(place)


def test_labels_must_fit_the_images(digits):
    place, images, labels = digits
    write(place, "train", images[:30].numpy(), labels[:29])
    with pytest.raises(DataError, match="30 images need as many labels"):
        idx(place)
