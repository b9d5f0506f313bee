"""From labelled images to a recipe that trains."""

import numpy as np
import pytest
import yaml
from PIL import Image

from antehoc.data.inspection import Inspected
from antehoc.data.inspection.checks import Checks
from antehoc.errors import DataError, OutputError, RecipeError
from antehoc.nn.published import Published
from antehoc.presets import presets
from antehoc.recipe import build_recipe
from antehoc.runs import init as module
from antehoc.runs.checks import check_run
from antehoc.runs.init import init, propose, recipe_to_train
from antehoc.runs.sources import load_source


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Three classes of 40 images, told apart by brightness, in the current folder."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for number in range(120):
        place = tmp_path / "photos" / ("cat", "fox", "hen")[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        image = random.integers(0, 40, (48, 48, 3)) + 100 * (number % 3)
        Image.fromarray(image.astype(np.uint8)).save(place / f"{number}.png")
    return tmp_path / "photos"


def values(found):
    return yaml.safe_load(found.recipe)


@pytest.mark.parametrize("name", presets())
def test_a_recipe_from_scratch_passes_every_check_of_a_run(photos, name):
    (photos / "attributes.csv").write_text("class,dark,bright\ncat,1,0\nfox,0,0\nhen,0,1\n")
    found = init("photos", from_scratch=True, preset=name)
    assert found.preset == name
    assert found.file is not None
    assert found.file.name == "photos.yaml"
    assert found.file.read_text() == found.recipe
    recipe = build_recipe(values(found), "here")
    source, _ = load_source(recipe, "here", 0)
    check_run(recipe, source, "here", 0)
    assert 34 <= len(source.roles["calibration"]) <= 42


@pytest.mark.parametrize("name", presets())
def test_a_recipe_with_weights_passes_them_all_as_well(photos, name, monkeypatch):
    monkeypatch.setattr(module, "NETWORK", "test_resnet")
    (photos / "attributes.csv").write_text("class,dark,bright\ncat,1,0\nfox,0,0\nhen,0,1\n")
    recipe = build_recipe(values(propose("photos", preset=name)), "here")
    check_run(recipe, load_source(recipe, "here", 0)[0], "here", 0)


def test_the_data_choose_the_system_and_the_others_are_explained(photos):
    found = propose("photos")
    assert found.preset == "classifier"
    assert any("does not fit, because the data have no attributes" in said for said in found.systems)
    (photos / "attributes.csv").write_text("class,dark,bright\ncat,1,0\nfox,0,0\nhen,0,1\n")
    assert propose("photos").preset == "attributes"
    assert values(propose("photos"))["data"]["attributes"] == "attributes.csv"


def test_a_preset_that_the_data_do_not_fit_is_refused(photos):
    with pytest.raises(RecipeError, match=r"photos: mirror .* does not fit, because the data have no attributes"):
        propose("photos", preset="attributes")
    with pytest.raises(RecipeError, match="--from-scratch: takes random weights, and --weights gives others"):
        propose("photos", weights="w.safetensors", from_scratch=True)


def counted(images, side, roles=None):
    checks = Checks(images, images, side, side + 10, (side, side), False, (), ())
    data = {"name": "folder", "path": "photos"}
    return Inspected(
        "photos", "class folders", data, {"a": images // 2, "b": images - images // 2}, checks, roles or {}
    )


@pytest.mark.parametrize(
    ("images", "verdict"),
    [
        (20, {"alpha": 0.1, "threshold": "cross", "folds": 5}),
        (480, {"alpha": 0.05, "threshold": "cross", "folds": 5}),
        (614, {"alpha": 0.05, "threshold": "cross", "folds": 5}),
        (620, {"alpha": 0.05}),
    ],
)
def test_alpha_is_one_that_the_images_can_keep(monkeypatch, images, verdict):
    monkeypatch.setattr(module, "inspect", lambda _: counted(images, 64))
    assert values(propose("photos"))["verdict"] == verdict


def test_few_calibration_images_of_a_given_split_raise_alpha(monkeypatch):
    roles = {"train": 900, "calibration": 50, "test": 50}
    monkeypatch.setattr(module, "inspect", lambda _: counted(1000, 64, roles))
    found = values(propose("photos"))
    assert found["verdict"] == {"alpha": 0.1}
    assert "shares" not in found["data"]


@pytest.mark.parametrize(
    ("images", "side", "size"), [(200, 64, 96), (200, 150, 160), (200, 300, 224), (2000, 300, 160), (20000, 300, 96)]
)
def test_the_size_follows_the_images(monkeypatch, images, side, size):
    monkeypatch.setattr(module, "inspect", lambda _: counted(images, side))
    data = values(propose("photos"))["data"]
    assert data["size"] == size
    assert size < data["resize"] < 1.25 * size


def test_a_path_with_a_dollar_or_a_colon_stays_what_it_is(photos):
    photos.rename(photos.parent / "a: $b {c}")
    assert values(propose("a: $b {c}"))["data"]["path"] == "a: $b {c}"


def test_nothing_is_overwritten_and_the_same_recipe_trains_again(photos):
    first = recipe_to_train("photos", from_scratch=True)
    assert recipe_to_train("photos", from_scratch=True) == first
    with pytest.raises(OutputError, match=r"photos.yaml: exists, and nothing is overwritten; train it with"):
        init("photos", from_scratch=True)
    with pytest.raises(OutputError, match=r"photos.yaml: exists"):
        recipe_to_train("photos", from_scratch=True, preset="masks")
    assert init("photos", out="other.yaml", from_scratch=True).file.read_text() == first.recipe


def test_without_weights_a_sentence_says_where_to_get_them(photos, monkeypatch):
    monkeypatch.setattr(module, "published", lambda _: Published("https://hub/w", False))
    with pytest.raises(RecipeError, match=r"download model.safetensors from https://hub/w and give it with --weights"):
        recipe_to_train("photos")
    assert not (photos.parent / "photos.yaml").exists()
    monkeypatch.setattr(module, "published", lambda _: Published("https://hub/w", True))
    assert recipe_to_train("photos").file is not None
    assert any("Weights: timm's own" in note for note in propose("photos").notes)


def test_what_would_stop_a_training_is_refused_before_it(photos):
    (photos / "cat" / "0.png").write_bytes(b"junk that is no image")
    with pytest.raises(DataError, match=r"0.png: this is not an image"):
        recipe_to_train("photos", from_scratch=True)
    assert any("Training would stop" in note for note in propose("photos", from_scratch=True).notes)
