"""`antehoc recalibrate` as a user types it."""

import json
import shutil

import pytest
from PIL import Image

from antehoc.data.drawn import draw
from antehoc.data.sets.shapes import CLASSES
from antehoc.model import load


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Class folders of shapes, and one of a class that the model does not know."""
    folder = tmp_path_factory.mktemp("labelled")
    for name in (*CLASSES, "star"):
        (folder / name).mkdir()
        for number, image in enumerate(draw(name, seed=6, count=30).image):
            Image.fromarray(image).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def saved(tiny_run, tmp_path):
    return shutil.copytree(tiny_run.model, tmp_path / "model")


def test_it_writes_a_new_model_beside_the_old_one_and_says_what_it_was_set_on(call, saved, photos, tmp_path):
    old = (saved / "config.json").read_bytes()
    code, printed, complaint = call(
        "recalibrate", saved, photos, "--alpha", 0.1, "--json", tmp_path / "r.json", "--device", "cpu", "--quiet"
    )
    assert (code, complaint) == (0, "")
    new = tmp_path / "model-recalibrated"
    assert f"model: {new}" in printed
    assert "Alpha 0.1 needs 9 correct decisions for the threshold" in printed
    assert "note: Images of classes that the model does not know were left out: 30 (star)." in printed
    written = json.loads((tmp_path / "r.json").read_text())
    assert (written["model"], written["from"], written["images"]) == (str(new), str(saved), 120)
    assert (written["alpha"], written["needed_rows"], written["shift"]["differs"] in (True, False)) == (0.1, 9, True)
    assert load(new).policy.threshold == written["threshold"]
    assert (saved / "config.json").read_bytes() == old
    assert call("explain", new, photos / "circle" / "0.png", "--device", "cpu", "--quiet")[0] == 0


def test_the_same_command_gives_the_same_model(call, saved, photos, tmp_path):
    for name in ("a", "b"):
        call("recalibrate", saved, photos, "--rule", "choose", "--out", tmp_path / name, "--device", "cpu", "--quiet")
    assert (tmp_path / "a" / "config.json").read_bytes() == (tmp_path / "b" / "config.json").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("{model}", "{photos}", "--alpha", "1.5"),
            "--alpha 1.5: must be between 0 and 1, both excluded, such as 0.05.",
        ),
        (("{model}", "{photos}", "--alpha", "nan"), "--alpha nan: must be between 0 and 1"),
        (("{model}", "{photos}", "--alpha", "five"), "invalid float value: 'five'"),
        (("{model}", "{photos}", "--rule", "kep"), "invalid choice: 'kep'"),
        (
            ("{model}", "{photos}", "--out", "{model}"),
            "model: exists, and nothing is overwritten; choose another folder",
        ),
        (("{model}", "{photos}", "--out", "{model}/x"), "lies in the folder of the old model"),
        (("{model}", "{photos}", "--out", "{photos}/star/0.png/x"), "cannot be made"),
        (("{model}", "nowhere"), "nowhere: there is no such file or folder; give labelled images."),
        (("{model}", "{photos}/star"), "its images have no labels; put each in a folder with the name of its class."),
        (("{model}/x", "{photos}"), "no such model folder"),
    ],
)
def test_what_cannot_be_is_refused(refused, saved, photos, arguments, message):
    given = [one.format(model=saved, photos=photos) for one in arguments]
    assert message in refused("recalibrate", *given, "--device", "cpu", "--quiet")
    assert not (saved.parent / "model-recalibrated").exists()
