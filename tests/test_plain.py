"""YAML and JSON from users and strangers: read exactly, or refused with one sentence and the line."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from antehoc.errors import RecipeError
from antehoc.plain import ITEMS, read_json, read_yaml

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip
BOMB = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))


@given(VALUES)
def test_what_was_written_is_read(values):
    assert read_json(json.dumps(values), "here") == values
    assert read_yaml(yaml.safe_dump(values), "here") == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "verdict: {alpha: 0.1}\nseed: 1\nverdict: {folds: 2}\n",
            "here, line 3: is not valid YAML (the key 'verdict' is given",
        ),
        ("phases:\n  - {epochs: 1, epochs: 2}\n", "here, line 2: is not valid YAML (the key 'epochs' is given twice)."),
        ("seed: 010\n", "here, line 1: is not valid YAML (the number 010 has a leading zero"),
        ("seed: [1\n", "here, line 2: is not valid YAML ("),
        ("made: 2020-13-45\n", "here: is not valid YAML (month must be in 1..12)."),
        ("seed: " + "9" * 5000, "here: is not valid YAML ("),
        ("[" * 5000, "here: is nested too deep."),
        (BOMB, f"here: holds more than {ITEMS:,} values; make it smaller."),
        ("a: !!python/object/apply:os.getcwd []\n", "here, line 1: is not valid YAML ("),
        ("a: !!timestamp soon\n", "here: is not valid YAML ("),
        ("a: !!bool perhaps\n", "here: is not valid YAML ("),
    ],
)
def test_yaml_that_says_two_things_or_too_much_is_refused(text, message):
    with pytest.raises(RecipeError) as caught:
        read_yaml(text, "here")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("-0", 0), ("0x10", 16), ("1_000", 1000), ("0.5", 0.5)])
def test_other_numbers_are_as_yaml_reads_them(text, value):
    assert read_yaml(text, "here") == value


def test_an_alias_is_the_value_that_it_names():
    assert read_yaml("a: &x {b: 1}\nc: *x\n", "here") == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"policy": {"alpha": 1}, "policy": null}', "here: is not valid JSON (the key 'policy' is given twice)."),
        ('{"alpha": NaN}', "here: is not valid JSON (NaN is not a number in JSON)."),
        ('{"alpha": -Infinity}', "here: is not valid JSON (-Infinity is not a number in JSON)."),
        ('{"alpha": 1e999}', "here: is not valid JSON (1e999 is too large)."),
        ("[" * 100_000, "here: is nested too deep."),
        ("9" * 5000, "here: is not valid JSON ("),
        ("", "here: is not valid JSON ("),
        (json.dumps([0] * ITEMS), f"here: holds more than {ITEMS:,} values"),
    ],
)
def test_json_that_says_two_things_or_too_much_is_refused(text, message):
    with pytest.raises(RecipeError) as caught:
        read_json(text, "here")
    assert str(caught.value).startswith(message)
