"""Phases as data: numbers in range, versions of an image, who stands still, and the optimizer's schedule."""

import pytest
import torch
from torch import nn

from antehoc.errors import RecipeError
from antehoc.schema import build
from antehoc.systems import SYSTEMS
from antehoc.systems.joint.settings import ExplainerSettings
from antehoc.training.phases import Phase, build_optimizer, freeze, set_modes, view, views

IMAGE = torch.arange(2.0 * 3 * 4 * 4).view(2, 3, 4, 4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs must be above 0; got 0"),
        ({"batch_size": -1}, "batch_size must be above 0; got -1"),
        ({"learning_rate": 0.0}, r"learning_rate must be above 0; got 0\.0"),
        ({"backbone_rate": 0.0}, r"backbone_rate must be above 0; got 0\.0"),
        ({"views": 0}, "views must be above 0; got 0"),
        ({"train": ()}, "`train` is empty"),
    ],
)
def test_numbers_out_of_range_are_refused(values, message):
    with pytest.raises(RecipeError, match=message):
        Phase(**({"train": ("main",), "epochs": 1} | values))


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [("optimizer", "nadams", "nadam"), ("schedule", "one_cycle", "one-cycle"), ("augment", "flips", "flip")],
)
def test_a_choice_that_there_is_not_gets_a_hint(key, value, hint):
    with pytest.raises(RecipeError, match=f"Did you mean '{hint}'"):
        build(Phase, {"train": ["main"], "epochs": 1, key: value}, "phases[0]")


@pytest.mark.parametrize(("augment", "count"), [("none", 1), ("flip", 2), ("orientations", 8), ("crops", 1)])
def test_views_are_different_versions_of_the_same_pixels(augment, count):
    assert views(augment) == count
    found = [view(IMAGE, augment, number) for number in range(count)]
    assert found[0].equal(IMAGE)
    assert len({tuple(version.flatten().tolist()) for version in found}) == count
    for version in found:
        for one, other in zip(version.flatten(0, 1), IMAGE.flatten(0, 1), strict=True):
            assert sorted(one.flatten().tolist()) == sorted(other.flatten().tolist()), "channels and images stay apart"


def test_a_flip_goes_left_to_right():
    assert view(IMAGE, "flip", 1)[0, 0, 0].tolist() == [3, 2, 1, 0]


def test_orientations_are_quarter_turns_and_from_the_fourth_on_their_mirror_images():
    for number in range(8):
        turned = torch.rot90(IMAGE, number % 4, (2, 3))
        assert torch.equal(view(IMAGE, "orientations", number), turned.flip(3) if number >= 4 else turned)


def test_orientations_are_closed_under_turning():
    square = {tuple(view(IMAGE, "orientations", number).flatten().tolist()) for number in range(8)}
    turned = {tuple(torch.rot90(view(IMAGE, "orientations", n), 1, (2, 3)).flatten().tolist()) for n in range(8)}
    assert square == turned


@pytest.fixture(params=SYSTEMS)
def system(request, shapes_spec):
    arguments = {
        "mirror": {"backbone": "tiny"},
        "joint": {"backbone": "tiny", "explainer": ExplainerSettings(filters=(4, 8))},
    }
    return SYSTEMS[request.param](shapes_spec, **arguments[request.param])


def parts(system):
    return [name for name, part in system.named_children() if any(True for _ in part.parameters())]


def test_freezing_leaves_the_named_parts_alone_to_learn(system):
    for name in parts(system):
        freeze(system, (name,))
        learning = {key.split(".")[0] for key, parameter in system.named_parameters() if parameter.requires_grad}
        assert learning == {name}
    freeze(system, tuple(parts(system)))
    assert all(parameter.requires_grad for parameter in system.parameters())


def test_what_does_not_learn_is_in_eval_mode(system):
    for name in parts(system):
        system.train()
        set_modes(system, (name,))
        for other, part in system.named_children():
            assert {module.training for module in part.modules()} == {other == name}


@pytest.mark.parametrize("name", ["miror", "distance"])
def test_a_part_that_there_is_not_or_that_cannot_learn_is_refused(shapes_spec, name):
    system = SYSTEMS["mirror"](shapes_spec, backbone="tiny")
    with pytest.raises(RecipeError, match=rf"no part '{name}' to train\..*Known: main, mirror\."):
        freeze(system, ("main", name))


def rates(phase: Phase, steps: int) -> list[float]:
    weight = nn.Parameter(torch.zeros(1))
    optimizer, schedule = build_optimizer(phase, {0: [weight]}, steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_a_constant_rate_stays():
    assert rates(Phase(("main",), 1, learning_rate=0.3), 5) == [0.3] * 5


def test_inverse_time_is_the_decay_of_keras():
    found = rates(Phase(("main",), 1, learning_rate=0.3, schedule="inverse-time", decay=0.5), 4)
    assert found == pytest.approx([0.3 / (1 + 0.5 * step) for step in range(4)])


def test_one_cycle_rises_for_a_tenth_and_falls_to_a_thousandth_of_the_largest():
    found = rates(Phase(("main",), 1, learning_rate=0.2, schedule="one-cycle"), 100)
    assert found[0] == pytest.approx(0.02)
    assert max(found) == pytest.approx(0.2)
    assert found.index(max(found)) == 9
    assert found[-1] == pytest.approx(0.0002)
    assert found[9:] == sorted(found[9:], reverse=True)


def rates_by_depth(**given):
    parameters = {depth: [nn.Parameter(torch.zeros(depth + 1))] for depth in (0, 2, 1, 3)}
    optimizer, _ = build_optimizer(Phase(("main",), 1, learning_rate=0.8, **given), parameters, 100)
    name = "max_lr" if "schedule" in given else "lr"
    return {len(weight) - 1: own[name] for own in optimizer.param_groups for weight in own["params"]}


@pytest.mark.parametrize("schedule", [{}, {"schedule": "one-cycle"}])
def test_every_depth_has_the_rate_that_is_documented(schedule):
    assert rates_by_depth(**schedule) == dict.fromkeys(range(4), 0.8)
    found = rates_by_depth(backbone_rate=0.5, **schedule)
    assert found == pytest.approx({0: 0.8, 1: 0.4, 2: 0.4, 3: 0.4})


@pytest.mark.parametrize(
    ("name", "kind"), [("nadam", torch.optim.NAdam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)]
)
def test_optimisers_by_name_take_rate_and_weight_decay(name, kind):
    weight = nn.Parameter(torch.ones(1))
    phase = Phase(("main",), 1, optimizer=name, learning_rate=0.1, weight_decay=0.5)
    optimizer, _ = build_optimizer(phase, {0: [weight]}, 3)
    assert type(optimizer) is kind
    weight.grad = torch.zeros(1)
    optimizer.step()
    assert float(weight.detach()) < 1, "no gradient, and still it shrinks"
    if name == "sgd":
        assert optimizer.param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize("steps", range(1, 31))
def test_one_cycle_fits_into_any_number_of_steps(steps):
    found = rates(Phase(("main",), 1, learning_rate=0.2, schedule="one-cycle"), steps)
    assert len(found) == steps
    assert all(0 < rate <= 0.2 + 1e-9 for rate in found)
