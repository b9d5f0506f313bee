"""What a figure is meant to reach: every form is read back, every comparison is the one that is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antehoc.errors import RecipeError
from antehoc.targets import Bound, met, read_target, value_of

NUMBERS = st.integers(-999, 999).map(lambda number: number / 100)


@given(
    sign=st.sampled_from([">=", "<="]),
    figure=st.sampled_from(["msp_auroc", "ood_fashion-mnist_auroc"]),
    times=NUMBERS.filter(bool),
    plus=NUMBERS,
)
def test_a_bound_is_read_as_it_is_written(sign, figure, times, plus):
    for bound in (Bound(sign, figure, times, plus), Bound(sign, plus=plus)):
        assert read_target(str(bound)) == (bound,)


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        (">= 0.995", (Bound(">=", plus=0.995),)),
        (">= msp_auroc", (Bound(">=", "msp_auroc"),)),
        (">= plain_accuracy - 0.005", (Bound(">=", "plain_accuracy", plus=-0.005),)),
        ("<= 0.9 * msp_aurc", (Bound("<=", "msp_aurc", 0.9),)),
        ("<= 2 * error + 0.05 and >= 1e-3", (Bound("<=", "error", 2.0, 0.05), Bound(">=", plus=0.001))),
    ],
)
def test_every_form_of_a_target(text, bounds):
    assert read_target(text) == bounds


@pytest.mark.parametrize(
    "text",
    ["", "0.9", "> 0.9", "= 0.9", ">= ", ">= a + b", ">= 2 * 3", ">= a * 2", ">= 0.9 and", ">= a +0.1", ">= 1 or a"],
)
def test_what_is_no_target_is_refused_with_examples(text):
    with pytest.raises(RecipeError, match=r"is not a target; write >= or <= and a bound, such as '>= 0\.9'"):
        read_target(text)


@given(value=NUMBERS, other=NUMBERS, times=NUMBERS, plus=NUMBERS)
def test_a_bound_holds_where_the_comparison_does(value, other, times, plus):
    limit = times * other + plus
    assert Bound(">=", "other", times, plus).holds(value, {"other": other}.get) == (value >= limit)
    assert Bound("<=", "other", times, plus).holds(value, {"other": other}.get) == (value <= limit)


def test_a_missed_bound_outweighs_one_that_cannot_be_judged():
    bounds = read_target(">= 0.5 and >= other")
    assert met(bounds, 0.6, {"other": 0.55}.get) is True
    assert met(bounds, 0.6, {"other": 0.7}.get) is False
    assert met(bounds, 0.6, {}.get) is None
    assert met(bounds, 0.4, {}.get) is False
    assert met(bounds, None, {"other": 0.1}.get) is None


def test_seconds_and_lower_ends_of_intervals_are_figures_too():
    run = ({"accuracy": 0.9, "iou": None, "own_low": 0.3}, {"accuracy": (0.85, 0.95), "own": (0.1, 0.2)}, 60.0)
    assert value_of("seconds", *run) == 60
    assert value_of("accuracy", *run) == 0.9
    assert value_of("accuracy_low", *run) == 0.85
    assert value_of("own_low", *run) == 0.3, "a figure of that very name comes first"
    assert value_of("iou", *run) is value_of("iou_low", *run) is value_of("nothing", *run) is None
