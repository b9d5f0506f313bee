import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from antehoc.data.sets.cifar import cifar
from antehoc.data.splits import leaks
from antehoc.errors import DataError
from data.test_batches import Reached


def batch(count, seed, **labels):
    data = np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)
    return {b"data": data, **{name.encode(): values for name, values in labels.items()}}


@pytest.fixture
def ten(tmp_path):
    top = tmp_path / "cifar-10-batches-py"
    top.mkdir()
    names = [f"class {number}" for number in range(10)]
    files = {"batches.meta": {b"label_names": [name.encode() for name in names]}}
    files |= {f"data_batch_{n}": batch(20, n, labels=[k % 10 for k in range(20)]) for n in range(1, 6)}
    files["test_batch"] = batch(10, 9, labels=list(range(10)))
    for name, content in files.items():
        (top / name).write_bytes(pickle.dumps(content, protocol=2))
    return top


@pytest.fixture
def hundred(tmp_path):
    top = tmp_path / "cifar-100-python"
    top.mkdir()
    fine = [k % 100 for k in range(300)]
    files = {
        "meta": {"fine_label_names": [f"fine {k}" for k in range(100)],
                 "coarse_label_names": [f"coarse {k}" for k in range(20)]},
        "train": batch(300, 0, fine_labels=fine, coarse_labels=[k // 5 for k in fine]),
        "test": batch(100, 1, fine_labels=fine[:100], coarse_labels=[k // 5 for k in fine[:100]]),
    }  # fmt: skip
    for name, content in files.items():
        (top / name).write_bytes(pickle.dumps(content, protocol=2))
    return top


def packed(top: Path) -> Path:
    archive = top.parent / "packed.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(top.rglob("*")):
            file.write(path, path.relative_to(top.parent).as_posix())
    return archive


@pytest.mark.parametrize("place", ["itself", "above", "zip"])
def test_ten_classes_are_read_and_split(ten, place):
    path = {"itself": ten, "above": ten.parent, "zip": packed(ten)}[place]
    source = cifar(path)
    assert {role: len(own) for role, own in source.roles.items()} == {
        "train": 80, "validation": 10, "calibration": 10, "test": 10,
    }  # fmt: skip
    assert (source.spec.classes[3], source.spec.attributes) == ("class 3", ())
    assert leaks(source.roles) == []
    assert source.roles["calibration"].labels.sort().values.tolist() == list(range(10))
    first = batch(10, 9)[b"data"][0].reshape(3, 32, 32)
    np.testing.assert_array_equal(source.roles["test"].image[0], first)


@pytest.mark.parametrize(("labels", "count"), [("fine", 100), ("coarse", 20)])
def test_a_hundred_classes_have_fine_and_coarse_labels(hundred, labels, count):
    source = cifar(hundred, labels=labels, validation=0.2, calibration=0.2)
    assert len(source.spec.classes) == count
    assert source.spec.classes[7] == f"{labels} 7"
    assert source.roles["test"].labels.tolist() == [k if labels == "fine" else k // 5 for k in range(100)]
    assert set(source.roles["train"].labels.tolist()) == set(range(count))


@pytest.mark.parametrize("zipped", [False, True])
def test_class_folders_are_read_too(tmp_path, zipped):
    top = tmp_path / "cifar10"
    for split, count in (("train", 10), ("test", 3)):
        for label, name in enumerate(("cat", "dog")):
            (top / split / name).mkdir(parents=True)
            for number in range(count):
                level = (number, 100 * label, count)
                Image.new("RGB", (32, 32), level).save(top / split / name / f"{number}.png")
    source = cifar(packed(top) if zipped else top)
    assert {role: len(own) for role, own in source.roles.items()} == {
        "train": 16, "validation": 2, "calibration": 2, "test": 6,
    }  # fmt: skip
    assert source.spec.classes == ("cat", "dog")
    assert leaks(source.roles) == []
    with pytest.raises(DataError, match="class folders know no coarse labels"):
        cifar(top, labels="coarse")


def test_what_is_missing_or_dangerous_is_said(ten):
    with pytest.raises(DataError, match="coarse labels are CIFAR-100's"):
        cifar(ten, labels="coarse")
    (ten / "data_batch_3").write_bytes(pickle.dumps({b"data": Reached(eval, "1"), b"labels": []}))
    with pytest.raises(DataError, match=r"data_batch_3: this pickle asks for builtins.eval"):
        cifar(ten)
    (ten / "data_batch_3").write_bytes(pickle.dumps(batch(20, 0, labels=[99] * 20)))
    with pytest.raises(DataError, match=r"data_batch_3: labels are numbers from 0 to 9"):
        cifar(ten)
    (ten / "data_batch_3").write_bytes(pickle.dumps(batch(20, 0, labels=[1])))
    with pytest.raises(DataError, match=r"as many labels; got \(20, 3072\) and 1\."):
        cifar(ten)
    (ten / "data_batch_3").unlink()
    with pytest.raises(DataError, match=r"data_batch_3 is missing; CIFAR in its own layout has it"):
        cifar(ten)
