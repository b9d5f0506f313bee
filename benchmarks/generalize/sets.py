"""The data sets of `generalize`, written as one folder per role and class, with attributes.csv."""

import csv
import gzip
import random
import shutil
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

HERE = Path(__file__).parent
DESIGN = ("cub", "tiny-8", "tiny-50", "cue-conflict")  #: rules and settings were chosen on these
HELD_OUT = ("pets", "fashion-60", "fashion-1000", "dtd")  #: run once, at the end
SIZES = {"cub": (128, 146), "cue-conflict": (128, 146), "pets": (128, 146), "dtd": (128, 146)}  # others: 96, 112
_TINY = {
    "bear": "n02132136", "elephant": "n02504458", "goldfish": "n01443537", "lion": "n02129165", "ox": "n02403003",
    "penguin": "n02056570", "persian": "n02123394", "retriever": "n02099601", "alligator": "n01698640",
    "bison": "n02410509", "boa": "n01742172", "bullfrog": "n01641577", "camel": "n02437312", "chihuahua": "n02085620",
    "goose": "n01855672", "koala": "n01882714", "lesserpanda": "n02509815", "orangutan": "n02480495",
    "salamander": "n01629819", "tabby": "n02123045",
}  # fmt: skip
_FASHION = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle-boot")
File = tuple[str, str, str, bytes]  # role, class, name, content


def write_set(name: str, data: Path, out: Path, seed: int) -> Path:
    """A data set as role folders with attributes; written once per seed, which draws what is held back for testing.

    Args:
        name: one of `DESIGN` or `HELD_OUT`, or `animals`.
        data: the folder of the development data.
        out: where sets are written.
        seed: of the test images, where the data set has no test images of its own.
    """
    folder = out / f"{name}-{seed}"
    if (folder / "attributes.csv").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    classes = set()
    for role, label, file, content in _SETS[name](data, seed):
        target = folder / role / label / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        classes.add(label)
    _write_attributes(name, data, folder, sorted(classes))
    return folder


def write_unknown(name: str, data: Path, out: Path) -> dict[str, Path]:
    """Images of no known class: photographs of COCO, silhouettes and edges, other classes of the same data set."""
    near = out / f"{name}-near"
    if name in ("animals", "tiny-8", "tiny-50") and not near.exists():
        known = set(tiny_classes(name).values())
        with zipfile.ZipFile(data / "tiny-imagenet-subset/tiny_imagenet_subset.zip") as archive:
            names = [one for one in archive.namelist() if one.startswith("val/") and one.split("/")[1] not in known]
            near.mkdir(parents=True)
            for one in sorted(names)[::5]:
                (near / one.replace("/", "_")).write_bytes(archive.read(one))
    found = {"stimuli": data / "cue-conflict/silhouettes_and_edges_png.zip"}
    if name in ("cub", "cue-conflict", "fashion-60", "fashion-1000", "dtd"):
        found["photographs"] = data / "coco-panoptic-mini/coco_panoptic_mini_max256.zip"
    if near.exists():
        found["near"] = near
    return found


def tiny_classes(name: str) -> dict[str, str]:
    """The classes of a subset of Tiny-ImageNet: label and folder."""
    written = yaml.safe_load((HERE / "attributes.yaml").read_text())[name]
    return {label: _TINY.get(label, label) for label in written}


def _tiny(name: str) -> Callable[[Path, int], Iterator[File]]:
    def files(data: Path, seed: int) -> Iterator[File]:
        label = {wnid: own for own, wnid in tiny_classes(name).items()}
        with zipfile.ZipFile(data / "tiny-imagenet-subset/tiny_imagenet_subset.zip") as archive:
            for one in archive.namelist():
                parts = one.split("/")
                if len(parts) == 3 and parts[1] in label:
                    role = "train" if parts[0] == "train" else "test"
                    yield role, label[parts[1]], parts[2], archive.read(one)

    return files


def _cue_conflict(data: Path, seed: int) -> Iterator[File]:
    with zipfile.ZipFile(data / "cue-conflict/cue_conflict_1280_q90.zip") as archive:
        conflicts = [one for one in archive.namelist() if not _same_cue(one)]
        for one, role in _drawn(conflicts, lambda one: one.split("/")[1], 1 / 3, seed):
            yield role, one.split("/")[1], one.split("/")[2], archive.read(one)


def _same_cue(name: str) -> bool:
    shape, texture = Path(name).stem.split("-")
    return shape.rstrip("0123456789") == texture.rstrip("0123456789")


def _pets(data: Path, seed: int) -> Iterator[File]:
    with zipfile.ZipFile(data / "oxford-iiit-pet-370/oxford_iiit_pet_370_max256.zip") as archive:
        names = [one for one in archive.namelist() if "/images/" in one]
        for one, role in _drawn(names, lambda one: Path(one).stem.rpartition("_")[0], 0.3, seed):
            yield role, Path(one).stem.rpartition("_")[0], Path(one).name, archive.read(one)


def _dtd(data: Path, seed: int) -> Iterator[File]:
    with zipfile.ZipFile(data / "textures/textures_ambientcg_128_dtd_256.zip") as archive:
        names = [one for one in archive.namelist() if "/dtd_256/" in one]
        for one, role in _drawn(names, lambda one: one.split("/")[2], 0.3, seed):
            yield role, one.split("/")[2], Path(one).name, archive.read(one)


def _fashion(per_class: int) -> Callable[[Path, int], Iterator[File]]:
    def files(data: Path, seed: int) -> Iterator[File]:
        for role, part, count in (("train", "train", per_class), ("test", "t10k", 300)):
            images = _idx(data / f"fashion-mnist/{part}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
            labels = _idx(data / f"fashion-mnist/{part}-labels-idx1-ubyte.gz", 8)
            for label, own in enumerate(_FASHION):
                rows = np.flatnonzero(labels == label)
                for row in random.Random(seed).sample(sorted(rows.tolist()), count):
                    buffer = BytesIO()
                    Image.fromarray(images[row]).convert("RGB").save(buffer, "png")
                    yield role, own, f"{row}.png", buffer.getvalue()

    return files


def _idx(path: Path, skip: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=skip)


def _drawn(names: list[str], label: Callable[[str], str], share: float, seed: int) -> Iterator[tuple[str, str]]:
    """Each name with its role: of every class this share is for testing."""
    by_class: dict[str, list[str]] = {}
    for one in sorted(names):
        by_class.setdefault(label(one), []).append(one)
    for own in by_class.values():
        test = set(random.Random(seed).sample(own, round(share * len(own))))
        for one in own:
            yield one, "test" if one in test else "train"


def _cub(data: Path, seed: int) -> Iterator[File]:
    with zipfile.ZipFile(data / "cub-200-2011-subset50/CUB_200_2011_subset50_max256.zip") as archive:
        read = lambda name: archive.read(f"CUB_200_2011/{name}").decode().split("\n")  # noqa: E731
        train = dict(line.split() for line in read("train_test_split.txt") if line)
        for line in read("images.txt"):
            if line:
                number, path = line.split()
                role = "train" if train[number] == "1" else "test"
                yield role, *path.split("/"), archive.read(f"CUB_200_2011/images/{path}")


_SETS: dict[str, Callable[[Path, int], Iterator[File]]] = {
    "animals": _tiny("animals"),
    "tiny-8": _tiny("tiny-8"),
    "tiny-50": _tiny("tiny-50"),
    "cub": _cub,
    "cue-conflict": _cue_conflict,
    "pets": _pets,
    "fashion-60": _fashion(60),
    "fashion-1000": _fashion(1000),
    "dtd": _dtd,
}


def _write_attributes(name: str, data: Path, folder: Path, classes: list[str]) -> None:
    with (folder / "attributes.csv").open("w", newline="") as file:
        table = csv.writer(file)
        if name == "cub":
            names, rows = _cub_attributes(data)
            table.writerow(["class", *names])
            table.writerows([label, *rows[label]] for label in classes)
            return
        written = yaml.safe_load((HERE / "attributes.yaml").read_text())[name.removesuffix("-60").removesuffix("-1000")]
        every = sorted({word for text in written.values() for word in text.split()})
        table.writerow(["class", *every])
        table.writerows([label, *(int(word in written[label].split()) for word in every)] for label in classes)


def _cub_attributes(data: Path) -> tuple[list[str], dict[str, list[float]]]:
    with zipfile.ZipFile(data / "cub-200-2011-subset50/CUB_200_2011_subset50_max256.zip") as archive:
        inside = archive.namelist()
        read = lambda end: archive.read(next(one for one in inside if one.endswith(end))).decode()  # noqa: E731
        names = [line.split(" ", 1)[1] for line in read("attributes.txt").split("\n") if line]
        shares = [[float(v) / 100 for v in line.split()] for line in read("continuous.txt").split("\n") if line]
        numbers = [line.split() for line in read("/classes.txt").split("\n") if line]
    return names, {label: shares[int(number) - 1] for number, label in numbers}  # a row for each of 200 species
