"""The presets: each is a recipe when its blanks are filled in, and short enough to read."""

import re
import string

import pytest
import yaml

from antehoc.errors import RecipeError
from antehoc.presets import choose_preset, presets
from antehoc.recipe import build_recipe

BLANKS = {
    "data": "{name: folder, path: photos, size: 96}", "backbone": "name: resnet18, weights: true", "flip": "flip",
    "verdict": "{alpha: 0.05, threshold: cross, folds: 5}", "augment": "crops", "cache": "disk", "epochs": 3,
    "mask_epochs": 2,
}  # fmt: skip


@pytest.mark.parametrize("from_scratch", [False, True])
@pytest.mark.parametrize("name", presets())
def test_a_preset_is_a_commented_recipe_of_at_most_15_lines(name, from_scratch):
    text = presets()[name].text(BLANKS, from_scratch=from_scratch)
    lines = text.splitlines()
    assert len(lines) <= 15
    assert lines[0].startswith(f"# Preset {name}")
    assert max(map(len, lines)) <= 120
    recipe = build_recipe(yaml.safe_load(text), "here")
    assert recipe.verdict.alpha == 0.05
    assert recipe.data["path"] == "photos"


@pytest.mark.parametrize("name", presets())
def test_every_blank_is_known_and_every_size_gives_its_values(name):
    preset = presets()[name]
    for text in (preset.recipe, preset.from_scratch):
        assert set(string.Template(text).get_identifiers()) <= set(BLANKS)
    assert [preset.values(count).get("upto") for count in (60, 200, 500, 5000)] == [200, 200, 2000, None]
    epochs = [preset.values(count)["epochs"] for count in (60, 500, 5000)]
    assert epochs == sorted(epochs, reverse=True)
    for sentence in (preset.fits, preset.unfit):
        assert re.search(rf"\(preset {name}\): .*\.$", sentence)


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ((), "classifier"),
        (("attributes",), "attributes"),
        (("objects",), "masks"),
        (("attributes", "objects"), "attributes"),
    ],
)
def test_the_data_choose_a_preset(facts, name):
    assert choose_preset(facts).name == name


def test_a_preset_is_taken_by_name():
    assert choose_preset((), "masks").name == "masks"
    assert not choose_preset((), "attributes").possible(())
    with pytest.raises(RecipeError, match=r"no preset is called 'mask'. Did you mean 'masks'"):
        choose_preset((), "mask")
