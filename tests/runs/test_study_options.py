"""The studies of a recipe: options reach the study, and a slip is said before anything is trained."""

import pytest

from antehoc.errors import RecipeError
from antehoc.recipe import read_recipe, variant
from antehoc.recipes import known_recipes
from antehoc.runs.studied import STUDIES, study_options
from antehoc.runs.train import train


def options_of(studies):
    recipe, _ = read_recipe("shapes", overrides=[f"studies={studies}"])
    return study_options(recipe, "mine.yaml")


def test_studies_run_without_options_and_those_given_are_kept():
    names = [name for name in STUDIES if name != "deciding"]  # which needs two classes
    assert options_of(f"[{', '.join(names)}]") == {name: {} for name in names}
    assert options_of("{compare: {count: 20}, masks: {}}") == {"compare": {"count": 20}, "masks": {}}


@pytest.mark.parametrize(
    ("studies", "message"),
    [
        ("[maks]", r"mine\.yaml, studies: no study is called 'maks'\. Did you mean 'masks'\? Known: "),
        ("{compare: {cuont: 5}}", r"mine\.yaml, studies\.compare: no key 'cuont'\. Did you mean 'count'\?"),
        ("{compare: {count: many}}", r"mine\.yaml, studies\.compare\.count: got 'many', needs a whole number\."),
        ("[deciding]", r"mine\.yaml, studies\.deciding: key 'a' is missing; it has no default"),
        ("{masks: {seed: 5}}", r"mine\.yaml, studies\.masks: no key 'seed'"),
        ("{failures: {context: {}}}", r"mine\.yaml, studies\.failures: no key 'context'"),
        (
            "{failures: {ensemble: 1}}",
            r"studies\.failures\.ensemble: 1 is not one of its choices\..* Known: 0, 2, 3, 4, 5, 10",
        ),
        ("{failures: {corruptions: [fog]}}", r"studies\.failures\.corruptions\.0: 'fog' is not one of its choices"),
        ("{failures: {strengths: [1, 6]}}", r"studies\.failures\.strengths\.1: 6 is not one of its choices"),
    ],
)
def test_a_slip_is_said_at_its_place(studies, message):
    with pytest.raises(RecipeError, match=message):
        options_of(studies)


def test_a_slip_is_said_before_the_training(tmp_path):
    with pytest.raises(RecipeError, match="no study is called 'maks'"):
        train("shapes", out=tmp_path / "out", overrides=["studies=[maks]"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", known_recipes())
def test_the_studies_of_every_shipped_recipe_and_variant_exist(name):
    recipe, values = read_recipe(name)
    for own in (recipe, *(variant(values, other, name)[0] for other in recipe.variants)):
        study_options(own, name)
