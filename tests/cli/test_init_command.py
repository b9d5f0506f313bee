"""`antehoc init`, and `antehoc train` on images."""

import json

import pytest
import yaml
from PIL import Image

from antehoc.data.sets.shapes import draw


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Two shapes, 120 images each, and a table of their attributes, in the current folder."""
    for name in ("circle", "square"):
        (tmp_path / "shapes2" / name).mkdir(parents=True)
        for number, image in enumerate(draw(name, seed=5, count=120, side=32).image):
            Image.fromarray(image).save(tmp_path / "shapes2" / name / f"{number}.png")
    (tmp_path / "shapes2" / "attributes.csv").write_text("class,corners\ncircle,0\nsquare,1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_init_prints_what_it_found_and_writes_a_recipe(call, place):
    code, printed, complaint = call("init", "shapes2", "--from-scratch", "--json", "found.json", "--out", "mine.yaml")
    assert (code, complaint) == (0, "")
    assert printed.startswith("shapes2: class folders, 240 images in 2 classes.\nImages per class: 120 each.\n")
    assert "mirror (preset attributes): fits; the data have attributes" in printed
    assert "recipe: mine.yaml (preset attributes)" in printed
    assert yaml.safe_load((place / "mine.yaml").read_text())["data"]["channels"] == 1
    written = json.loads((place / "found.json").read_text())
    assert (written["images"], written["preset"], written["recipe"]) == (240, "attributes", "mine.yaml")


def test_a_folder_trains_with_one_command_and_decides_with_the_next(call, place):
    how = (
        "--set",
        "phases=[{train: [classifier], epochs: 12, learning_rate: 0.01, batch_size: 16, schedule: one-cycle}]",
    )
    how += (
        "--set",
        "verdict={replace: true, alpha: 0.1, folds: 2}",
        "--preset",
        "classifier",
        "--device",
        "cpu",
        "--quiet",
    )
    code, printed, complaint = call("train", "shapes2", "--from-scratch", "--out", "run", *how)
    assert (code, complaint) == (0, ""), complaint
    assert "recipe: shapes2.yaml (preset classifier)" in printed
    assert "model: run/model" in printed
    code, printed, _ = call("explain", "run/model", "shapes2/circle/0.png", "--device", "cpu", "--quiet")
    assert code == 0
    assert printed.startswith("shapes2/circle/0.png  ")
    assert "accepted" in printed or "QUESTIONED" in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("init", "no"), "no: there is no such file or folder; give labelled images."),
        (("train", "no/such"), "no/such: there is no such file or folder; give images, or a recipe."),
        (("train", "shap"), "no recipe is called 'shap'. Did you mean 'shapes'?"),
        (("train", "shapes", "--from-scratch"), "--from-scratch: makes a recipe from images, and shapes is one"),
        (("train", "shapes", "--preset", "masks"), "--preset: makes a recipe from images"),
        (("train", "shapes2", "--data", "shapes2"), "--data: shapes2 is the data already"),
        (("init", "shapes2", "--preset", "mask"), "no preset is called 'mask'. Did you mean 'masks'?"),
        (("train", "shapes2", "--weights", "w.safetensors"), "--weights w.safetensors: there is no such file"),
        (("init", "shapes2", "--weights", "w.pth"), "w.pth: a pickle can run code"),
    ],
)
def test_bad_input_gets_one_sentence(refused, place, arguments, said):
    before = sorted(path.name for path in place.iterdir())
    assert said in refused(*arguments)
    assert sorted(path.name for path in place.iterdir()) == before
