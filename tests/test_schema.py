"""Plain values to objects, or an error that names the place and the likely slip."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antehoc.errors import RecipeError
from antehoc.schema import build, check_arguments, convert


@dataclass(frozen=True)
class Leg:
    length: float
    joints: tuple[int, ...] = ()


@dataclass(frozen=True)
class Animal:
    name: str
    legs: tuple[Leg, ...] = ()
    kind: Literal["cat", "fox"] = "cat"
    weight: float | None = None
    marks: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.weight is not None and self.weight < 0:
            raise RecipeError(f"weight is 0 or more; got {self.weight}.")


WHOLE = st.integers(-(2**62), 2**62)  # larger ones are refused


def test_nested_values_become_objects():
    values = {"name": "Ada", "legs": [{"length": 2, "joints": [1, 2]}, {"length": 0.5}], "kind": "fox", "weight": 3}
    found = build(Animal, values, "zoo.yaml")
    assert found == Animal("Ada", (Leg(2.0, (1, 2)), Leg(0.5)), "fox", 3.0)
    assert isinstance(found.weight, float)


@given(
    st.builds(
        Animal,
        name=st.text(max_size=5),
        legs=st.lists(st.builds(Leg, st.floats(-9, 9), st.lists(WHOLE, max_size=3).map(tuple)), max_size=3).map(tuple),
        weight=st.none() | st.floats(0, 9),
        marks=st.dictionaries(st.text(max_size=3), st.floats(-9, 9), max_size=3),
    )
)
def test_what_was_taken_apart_is_put_together_again(animal):
    assert convert(dataclasses.asdict(animal), Animal, "zoo") == animal


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nam": "Ada"}, "zoo.yaml: no key 'nam'. Did you mean 'name'? Known: name, legs, kind, weight, marks."),
        ({"name": "Ada", 3: 1}, "zoo.yaml: no key 3. Known: name, legs, kind, weight, marks."),
        ({}, "zoo.yaml: key 'name' is missing; it has no default."),
        (["name"], "zoo.yaml: needs a mapping; got ['name']."),
        (None, "zoo.yaml: needs a mapping; got None."),
        ({"name": 1}, "zoo.yaml, name: got 1, needs text."),
        ({"name": "Ada", "kind": "foxx"}, "zoo.yaml, kind: 'foxx' is not one of its choices. Did you mean 'fox'?"),
        ({"name": "Ada", "kind": ["fox"]}, "zoo.yaml, kind: ['fox'] is not one of its choices."),
        ({"name": "Ada", "weight": True}, "zoo.yaml, weight: got True, needs a number."),
        ({"name": "Ada", "weight": "heavy"}, "zoo.yaml, weight: got 'heavy', needs a number."),
        ({"name": "Ada", "weight": math.nan}, "zoo.yaml, weight: got nan, needs a finite number."),
        ({"name": "Ada", "weight": -math.inf}, "zoo.yaml, weight: got -inf, needs a finite number."),
        ({"name": "Ada", "weight": -1}, "zoo.yaml: weight is 0 or more; got -1.0."),
        ({"name": "Ada", "legs": {"length": 1}}, "zoo.yaml, legs: got {'length': 1}, needs a list"),
        ({"name": "Ada", "legs": [{"length": 1}, {"lenght": 1}]}, "zoo.yaml, legs.1: no key 'lenght'. Did you mean"),
        (
            {"name": "Ada", "legs": [{"length": 1, "joints": [0, 1.5]}]},
            "zoo.yaml, legs.0.joints.1: got 1.5, needs a whole number.",
        ),
        (
            {"name": "Ada", "legs": [{"length": 1, "joints": [True]}]},
            "zoo.yaml, legs.0.joints.0: got True, needs a whole number.",
        ),
        ({"name": "Ada", "marks": {"a": 1, "b": "x"}}, "zoo.yaml, marks.b: got 'x', needs a number."),
        ({"name": "Ada", "marks": {1: 1}}, "zoo.yaml, marks: got 1, needs text."),
        ({"name": "Ada", "marks": [1]}, "zoo.yaml, marks: got [1], needs a mapping."),
    ],
)
def test_an_error_names_place_value_and_what_would_do(values, message):
    with pytest.raises(RecipeError) as caught:
        build(Animal, values, "zoo.yaml")
    assert str(caught.value).startswith(message)


def test_a_number_that_yaml_reads_as_text_gets_a_hint():
    with pytest.raises(RecipeError, match=r"got '1e-3', needs a number\. YAML reads .* as in 1\.0e-3"):
        convert("1e-3", float, "rate")


@pytest.mark.parametrize(
    ("value", "hint", "found"),
    [
        (1, float, 1.0),
        (None, int | None, None),
        ([1, 2], tuple[int, float], (1, 2.0)),
        ([1, 2], Sequence[float], [1.0, 2.0]),
        ({"a": 1, "b": None}, Mapping[str, float | None], {"a": 1.0, "b": None}),
        (64, int | Sequence[int], 64),
        ([48, 64], int | Sequence[int], [48, 64]),
        ({"anything": [1, "x"]}, Mapping[str, Any], {"anything": [1, "x"]}),
        (3, Literal[1, 3], 3),
    ],
)
def test_values_take_the_type_that_is_asked_for(value, hint, found):
    converted = convert(value, hint, "here")
    assert converted == found
    assert type(converted) is type(found)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ([1], tuple[int, int]),
        ([1, "x"], int | Sequence[int]),  # beartype alone asks one item at random
        (True, int | Sequence[int]),
        (True, Literal[1, 3]),
        (1.0, Literal[1, 3]),
        ("ab", tuple[str, ...]),
        (True, float),
        (1.0, int),
        (None, float),
    ],
)
def test_values_of_another_type_are_refused(value, hint):
    with pytest.raises(RecipeError, match="here"):
        convert(value, hint, "here")


def test_what_is_given_is_no_key():
    def draw(*, seed: int, count: int = 3) -> tuple[int, int]:
        return seed, count

    assert build(draw, {"count": 5}, "here", seed=7) == (7, 5)
    with pytest.raises(RecipeError, match="no key 'seed'"):
        check_arguments(draw, {"seed": 1}, "here", {"seed": 7})


# --- groups of options: dataclasses given as mappings


@dataclass(frozen=True)
class Backbone:
    name: str = "small"
    weights: str | bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.weights is True and self.name == "small":
            raise RecipeError(f"backbone {self.name!r} has no weights.")


@dataclass(frozen=True)
class Gate:
    at: Literal["image", "stages"] = "image"
    backbone: Backbone = Backbone()


class System:
    def __init__(
        self,
        spec: int,
        *,
        backbone: Backbone | str = Backbone(),
        gate: Gate = Gate(),
        teacher: Backbone | None = None,
        parts: tuple[Backbone, ...] = (),
        either: Backbone | Gate | None = None,
    ) -> None:
        self.given = {"backbone": backbone, "gate": gate, "teacher": teacher, "parts": parts, "either": either}


DEFAULTS = {"backbone": Backbone(), "gate": Gate(), "teacher": None, "parts": (), "either": None}


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({}, {}),
        ({"backbone": {}}, {}),
        ({"backbone": {"name": "resnet18", "weights": True}}, {"backbone": Backbone("resnet18", True)}),
        ({"backbone": "resnet18"}, {"backbone": "resnet18"}),
        ({"gate": {"backbone": {"options": {"depth": 3}}}}, {"gate": Gate(backbone=Backbone(options={"depth": 3}))}),
        ({"teacher": None}, {}),
        ({"teacher": {"weights": "a1"}}, {"teacher": Backbone(weights="a1")}),
        ({"parts": [{}, {"name": "tiny"}]}, {"parts": (Backbone(), Backbone("tiny"))}),
        ({"either": {"at": "stages"}}, {"either": Gate("stages")}),
        ({"either": {"name": "tiny"}}, {"either": Backbone("tiny")}),
        (
            {"gate": Gate("stages"), "backbone": Backbone("tiny")},
            {"gate": Gate("stages"), "backbone": Backbone("tiny")},
        ),
    ],
)
def test_a_group_of_options_is_a_mapping(values, found):
    assert build(System, values, "birds.yaml, system", spec=1).given == DEFAULTS | found


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gate": {"at": "imag"}}, "system.gate.at: 'imag' is not one of its choices. Did you mean 'image'?"),
        ({"gate": {"backbon": 1}}, "system.gate: no key 'backbon'. Did you mean 'backbone'? Known: at, backbone."),
        ({"gate": {"backbone": {"weights": 3.5}}}, "system.gate.backbone.weights: got 3.5, needs text or"),
        ({"gate": {"backbone": {"weights": True}}}, "system.gate.backbone: backbone 'small' has no weights."),
        ({"gate": None}, "system.gate: needs a mapping; got None."),
        ({"backbone": {"nam": "tiny"}}, "system.backbone: no key 'nam'. Did you mean 'name'?"),
        ({"backbone": {"name": 3}}, "system.backbone.name: got 3, needs text."),
        ({"backbone": {"weights": True}}, "system.backbone: backbone 'small' has no weights."),
        ({"backbone": 3}, "system.backbone: got 3, needs a mapping with keys of "),
        ({"backbone": None}, "system.backbone: got None, needs a mapping with keys of "),
        ({"teacher": {"options": 3}}, "system.teacher.options: got 3, needs a mapping."),
        ({"parts": [{}, {"name": 1}]}, "system.parts.1.name: got 1, needs text."),
        ({"either": {"at": "stages", "backbone": {"name": 1}}}, "system.either.backbone.name: got 1, needs text."),
        ({"either": {"name": 1}}, "system.either.name: got 1, needs text."),
    ],
)
def test_an_error_in_a_group_names_the_whole_place(values, message):
    with pytest.raises(RecipeError) as caught:
        build(System, values, "birds.yaml, system", spec=1)
    assert str(caught.value).startswith(f"birds.yaml, {message}")
