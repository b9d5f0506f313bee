"""Sets of images of no known class, and what is measured over several of them."""

import dataclasses

import pytest

from antehoc.errors import DataError, RecipeError
from antehoc.figure import Figure, values
from antehoc.model import load
from antehoc.recipe import Recipe
from antehoc.runs.checks import check_run
from antehoc.runs.recorded import evaluate_model, recipe_of
from antehoc.runs.unknown import means_of_sets, with_aliases


def test_an_unknown_set_may_not_take_the_name_of_another(tiny_run, tmp_path):
    model = load(tiny_run.model)
    recipe, where, _ = recipe_of(model, ["data.train=20", "data.test=20", "data.calibration=80"])
    with pytest.raises(RecipeError, match=r"--ood noise=.*: the recipe has a set of that name; choose another"):
        evaluate_model(model, recipe, where, seed=0, ood={"noise": tmp_path})


@pytest.fixture
def few(tiny_run):
    """The tiny model's recipe, cut down to few images, and what errors call it."""
    recipe, where, _ = recipe_of(load(tiny_run.model), ["data.train=20", "data.test=20", "data.calibration=80"])
    return recipe, where


def test_an_empty_set_is_refused_before_the_training(few, tmp_path, monkeypatch):
    recipe, where = few
    source = recipe.source(where, 0)
    none = source.roles["test"].select([])
    monkeypatch.setattr("antehoc.runs.unknown.open_outliers", lambda *_, **__: none)
    with pytest.raises(DataError, match=rf"^{where}: the unknown images 'mine' are none; leave the set out, or give"):
        check_run(recipe, source, where, 0, ood={"mine": tmp_path})


@pytest.mark.parametrize("role", ["test", "calibration"])
def test_a_role_without_images_is_refused(few, tiny_run, monkeypatch, role):
    recipe, where = few
    source = recipe.source(where, 0)
    source = dataclasses.replace(source, roles={**source.roles, role: source.roles[role].select([])})
    monkeypatch.setattr(Recipe, "source", lambda *_: source)
    message = rf"^{where}: there are no {role} images; give the role '{role}' one or more\.$"
    with pytest.raises(DataError, match=message):
        evaluate_model(load(tiny_run.model), recipe, where, seed=0)
    if role == "test":
        with pytest.raises(DataError, match=message):
            check_run(recipe, source, where, 0, ood={})
        check_run(recipe, source, where, 0)  # training alone needs none


FIGURES = {
    "ood_star_auroc": 0.8, "ood_noise_auroc": 0.9, "ood_far_away_auroc": 0.5,
    "msp_ood_star_auroc": 0.6, "msp_ood_noise_auroc": 0.9, "msp_ood_far_away_auroc": None,
}  # fmt: skip


def means(from_disk=(), peers=None, **asked):
    figures = [Figure(name, value, "", "") for name, value in FIGURES.items()]
    found, notes = means_of_sets(asked, figures, peers or {}, from_disk)
    assert all(figure.meaning and figure.better == "higher" for figure in found)
    return values(found), notes


def test_a_mean_counts_each_of_its_sets_the_same():
    found, notes = means(drawn=("star", "noise"))
    assert found == {"ood_drawn_auroc": pytest.approx(0.85), "msp_ood_drawn_auroc": pytest.approx(0.75)}
    assert notes == []


def test_a_mean_over_a_set_that_was_not_tried_or_is_undefined_is_left_out():
    assert means(drawn=("star", "hexagon"), none=())[0] == {}
    assert means(all=("star", "far_away"))[0] == {"ood_all_auroc": pytest.approx(0.65)}


def test_a_mean_from_disk_is_over_the_sets_that_the_user_named():
    assert means(("far_away", "noise"), far="from-disk")[0] == {"ood_far_auroc": pytest.approx(0.7)}
    assert means(far="from-disk")[0] == {}


def test_the_best_peer_is_best_by_the_mean_and_a_note_says_so():
    peers = {"knn": {"star": 0.9, "noise": 0.1}, "vim": {"star": 0.6, "noise": 0.6}}
    found, notes = means(peers=peers, drawn=("star", "noise"), odd=("star", "far_away"))
    assert found["peer_ood_drawn_auroc"] == pytest.approx(0.6)
    assert "peer_ood_odd_auroc" not in found
    assert notes == ["the best detector of pytorch-ood on the drawn sets is vim, chosen by that figure itself"]


def test_an_alias_is_a_second_name_of_what_is_defined():
    figures = [Figure("near_accuracy", 0.5, "of variant near", "Decisions"), Figure("near_iou", None, "", "")]
    aliases = {"accuracy_near": "near_accuracy", "iou_near": "near_iou", "nothing": "never_measured"}
    *own, alias = with_aliases(figures, aliases)
    assert own == figures
    assert (alias.name, alias.value, alias.meaning) == ("accuracy_near", 0.5, "of variant near")
