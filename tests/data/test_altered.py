import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from antehoc.data.altered import ALTERATIONS, Altered, altered, blurred, cropped, dark, rotated
from antehoc.data.examples import Files
from antehoc.data.images import to_tensor
from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import ImageError, RecipeError

SMALL = Preprocessing(3, 30, 30, fit="stretch")


def picture(seed: int = 0, width: int = 45, height: int = 30) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture
def files(tmp_path):
    """Eight labelled images, the last two equal."""
    for number in range(8):
        picture(min(number, 6)).save(tmp_path / f"{number}.png")
    paths = [tmp_path / f"{number}.png" for number in range(8)]
    return Files(paths, SMALL, torch.arange(8), torch.arange(16.0).view(8, 2) / 16)


def invert(image: Image.Image, number: int) -> Image.Image:
    assert image.mode == "RGB"
    return Image.eval(image, lambda level: level if number % 2 else 255 - level)


def test_each_image_is_changed_before_the_preprocessing(files):
    changed = Altered(files, invert, "inverted")
    images = changed.images([0, 1, 4])
    assert torch.equal(images[1], files.images([1])[0])
    assert torch.equal(images[2], to_tensor(invert(picture(4), 4), SMALL))
    assert torch.equal(changed.labels, files.labels)
    assert torch.equal(changed.batch([3]).attributes, files.attributes[[3]])
    assert changed.names([2]) == [f"{files.paths[2]} (inverted)"]
    assert changed.images([]).shape == (0, 3, 30, 30)


def test_a_grey_file_is_changed_in_rgb(tmp_path):
    Image.new("L", (4, 4), 55).save(tmp_path / "a.png")
    gray = Altered(Files([tmp_path / "a.png"], Preprocessing(1, 4, 4)), invert, "inverted")
    assert torch.equal(gray.images([0]), torch.full((1, 1, 4, 4), 200 / 255))


@pytest.mark.parametrize("name", ALTERATIONS)
def test_a_selection_and_a_copy_keep_what_was_done(name, files):
    whole = altered(name, files, seed=3)
    part = whole.select([5, 2]).select([1, 0])
    assert torch.equal(part.images([0, 1]), whole.images([2, 5]))
    assert part.names([0]) == whole.names([2])
    assert part.content_hashes() == [whole.content_hashes()[2], whole.content_hashes()[5]]
    assert torch.equal(part.labels, files.labels[[2, 5]])
    assert torch.equal(pickle.loads(pickle.dumps(whole)).images([1]), whole.images([1])), "worker processes need it"


def test_hashes_tell_what_was_done_to_which_image(files):
    sets = [files, *(altered(name, files, seed=seed) for name in ALTERATIONS for seed in (0, 1))]
    hashes = [digest for examples in sets for digest in examples.content_hashes()]
    assert len(set(hashes)) == len(hashes) - 1, "the twins, unaltered, are equal"
    assert altered("dark", files, seed=0).content_hashes() == altered("dark", files, seed=0).content_hashes()


@pytest.mark.parametrize("name", ["cropped", "rotated"])
def test_chance_is_a_matter_of_seed_and_place(name, files):
    first = altered(name, files, seed=0).images(range(8))
    assert torch.equal(altered(name, files, seed=0).images(range(8)), first)
    assert not torch.equal(altered(name, files, seed=1).images(range(8)), first)
    assert any(
        not torch.equal(altered(name, files, seed=s).images([6]), altered(name, files, seed=s).images([7]))
        for s in range(9)
    )


def test_blur_has_a_standard_deviation_of_3_percent():
    point = Image.new("L", (201, 101), 0).convert("RGB")
    point.paste((255, 255, 255), (80, 30, 121, 71))  # wide enough that its middle is not rounded away
    row = np.asarray(blurred(point, ()))[50, :, 0].astype(float)
    edge = np.abs(np.diff(row[60:101]))  # an edge becomes the integral of the blur
    place = np.arange(len(edge))
    mean = (edge * place).sum() / edge.sum()
    # Pillow approximates the Gaussian by boxes, and 8 bits cut its tails
    assert np.sqrt((edge * (place - mean) ** 2).sum() / edge.sum()) == pytest.approx(0.03 * 201, rel=0.1)


def test_dark_is_15_percent_of_every_value():
    np.testing.assert_allclose(np.asarray(dark(picture(), ())), 0.15 * np.asarray(picture(), float), atol=1)


@pytest.mark.parametrize("uniform", [(0.0, 0.0), (0.5, 0.25), (1 - 2**-53, 1 - 2**-53)])
def test_a_crop_is_a_ninth_from_anywhere(uniform):
    part = np.asarray(cropped(picture(), uniform))
    left, top = int(uniform[0] * 31), int(uniform[1] * 21)  # 45 - 15 + 1 and 30 - 10 + 1 places
    np.testing.assert_array_equal(part, np.asarray(picture())[top : top + 10, left : left + 15])
    assert part.shape == (10, 15, 3)


def test_turns_are_quarters_and_never_none():
    by_hand = [np.rot90(np.asarray(picture()), quarters) for quarters in (1, 2, 3)]
    for uniform, turned in zip((0.0, 0.34, 1 - 2**-53), by_hand, strict=True):
        np.testing.assert_array_equal(np.asarray(rotated(picture(), (uniform,))), turned)


@pytest.mark.parametrize("name", ALTERATIONS)
def test_a_single_pixel_can_be_altered(name):
    assert ALTERATIONS[name](picture(0, 1, 1), (0.5, 0.5)).size == (1, 1)


def test_what_is_wrong_is_refused(files):
    with pytest.raises(RecipeError, match=r"no alteration is called 'blured'\. Did you mean 'blurred'"):
        altered("blured", files, seed=0)
    with pytest.raises(ValueError, match="8 images need as many numbers; got 1"):
        Altered(files, invert, "inverted", numbers=[0])
    files.paths[2].unlink()
    with pytest.raises(ImageError, match=r"2\.png: there is no such file"):
        altered("dark", files, seed=0).images([2])
