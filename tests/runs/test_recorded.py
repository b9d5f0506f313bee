"""A saved model knows its recipe, and measured again it gives the figures of its run."""

import dataclasses

import pytest
import yaml
from PIL import Image

from antehoc.errors import DataError, ModelError, RecipeError
from antehoc.model import load
from antehoc.recipe import read_recipe
from antehoc.runs.explain import explain
from antehoc.runs.recorded import evaluate_model, recipe_of


def test_a_saved_model_measured_again_gives_the_figures_of_its_run(tiny_run):
    model = load(tiny_run.model)
    recipe, where, seed = recipe_of(model)
    assert (where, seed) == (str(tiny_run.recipe), 0)
    assert recipe == read_recipe(str(tiny_run.recipe))[0]
    found = evaluate_model(model, recipe, where, seed=seed).figures
    assert [figure for figure in tiny_run.result.figures if figure.name != "twins_across_roles"] == found


def test_a_recorded_recipe_takes_overrides(tiny_run):
    recipe, _, _ = recipe_of(load(tiny_run.model), ["data.test=40", "unknown.kinds=[noise]"])
    assert (recipe.data["test"], recipe.unknown.kinds) == (40, ("noise",))
    assert recipe.data["train"] == 600


@pytest.mark.parametrize(
    "about", [{}, {"values": 5, "recipe": "x", "seed": 0}, {"values": "[", "recipe": "x", "seed": 0},
              {"values": "{}", "recipe": "x", "seed": None}, {"values": "5", "recipe": "x", "seed": 0}],
)  # fmt: skip
def test_a_model_that_does_not_say_how_it_was_made_is_refused(tiny_run, about):
    with pytest.raises(RecipeError, match="name one with --recipe"):
        recipe_of(dataclasses.replace(load(tiny_run.model), about=about))


def test_data_that_are_not_the_models_are_refused(tiny_run):
    model = load(tiny_run.model)
    recipe, where, _ = recipe_of(model, ["data.side=40", "data.train=20", "data.test=20"])
    with pytest.raises(DataError, match=r"tiny\.yaml: brings images to another size or mode than the model's"):
        evaluate_model(model, recipe, where, seed=0)
    with pytest.raises(ModelError, match="never calibrated"):
        evaluate_model(dataclasses.replace(model, policy=None), recipe, where, seed=0)


def test_a_recipe_recorded_by_an_older_version_is_read(tiny_run):
    model = load(tiny_run.model)
    values = yaml.safe_load(model.about["values"]) | {"faults": ["ood-pairing"], "studies": ["masks"]}
    old = dataclasses.replace(model, about={**model.about, "values": yaml.safe_dump(values)})
    recipe, _, _ = recipe_of(old, ["unknown.count=5"])
    assert recipe.unknown.paired == ("noise",)
    assert recipe.unknown.count == 5
    assert recipe.studies == {"masks": {}}


def test_explain_pairs_each_path_with_its_decision_or_error(tiny_run, tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.new("L", (40, 30), 100).save(good)
    bad.write_bytes(b"")
    found = list(explain(load(tiny_run.model), [str(bad), good]))
    assert [path for path, _ in found] == [bad, good]
    assert "the file is empty (0 bytes)" in str(found[0][1])
    assert found[1][1].verdict is not None
