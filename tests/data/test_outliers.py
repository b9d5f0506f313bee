import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from antehoc.data.examples import Files, Tensors
from antehoc.data.images import to_tensor
from antehoc.data.outliers import BUILT_IN, open_outliers, outliers
from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import DataError, ImageError, RecipeError

COLOUR = Preprocessing(3, 64, 64)
SMALL = Preprocessing(3, 8, 10)


def test_noise_is_uniform_in_every_pixel_and_channel():
    images = outliers("noise", COLOUR, count=20, seed=0).images(range(20))
    assert images.shape == (20, 3, 64, 64)
    levels = (images * 255).round().long().flatten().bincount(minlength=256)
    expected = images.numel() / 256
    assert levels.shape == (256,)
    assert (abs(levels - expected) < 6 * expected**0.5).all()  # six standard deviations
    one, other, _ = images.transpose(0, 1).flatten(1)
    assert abs(torch.corrcoef(torch.stack([one, other]))[0, 1]) < 0.02, "channels are independent: no gray noise"


@pytest.mark.parametrize("name", BUILT_IN)
def test_outliers_are_a_matter_of_their_seed(name):
    first, again, other = (outliers(name, COLOUR, count=3, seed=seed).images(range(3)) for seed in (0, 0, 1))
    assert first.equal(again)
    assert not first.equal(other)


def test_unknown_outliers_are_refused():
    with pytest.raises(RecipeError, match=r"no outliers are called 'noize'\. Did you mean 'noise'"):
        outliers("noize", COLOUR, count=1, seed=0)
    with pytest.raises(RecipeError, match="outliers 'star' are square"):
        outliers("star", Preprocessing(3, 8, 9), count=1, seed=0)


PHOTOGRAPHS = {  # patterns that take the birds out, and what stays
    "imagenet-samples-250/imagenet_samples_250_224.zip": (
        (),
        ("*n015*", "*n016[01]*", "*n0162[0-2]*", "*n0179*", "*n018[0-6]*", "*n020[0-5]*"),
        250 - 16,
    ),
    "cue-conflict/cue_conflict_1280_q90.zip": ((), ("*/bird/*", "*-bird[0-9]*"), 1280 - 155),
    "coco-panoptic-mini/coco_panoptic_mini_max256.zip": (
        ("images/*",),
        ("*000000000143.*", "*000000000520.*", "*000000001268.*", "*000000002923.*", "*000000010092.*"),
        256 - 5,
    ),
}


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_birds_can_be_taken_out_of_photographs(name):
    path = Path(os.environ.get("ANTEHOC_DATA", "/nowhere")) / name
    if not path.is_file():
        pytest.skip(f"needs $ANTEHOC_DATA/{name}")
    only, exclude, count = PHOTOGRAPHS[name]
    examples = open_outliers(path, COLOUR, only=only, exclude=exclude)
    assert len(examples) == count
    names = examples.names(range(count))
    assert all(name.endswith(".jpg") for name in names)
    if name.startswith("imagenet"):  # birds: classes 7 to 24, 80 to 100 and 127 to 146 of the usual order
        birds = {*range(7, 25), *range(80, 101), *range(127, 147)}
        assert {int(Path(name).stem[:4]) for name in names} == set(range(0, 1000, 4)) - birds


# From disk


def idx(array: np.ndarray) -> bytes:
    """The format, by its description."""
    return struct.pack(f">2xBB{array.ndim}I", 8, array.ndim, *array.shape) + array.astype("u1").tobytes()


def digits(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def refusal(call, *arguments: object) -> str:
    with pytest.raises(DataError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    return message


# unknowns


def test_idx_images_come_at_the_size_of_the_model(tmp_path):
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(digits(5)))
    examples = open_outliers(tmp_path, SMALL)
    assert isinstance(examples, Tensors)
    batch = examples.batch([4, 1])
    assert torch.equal(batch.image[0], to_tensor(Image.fromarray(digits(5)[4]), SMALL))
    assert batch.label.tolist() == [0, 0]
    assert batch.attributes.shape == (2, 0)
    assert examples.names([1]) == [f"{tmp_path.name} #1"]


def test_grey_levels_are_not_inverted(tmp_path):
    (tmp_path / "images").write_bytes(idx(np.zeros((1, 28, 28))))
    assert open_outliers(tmp_path / "images", Preprocessing(1, 64, 64)).images([0]).max() == 0


@pytest.fixture
def pictures(tmp_path):
    """A folder and a zip archive of the same seven images at several depths, beside what does not count."""
    folder = tmp_path / "odd"
    for number in range(7):
        path = folder.joinpath(*["x"] * (number % 3)) / f"{number}.PNG"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 9), 30 * number).save(path, "PNG")
    (folder / "notes.txt").write_text("notes")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "._0.png").write_bytes(b"no image")
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
    return folder


@pytest.mark.parametrize("suffix", ["", ".zip"])
def test_a_folder_and_an_archive_open_alike(pictures, suffix):
    examples = open_outliers(pictures.with_suffix(suffix), SMALL)
    assert isinstance(examples, Files)
    assert len(examples) == 7
    assert examples.images(range(7)).shape == (7, 3, 8, 10)
    for name, image in zip(examples.names(range(7)), examples.images(range(7)), strict=True):
        assert image[0, 4, 5] == int(Path(name).stem) * 30 / 255
    assert len(set(examples.content_hashes())) == 7


@pytest.mark.parametrize("suffix", ["", ".zip"])
@pytest.mark.parametrize(
    ("patterns", "stems"),
    [
        ({"only": ["x/*"]}, "1245"),
        ({"only": ["x/*"], "exclude": ["x/x/*", "*/4.*"]}, "1"),
        ({"exclude": ["[0-3].PNG"]}, "12456"),
        ({"exclude": ["?.PNG", "x/?.PNG"]}, "25"),
        ({"only": ["?.PNG", "x/x/*"]}, "03625"),
    ],
)
def test_patterns_choose_among_names(pictures, suffix, patterns, stems):
    examples = open_outliers(pictures.with_suffix(suffix), SMALL, **patterns)
    assert sorted(Path(name).stem for name in examples.names(range(len(examples)))) == sorted(stems)


@pytest.mark.parametrize("suffix", ["", ".zip"])
def test_patterns_that_fit_nothing_are_refused(pictures, suffix):
    path = pictures.with_suffix(suffix)
    for patterns in ({"only": ["y/*"]}, {"exclude": ["*.png"]}, {"exclude": ["x/*", "odd/*"]}):
        with pytest.raises(DataError, match=r"no image's name fits '[^']*'; the first is '0.PNG'\.$"):
            open_outliers(path, SMALL, **patterns)
    with pytest.raises(DataError, match="leaves none of its 7 images"):
        open_outliers(path, SMALL, only=["x/*"], exclude=["*"])
    (path.parent / "idx").write_bytes(idx(digits(5)))
    with pytest.raises(DataError, match="images in an idx file have no names"):
        open_outliers(path.parent / "idx", SMALL, only=["x/*"])


def test_unknowns_that_are_none_are_refused(tmp_path):
    assert "there is no such file or folder" in refusal(open_outliers, tmp_path / "none", SMALL)
    assert "it holds no image" in refusal(open_outliers, tmp_path, SMALL)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("notes.txt", "notes")
    assert "a.zip: it holds no image" in refusal(open_outliers, tmp_path / "a.zip", SMALL)
    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    assert "a.png: this is not an idx file" in refusal(open_outliers, tmp_path / "a.png", SMALL)


def test_a_broken_image_in_an_archive_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("deep/a.png", b"")
    with pytest.raises(ImageError, match=r"a\.zip/deep/a\.png: the file is empty"):
        open_outliers(tmp_path / "a.zip", SMALL).batch([0])


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_real_sets_open(name):
    folder = Path(os.environ.get("ANTEHOC_DATA", "")) / name
    if "ANTEHOC_DATA" not in os.environ or not folder.is_dir():
        pytest.skip(f"needs $ANTEHOC_DATA/{name}")
    examples = open_outliers(folder, Preprocessing(1, 64, 64))
    assert len(examples) == 10_000
    assert examples.batch(range(50)).image.shape == (50, 1, 64, 64)
