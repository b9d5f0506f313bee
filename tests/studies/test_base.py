"""The table of studies, and what every study shares."""

import importlib
import inspect
import json
import pkgutil

import numpy as np
import pytest
import torch

import antehoc.studies
from antehoc.blocks import Block
from antehoc.data import Source
from antehoc.data.examples import Files
from antehoc.errors import RecipeError
from antehoc.figure import Figure
from antehoc.model import Model
from antehoc.runs.studied import GIVEN
from antehoc.schema import check_arguments
from antehoc.studies import STUDIES, Finding
from antehoc.studies.background import background
from antehoc.studies.base import check_one_label, some
from antehoc.studies.deciding import deciding
from antehoc.studies.leakage import leakage
from antehoc.studies.repeated_calibration import repeated_calibration
from antehoc.systems import Mirror
from studies.wired import OWN, POLICY, SIZE, SPEC, a_bird, codes, decide_by, files, first_pixel, wired


def test_every_file_with_a_study_is_in_the_table():
    names = [info.name for info in pkgutil.iter_modules(antehoc.studies.__path__)]
    found = [name for name in names if hasattr(importlib.import_module(f"antehoc.studies.{name}"), "run")]
    assert set(found) == set(STUDIES)
    assert all(STUDIES[name].__module__ == f"antehoc.studies.{name}" for name in found)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_called_like_all_others_and_its_options_are_plain(name):
    model, source, *options = inspect.signature(STUDIES[name], eval_str=True).parameters.values()
    assert (model.name, source.name, options[0].name) == ("model", "source", "seed")
    assert model.kind is source.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert all(option.kind is inspect.Parameter.KEYWORD_ONLY for option in options)
    own = [option for option in options[1:] if option.name not in GIVEN]
    defaults = {o.name: o.default for o in own if o.default is not inspect.Parameter.empty}
    needed = {o.name: "auk" for o in own if o.default is inspect.Parameter.empty}
    values = json.loads(json.dumps({**defaults, **needed}))  # as a recipe gives them
    assert check_arguments(STUDIES[name], values, "recipe", GIVEN) == {**defaults, **needed}


@pytest.mark.parametrize("name", STUDIES)
def test_what_a_study_gives_has_a_title(name):
    kind = inspect.signature(STUDIES[name], eval_str=True).return_annotation
    assert issubclass(kind, Finding)
    assert kind.title.endswith("?")


def test_every_study_of_attributes_runs_on_a_real_mirror(tmp_path):
    torch.manual_seed(0)
    model = Model(Mirror(SPEC, backbone="tiny").eval(), {"name": "mirror", "backbone": "tiny"}, SIZE)
    test = a_bird(tmp_path)
    test = Files(
        test.paths, SIZE, torch.tensor([0, 1, 2] * 2), torch.tensor(OWN * 2), boxes=test.boxes, parts=test.parts,
        part_names=test.part_names,
    )  # fmt: skip
    source = Source(SPEC, {"test": test}, SIZE)
    doubt, wrong = torch.rand(60), torch.zeros(60, dtype=torch.bool)
    found = [
        leakage(model, test, seed=0),
        background(model, test, seed=0),
        deciding(model, test, "auk", "dove"),
        repeated_calibration(POLICY, {"doubt": doubt}, wrong, rows=30, alpha=0.1, seed=0),
    ]
    assert STUDIES["leakage"](model, source, seed=0) == found[0]
    assert STUDIES["background"](model, source, seed=0) == found[1]
    assert STUDIES["deciding"](model, source, seed=0, a="auk", b="dove") == found[2]
    for study in found:
        json.dumps(study.to_plain(), allow_nan=False)
        assert study.blocks()
        assert all(figure.meaning and figure.group for figure in study.figures())


def test_a_study_need_only_say_its_title_figures_and_blocks():
    class Silent(Finding):
        title = "What?"

        def figures(self) -> list[Figure]:
            return []

        def blocks(self) -> list[Block]:
            return []

    assert Silent().to_plain() == {}
    with pytest.raises(TypeError, match="abstract"):
        Finding()


def test_some_images_are_drawn_in_their_order(tmp_path):
    test = files(tmp_path, codes(*np.zeros((3, 9))), [0, 1, 2] * 3)
    drawn = some(test, 4, seed=0)
    assert len(drawn) == 4
    assert list(drawn.paths) == sorted(drawn.paths)
    assert some(test, 9, seed=0) is some(test, None, seed=0) is test


def test_several_labels_are_refused_where_two_classes_are_compared():
    import dataclasses

    spec = dataclasses.replace(SPEC, task="multi-label")
    with pytest.raises(RecipeError, match="'leakage' needs one label per image"):
        check_one_label(wired(decide_by(0), first_pixel, spec), "leakage")
