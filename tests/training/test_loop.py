"""The one loop: who moves and who does not, what is cached, what is kept, and the order of images."""

import copy
import itertools
import logging
import math
import warnings
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch.callbacks import Callback
from PIL import Image
from torch.testing import assert_close

from antehoc.data import augmentation
from antehoc.data.examples import Files, Tensors
from antehoc.data.preprocessing import Preprocessing
from antehoc.data.sets.shapes import shapes
from antehoc.errors import RecipeError
from antehoc.schema import build as construct
from antehoc.systems import SYSTEMS
from antehoc.systems.settings import regrouped
from antehoc.training import activations, loop, precision, store
from antehoc.training.loop import Cached, EpochBatches, Runner, Training, mix, run_phase
from antehoc.training.phases import Phase, freeze, set_modes
from antehoc.types import DataSpec

CPU = Runner("cpu")
TINY = {"mirror": {"backbone": "tiny", "width": 4}, "joint": {"classifier": "tiny", "filters": (4, 8)}}


def made(name, spec, **arguments):
    """A system from flat arguments, each put into its group."""
    kind = SYSTEMS[name]
    return construct(kind, regrouped(arguments, kind.earlier), "here", spec=spec)


@pytest.fixture(scope="module")
def source():
    return shapes(seed=0, side=32, train=96, validation=40, calibration=40, test=200)


@pytest.fixture
def build(source):
    def build(name="mirror", **arguments):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return made(name, source.spec, **(TINY[name] | arguments))

    return build


@pytest.fixture
def run(source, tmp_path):
    count = itertools.count()

    def run(system, *, folder=None, roles=None, **phase):
        phase = Phase(**({"train": ("main",), "epochs": 1, "batch_size": 16, "learning_rate": 0.02} | phase))
        folder = folder or tmp_path / f"phase-{next(count)}"
        return run_phase(system, phase, roles or source.roles, folder, runner=CPU)

    return run


def state(system):
    return {key: value.clone() for key, value in system.state_dict().items()}


def parts(system):
    return [name for name, part in system.named_children() if any(True for _ in part.parameters())]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        (name, part)
        for name in SYSTEMS
        for part in parts(made(name, DataSpec(("a", "b"), 1, 16, 16, ("x",), ((0.0,), (1.0,))), **TINY[name]))
    ],
)
@pytest.mark.parametrize("cache", [False, True])
def test_a_phase_moves_only_what_it_names(build, run, name, part, cache):
    system = build(name)
    if cache and not system.cacheable((part,)):
        pytest.skip("a part that moves cannot be cached: see below")
    system.train()  # a frozen batch norm must not drift, whatever the mode before
    before = state(system)
    run(system, train=(part,), cache=cache)
    after = system.state_dict()
    moved = {key for key in after if not after[key].equal(before[key])}
    assert {key.split(".")[0] for key in moved} == {part}
    assert any("running_mean" in key for key in moved), "batch norm learns where its part does"
    assert not any(module.training for module in system.modules())


@pytest.mark.parametrize("name", SYSTEMS)
def test_joint_training_moves_all_parts(build, run, name):
    system = build(name)
    before = state(system)
    run(system, train=tuple(parts(system)))
    moved = {key.split(".")[0] for key, value in system.state_dict().items() if not value.equal(before[key])}
    assert moved == set(parts(system))


def test_a_frozen_classifier_gets_no_gradient(build, source):
    system = build()
    phase = Phase(("mirror",), 1)
    freeze(system, phase.train)
    module = Training(system, phase, 0, 0)
    set_modes(system, phase.train)
    module._keep = lambda *_, **__: None  # no trainer to log to
    module._step("train", source.roles["train"].batch(range(8)), last=True).backward()
    assert all(parameter.grad is None for parameter in system.main.parameters())
    assert all(parameter.grad is not None for parameter in system.mirror.parameters())
    activations = system.activations(source.roles["train"].batch(range(8)).image)
    assert not any(activation.requires_grad for activation in activations)


def test_cached_activations_train_as_computed_ones_do(build, run):
    one, other = build(), build()
    histories = [run(one, train=("mirror",), epochs=2), run(other, train=("mirror",), epochs=2, cache=True)]
    for key, value in one.state_dict().items():
        # a batch of another size is summed in another order
        assert_close(other.state_dict()[key], value, rtol=1e-3, atol=1e-4, msg=lambda m, k=key: f"{k}: {m}")
    assert histories[0][-1]["val/loss"] == pytest.approx(histories[1][-1]["val/loss"], rel=1e-3)


def test_cached_views_are_the_activations_of_turned_images(build, source):
    system, examples = build().eval(), source.roles["validation"]
    freeze(system, ("mirror",))
    phase = Phase(("mirror",), 1, augment="orientations", batch_size=16)
    cached = Cached(system, examples, phase, views=8)
    batch = cached.batch([3, 5 * 40 + 7])
    images = examples.batch([3, 7]).image
    turned = torch.stack([images[0], torch.rot90(images[1], 5 % 4, (1, 2)).flip(2)])
    for found, wanted in zip(batch.activations, system.activations(turned), strict=True):
        assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert batch.label.equal(examples.labels[[3, 7]])
    assert batch.attributes.equal(examples.attributes[[3, 7]])
    assert len(cached) == 40


@pytest.fixture(scope="module")
def files(source, tmp_path_factory):
    """Some of the shapes as files."""
    folder, roles = tmp_path_factory.mktemp("files"), {}
    for role, count in (("train", 21), ("validation", 9)):
        chosen = source.roles[role]
        paths = [folder / f"{role}-{number}.png" for number in range(count)]
        for path, image in zip(paths, chosen.image, strict=False):
            Image.fromarray(image[0].numpy()).save(path)
        own = chosen.select(range(count))
        roles[role] = Files(paths, Preprocessing(1, 32, 32), own.labels, own.attributes)
    return roles


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty folder for cached activations, and the images that were read since."""
    monkeypatch.setenv("ANTEHOC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "_CHUNK", 8)
    computed, rows = [], store.Store.rows
    monkeypatch.setattr(
        store.Store,
        "rows",
        lambda self, names, compute, **how: rows(
            self, names, lambda positions: computed.extend(positions) or compute(positions), **how
        ),
    )
    return computed


def same(one, other):
    return [key for key, value in one.state_dict().items() if not value.equal(other.state_dict()[key])] == []


@pytest.mark.parametrize("augment", ["none", "flip", "crops"])
@pytest.mark.parametrize(
    ("part", "arguments"), [("mirror", {}), ("main", {"frozen_stages": 1})], ids=["the classifier", "its stages"]
)
def test_a_cache_on_disk_trains_as_one_in_memory_does(build, run, files, cache, part, arguments, augment):
    how = {"train": (part,), "roles": files, "epochs": 2, "batch_size": 5, "augment": augment, "views": 3}
    memory, disk, again = (build(**arguments) for _ in range(3))
    histories = [run(memory, **how, cache=True), run(disk, **how, cache="disk")]
    views = {"none": 1, "flip": 2, "crops": 3}[augment]
    assert len(cache) == views * 21 + 9
    histories.append(run(again, **how, cache="disk"))
    assert len(cache) == views * 21 + 9, "all was found again"
    assert same(memory, disk)
    assert same(disk, again)
    assert histories[0] == histories[1] == histories[2]


def test_a_cache_on_disk_serves_every_part_after_the_frozen_stages(build, run, files, cache):
    system = build(frozen_stages=2)
    run(system, roles=files, train=("main",), cache="disk")
    run(system, roles=files, train=("mirror",), cache="disk", batch_size=7)
    part = {"train": files["train"].select(range(3, 9)), "validation": files["train"].select([0])}
    run(system, roles=part, train=("main", "mirror"), cache="disk")
    assert len(cache) == 30


@pytest.mark.parametrize(
    ("which", "count"),
    [("weights", 30), ("preprocessing", 30), ("seed", 42), ("nothing", 0)],
)
def test_other_weights_preprocessing_or_seeds_are_computed_anew(build, run, files, cache, which, count, tmp_path):
    system, phase = build(), Phase(("mirror",), 1, 16, augment="crops", views=3, cache="disk")
    phase = phase if which in ("seed", "nothing") else replace(phase, views=1)
    run_phase(build(), phase, files, tmp_path / "one", runner=CPU)
    cache.clear()
    if which == "weights":
        with torch.no_grad():
            system.main.backbone.stages[0][0].weight += 0.01
    if which == "preprocessing":
        files = {role: copy.copy(examples) for role, examples in files.items()}
        for examples in files.values():
            examples.preprocessing = replace(examples.preprocessing, background=0.5)
    run_phase(system, phase, files, tmp_path / "two", seed=int(which == "seed"), runner=CPU)
    assert len(cache) == count


def test_an_augmentation_that_draws_from_files_draws_anew_in_every_epoch(build, run, files, monkeypatch):
    drawn = []
    draw = augmentation.augment
    monkeypatch.setattr(augmentation, "augment", lambda *given: drawn.append(given[-1]) or draw(*given))
    run(build(), roles=files, epochs=3, augment="crops")
    assert len(drawn) == len(set(drawn)) == 3 * 21, "no validation image among them"


@pytest.mark.parametrize(
    ("how", "advice"), [({"augment": "crops"}, "take `flip`"), ({"cache": "disk"}, "take `cache: true`")]
)
def test_images_in_memory_are_refused_where_files_are_needed(build, run, how, advice):
    with pytest.raises(RecipeError, match=f"these images are in memory; {advice}"):
        run(build(), train=("mirror",), **how)


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("train", [("main",), ("mirror",), ("main", "mirror")])
def test_frozen_stages_stand_still_in_every_phase(build, run, train, cache):
    system = build(frozen_stages=2)
    before, stages = state(system), system.main.backbone.stages
    modes = []
    stages[0].register_forward_hook(
        lambda part, inputs, output: modes.append((part.training, inputs[0].requires_grad or output.requires_grad))
    )
    run(system, train=train, cache=cache)
    assert set(modes) == {(False, False)}
    assert {parameter.grad is None for parameter in stages[:2].parameters()} == {True}
    moved = {key for key, value in system.state_dict().items() if not value.equal(before[key])}
    assert not any(key.startswith(("main.backbone.stages.0.", "main.backbone.stages.1.")) for key in moved)
    assert any(key.startswith("main.backbone.stages.2.") for key in moved) == ("main" in train)
    assert {key.split(".")[0] for key in moved} == set(train)


@pytest.mark.parametrize("train", [("main",), ("main", "mirror")])
def test_batch_norms_without_statistics_of_their_own_stay_fixed(build, run, train):
    system = build()
    system.main.backbone.fix_statistics()
    before = state(system)
    run(system, train=train)
    moved = {key for key, value in system.state_dict().items() if not value.equal(before[key])}
    kept = {key for key in before if key.startswith("main.") and ("running_" in key or "batches_tracked" in key)}
    assert kept
    assert not kept & moved
    assert any(key.startswith("main.backbone") for key in moved), "its weights learn all the same"


def test_a_mirror_that_does_not_teach_leaves_the_classifier_to_learn_as_if_alone(build, run):
    # bit for bit as long as no dropout draws from the random numbers of both, and the last weights are kept
    alone, beside, taught = build(), build(mirror_teaches=False), build()
    how = {"epochs": 2, "augment": "flip", "schedule": "one-cycle", "weight_decay": 0.01}
    run(alone, train=("main",), **how)
    run(beside, train=("main", "mirror"), **how)
    run(taught, train=("main", "mirror"), **how)
    assert same(alone.main, beside.main)
    assert not same(alone.main, taught.main)


ALONE = [{}, {"cache": True}, {"weights": {"label": 5.0}}, {"keep": "best", "weight_decay": 0.1, "augment": "flip"}]
BESIDE = [
    {},
    {"mirror_teaches": False, "dropout": 0.5},
    {"mirror": "full", "warm_start": True, "frozen_stages": 1, "dropout": 0.5},
    {"mirror": "full", "join": "concat", "batch_norm": "update"},
]


@pytest.mark.parametrize("how", ALONE)
@pytest.mark.parametrize("arguments", BESIDE)
def test_a_phase_of_the_mirror_alone_changes_no_decision(build, run, source, arguments, how):
    system, images = build(**arguments), source.roles["test"].images(range(64))
    run(system)  # weights and statistics that are no longer the first ones
    before = state(system.main), system(images)
    run(system, train=("mirror",), epochs=2, **how)
    after = system(images)
    assert all(value.equal(before[0][key]) for key, value in system.main.state_dict().items())
    assert after.logits.equal(before[1].logits)
    assert not after.attribute_logits.equal(before[1].attribute_logits)


def test_a_phase_of_the_explainer_alone_changes_no_decision_on_whole_images(build, run, source):
    system, images = build("joint"), source.roles["test"].images(range(64))
    run(system, train=("classifier",))
    before = state(system.classifier), system.classifier(images).logits, system(images).mask
    run(system, train=("explainer",), epochs=2)
    assert all(value.equal(before[0][key]) for key, value in system.classifier.state_dict().items())
    assert system.classifier(images).logits.equal(before[1])
    assert not system(images).mask.equal(before[2])


@pytest.mark.parametrize("how", [{"keep": "best"}, {"patience": 3}])
def test_without_validation_images_nothing_can_be_chosen_by_them(build, run, source, how):
    roles = source.roles | {"validation": source.roles["validation"].select([])}
    message = "phase 1: `keep: best` and `patience` choose by validation images, and there are none"
    with pytest.raises(RecipeError, match=message):
        run(build(), roles=roles, **how)


@pytest.mark.parametrize("cache", [False, True])
def test_without_validation_images_a_phase_trains_the_same(build, run, source, cache):
    with_, without = build(), build()
    roles = source.roles | {"validation": source.roles["validation"].select([])}
    how = {"train": ("mirror",), "epochs": 2, "cache": cache}
    long, short = run(with_, **how), run(without, roles=roles, **how)
    assert same(with_, without)
    assert short == [{name: value for name, value in epoch.items() if name.startswith("train")} for epoch in long]


def test_rates_by_depth_reach_the_optimiser(build, run):
    # plain steps of a rate so small that the weights hardly change: how far each moves is its rate times its gradient
    moves = []
    for how in ({}, {"backbone_rate": 0.5}):
        system = build()
        before = state(system)
        run(system, optimizer="sgd", batch_size=96, learning_rate=1e-3, **how)
        moves.append({name: parameter.detach() - before[name] for name, parameter in system.named_parameters()})
    shares = {"main.head.weight": 1, **{f"main.backbone.stages.{n}.1.bias": 0.5 for n in range(3)}}
    for name, share in shares.items():
        assert moves[0][name].abs().max() > 0
        # a move is the difference of two single-precision numbers that it is small beside
        assert_close(moves[1][name], share * moves[0][name], rtol=0.01, atol=1e-8)


def test_a_part_that_moves_cannot_be_cached(build, run):
    for train in (("main",), ("main", "mirror")):
        message = f"a phase that trains {', '.join(train)} has no frozen part .* cached; leave `cache` out"
        with pytest.raises(RecipeError, match=message):
            run(build(), train=train, cache=True)


def test_activations_beyond_the_limit_are_computed_in_every_step(build, run, monkeypatch, caplog):
    monkeypatch.setattr(activations, "_CACHE_LIMIT", 1000)
    system, other = build(), build()
    with caplog.at_level(logging.WARNING, logger="antehoc"):
        run(system, train=("mirror",), cache=True)
    assert "computed in every step instead of cached" in caplog.text
    run(other, train=("mirror",))
    assert all(value.equal(other.state_dict()[key]) for key, value in system.state_dict().items())


@pytest.mark.parametrize("augment", ["flip", "orientations"])
@pytest.mark.parametrize("cache", [False, True])
def test_augmented_phases_repeat_exactly(build, run, augment, cache):
    plain, *twins = [build() for _ in range(3)]
    for system in twins:
        run(system, train=("mirror",), augment=augment, cache=cache)
    run(plain, train=("mirror",), cache=cache)
    assert all(value.equal(twins[1].state_dict()[key]) for key, value in twins[0].state_dict().items())
    assert not plain.mirror.head.weight.equal(twins[0].mirror.head.weight), "the images were turned"


def test_every_step_of_every_epoch_turns_the_images_anew(build, run, monkeypatch):
    turns, turn = [], loop.view
    monkeypatch.setattr(
        loop, "view", lambda image, augment, number: turns.append(number) or turn(image, augment, number)
    )
    run(build(), epochs=4, augment="orientations", learning_rate=1e-6)
    steps = 96 // 16
    epochs = [tuple(turns[start : start + steps]) for start in range(0, 4 * steps, steps)]
    assert len(turns) == 4 * steps, "validation images stay as they are"
    assert len(set(epochs)) == 4
    assert len(set(turns)) > 4


def test_orientations_of_images_that_are_not_square_are_refused(run):
    spec = DataSpec(("a", "b"), 1, 16, 20, ("x",), ((0.0,), (1.0,)))
    system = SYSTEMS["mirror"](spec, backbone="tiny")
    wide = Tensors(torch.zeros(4, 1, 16, 20, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]), torch.zeros(4, 1))
    with pytest.raises(RecipeError, match="these are not square; take `flip`"):
        run(system, roles={"train": wide, "validation": wide}, augment="orientations")


@pytest.mark.parametrize("part", ["miror", "distance"])
def test_an_unknown_part_is_refused(build, run, part):
    with pytest.raises(RecipeError, match=rf"no part '{part}' to train\..*Known: main, mirror\."):
        run(build(), train=(part,))


def test_an_unknown_loss_term_is_refused(build, run):
    with pytest.raises(RecipeError, match=r"phase 1: no loss term is called 'labels'; its terms are label, attributes"):
        run(build(), train=("mirror",), weights={"labels": 1.0})
    with pytest.raises(RecipeError, match=r"no loss term is called 'attributes'; its terms are label"):
        run(build(), train=("main",), weights={"attributes": 1.0})


@pytest.mark.parametrize("how", [{"keep": "best"}, {"patience": 2}, {}])
def test_an_unknown_figure_to_monitor_is_refused_before_the_training(build, run, how):
    system = build()
    before = state(system)
    with pytest.raises(RecipeError, match=r"phase 1: no figure is called 'acuracy'\. Did you mean 'accuracy'"):
        run(system, monitor="acuracy", **how)
    assert all(value.equal(before[key]) for key, value in system.state_dict().items())


def test_weights_of_loss_terms_apply(build, run):
    (plain,) = run(build(), train=("main", "mirror"))
    assert plain["train/loss"] == pytest.approx(plain["train/label"] + plain["train/attributes"], rel=1e-5)
    system = build()
    (heavy,) = run(system, train=("main", "mirror"), weights={"label": 0.5, "attributes": 3.0})
    assert heavy["train/loss"] == pytest.approx(0.5 * heavy["train/label"] + 3 * heavy["train/attributes"], rel=1e-5)
    system = build()
    head = system.main.head.weight.clone()
    run(system, train=("main", "mirror"), weights={"label": 0.0})
    assert system.main.head.weight.equal(head), "a term of weight 0 teaches nothing"


def test_the_history_holds_every_epoch(build, run):
    history = run(build(), epochs=3)
    assert len(history) == 3
    for epoch in history:
        assert {"train/label", "train/loss", "val/accuracy", "val/loss"} <= set(epoch)
        assert 0 <= epoch["val/accuracy"] <= 1


def decided(system, examples):
    with torch.no_grad():
        return system.eval()(examples.batch(range(len(examples))).image)


def test_validation_figures_are_those_of_all_validation_images(build, run, source):
    system, validation = build(), source.roles["validation"]
    # 40 images in batches of 16: the last batch is smaller, and must not count as much
    history = run(system, train=("mirror",))
    output = decided(system, validation)
    right = (output.logits.argmax(1) == validation.labels).double().mean()
    bits = ((output.attribute_logits >= 0) == (validation.attributes > 0.5)).double().mean()
    assert history[-1]["val/accuracy"] == pytest.approx(float(right), abs=1e-6)
    assert history[-1]["val/attribute_accuracy"] == pytest.approx(float(bits), abs=1e-6)


class Snapshots(Callback):
    """What the weights were after every epoch."""

    def __init__(self):
        self.states = []

    def on_validation_end(self, trainer, module):
        self.states.append(state(module.system))


@pytest.fixture
def snapshots(monkeypatch):
    """Watches the weights of a phase, by Lightning's own hook."""
    kept = Snapshots()
    make = loop.L.Trainer
    monkeypatch.setattr(loop.L, "Trainer", lambda *, callbacks, **given: make(callbacks=[*callbacks, kept], **given))
    return kept


@pytest.mark.parametrize("monitor", ["loss", "accuracy"])
def test_keep_best_ends_with_the_weights_of_the_best_epoch(build, run, snapshots, monitor):
    # a rate so large that the last epoch is hardly the best one
    system = build()
    history = run(system, epochs=6, learning_rate=0.3, optimizer="sgd", keep="best", monitor=monitor)
    values = [epoch[f"val/{monitor}"] for epoch in history]
    best = values.index(min(values) if monitor == "loss" else max(values))
    assert len(set(values)) > 1
    assert all(value.equal(snapshots.states[best][key]) for key, value in system.state_dict().items())


def test_keep_best_is_put_to_the_test(build, run):
    history = run(build(), epochs=6, learning_rate=0.3, optimizer="sgd", keep="best")
    values = [epoch["val/loss"] for epoch in history]
    assert values.index(min(values)) != 5, "else the tests above could not tell best from last"


def test_keep_last_ends_with_the_weights_of_the_last_epoch(build, run, snapshots):
    system = build()
    run(system, epochs=3, learning_rate=0.3, optimizer="sgd")
    assert all(value.equal(snapshots.states[-1][key]) for key, value in system.state_dict().items())


def test_training_stops_when_patience_is_at_its_end(build, run):
    # a rate that moves nothing: no epoch is better than the first
    frozen = {"weights": {"label": 0.0}, "monitor": "accuracy", "optimizer": "sgd", "learning_rate": 1e-12}
    history = run(build(), train=("mirror",), epochs=20, patience=2, **frozen)
    assert len(history) == 3, "the first epoch, and two that are no better"
    assert len(run(build(), train=("mirror",), epochs=5, **frozen)) == 5


def test_the_callers_random_state_and_warnings_stay_as_they_were(build, run):
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    filters, level = list(warnings.filters), logging.getLogger("lightning.pytorch").level
    run(build(), augment="orientations")
    assert torch.rand(3).equal(wanted)
    assert warnings.filters == filters
    assert logging.getLogger("lightning.pytorch").level == level


def test_the_number_of_a_phase_gives_it_random_numbers_of_its_own(build, source, tmp_path):
    phase = Phase(("main",), 1, 16)
    found = []
    for number, seed in ((0, 0), (0, 0), (1, 0), (0, 1)):
        system = build()
        run_phase(system, phase, source.roles, tmp_path / f"{len(found)}", number=number, seed=seed, runner=CPU)
        found.append(system.main.head.weight.detach().clone())
    assert found[0].equal(found[1])
    assert not found[0].equal(found[2])
    assert not found[0].equal(found[3])


class Killed(BaseException):
    """Stands for a kill: nothing in the library may catch it."""


def killed_and_resumed(system, phase, roles, folder, monkeypatch, moment):
    """A phase that dies at a moment, then a new process's view of it: weights as before the phase, `resume`."""
    fresh = copy.deepcopy(system)

    def die(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        if moment == "before the mark":
            patch.setattr(loop, "write_weights", die)
        elif moment == "between best and last":
            patch.setattr(loop.ModelCheckpoint, "on_train_epoch_end", dying_at_last(1))
        else:
            patch.setattr(loop.History, "on_train_epoch_end", dying_in(moment))
        with pytest.raises(Killed):
            run_phase(system, phase, roles, folder, runner=CPU)
    assert not (folder / "done.safetensors").exists()
    history = run_phase(fresh, phase, roles, folder, runner=CPU, resume=True)
    return fresh, history


def dying_in(epoch):
    keep = loop.History.on_train_epoch_end

    def record(self, trainer, module):
        if trainer.current_epoch == epoch:
            raise Killed
        keep(self, trainer, module)

    return record


def dying_at_last(epoch):
    keep = loop.ModelCheckpoint.on_train_epoch_end

    def save(self, trainer, module):
        if self.filename == "last" and trainer.current_epoch == epoch:
            raise Killed
        keep(self, trainer, module)

    return save


@pytest.mark.parametrize("moment", [0, 1, 3, "between best and last", "before the mark"])
@pytest.mark.parametrize(
    "how",
    [
        {"patience": 2, "keep": "best"},
        {"schedule": "one-cycle", "augment": "flip"},
        {"keep": "best"},
    ],
    ids=str,
)
def test_a_phase_that_died_goes_on_to_the_same_weights(build, run, source, tmp_path, monkeypatch, moment, how):
    given_ = {"train": ("main",), "epochs": 4, "batch_size": 32, "learning_rate": 0.05, "optimizer": "sgd"} | how
    whole = build()
    history = run(whole, **given_)
    if isinstance(moment, int) and moment >= len(history):
        pytest.skip("it stopped before that epoch")
    found, again = killed_and_resumed(
        build(), Phase(**given_), source.roles, tmp_path / "killed", monkeypatch, moment
    )  # fmt: skip
    assert again == history
    assert all(value.equal(found.state_dict()[key]) for key, value in whole.state_dict().items())


def test_half_a_checkpoint_starts_the_phase_anew(build, run, source, tmp_path):
    phase, whole = Phase(("main",), 2, 32), build()
    run(whole, epochs=2, batch_size=32, learning_rate=1e-3)
    for content in (b"", b"PK\3\4 half of it"):
        folder = tmp_path / f"{len(content)}"
        folder.mkdir()
        (folder / "last.ckpt").write_bytes(content)
        found = build()
        assert len(run_phase(found, phase, source.roles, folder, runner=CPU, resume=True)) == 2
        assert all(value.equal(found.state_dict()[key]) for key, value in whole.state_dict().items())


def test_a_finished_phase_is_taken_over(build, run, source, tmp_path):
    phase = Phase(("main",), 2, 16, keep="best")
    first, second = build(), build()
    history = run_phase(first, phase, source.roles, tmp_path / "p", runner=CPU)
    assert run_phase(second, phase, source.roles, tmp_path / "p", runner=CPU, resume=True) == history
    assert all(value.equal(second.state_dict()[key]) for key, value in first.state_dict().items())


@pytest.mark.parametrize("resumed", [False, True])
def test_a_warm_start_happens_once(build, source, tmp_path, monkeypatch, resumed):
    arguments = {"backbone": "tiny", "mirror": "full", "warm_start": True}
    phase = Phase(("mirror",), 3, 32, learning_rate=1e-12, optimizer="sgd")
    system = build(**arguments)
    if resumed:
        system, _ = killed_and_resumed(system, phase, source.roles, tmp_path / "w", monkeypatch, 1)
    else:
        run_phase(system, phase, source.roles, tmp_path / "w", runner=CPU)
    main, mirror = list(system.main.backbone.stages)[1:], list(system.mirror.stages)
    for own, copied in zip(main, mirror, strict=True):
        for one, other in zip(own.parameters(), copied.parameters(), strict=True):
            assert_close(one, other)


@pytest.mark.parametrize("join", ["add", "concat"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_full_mirror_of_a_timm_net_trains(run, tmp_path, join, channels):
    source = shapes(seed=0, side=32, train=32, validation=8, calibration=8, test=8)
    spec = DataSpec(source.spec.classes, channels, 32, 32, source.spec.attributes, source.spec.class_attributes)
    roles = {
        role: Tensors(examples.image.expand(-1, channels, -1, -1).contiguous(), examples.labels, examples.attributes)
        for role, examples in source.roles.items()
    }
    system = made("mirror", spec, backbone="test_resnet", mirror="full", join=join)
    before = state(system)
    run(system, roles=roles, train=("main",))
    history = run(system, roles=roles, train=("mirror",), cache=True)
    assert history[0]["train/attributes"] > 0
    moved = {".".join(key.split(".")[:2]) for key, value in system.state_dict().items() if not value.equal(before[key])}
    assert {"main.backbone", "main.head", "mirror.stages", "mirror.head"} <= moved
    assert ("mirror.mixes" in moved) == (join == "concat")


LEARNS = {
    "mirror": ({"backbone": "small", "width": 8}, ("main",), ("mirror",)),
    "joint": ({"classifier": "small", "bias": 1.0}, ("classifier",), ("explainer",)),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_learns_shapes_above_chance(build, run, name):
    source = shapes(seed=1, side=32, train=600, validation=40, calibration=40, test=400)
    arguments, first, second = LEARNS[name]
    system = build(name, **arguments)
    run(system, roles=source.roles, train=first, epochs=3, schedule="one-cycle")
    cache = system.cacheable(second)
    weights = {} if name == "mirror" else {"weights": {"area": 0.1}}
    run(system, roles=source.roles, train=second, epochs=2, schedule="one-cycle", cache=cache, **weights)
    test = source.roles["test"]
    output = decided(system, test)
    assert float((system.predicted(output) == test.labels).double().mean()) > 0.5, "four classes: chance is .25"
    if name == "mirror":
        bits = ((output.attribute_logits >= 0) == (test.attributes > 0.5)).double().mean()
        assert float(bits) > 0.75, "saying no to every attribute is right in .6"
    else:
        assert 0.01 < float(output.mask.mean()) < 0.99, "it hides something, and not all"


counts, sizes = st.integers(1, 60), st.integers(1, 20)


@given(count=counts, size=sizes, seed=st.integers(0, 2**32), epoch=st.integers(0, 9), views=st.sampled_from([1, 2, 8]))
def test_an_epoch_is_a_permutation_and_a_pure_function_of_seed_and_epoch(count, size, seed, epoch, views):
    batches = EpochBatches(count, size, seed, views=views)
    list(batches)  # what was drawn before leaves no trace
    batches.set_epoch(epoch)
    again = EpochBatches(count, size, seed, views=views)
    again.set_epoch(epoch)
    drawn = list(batches)
    assert drawn == list(again) == list(batches)
    flat = [number for batch in drawn for number in batch]
    assert sorted(number % count for number in flat) == list(range(count))
    assert max(flat) < views * count
    assert len(drawn) == len(batches) == -(-count // size)
    assert all(len(batch) == size for batch in drawn[:-1])


def test_epochs_and_seeds_have_orders_of_their_own():
    def order(seed, epoch):
        batches = EpochBatches(50, 50, seed)
        batches.set_epoch(epoch)
        return tuple(next(iter(batches)))

    assert len({order(seed, epoch) for seed in range(4) for epoch in range(4)}) == 16


def test_every_view_of_an_image_is_drawn_in_time():
    batches, seen = EpochBatches(20, 7, 0, views=8), set()
    for epoch in range(100):
        batches.set_epoch(epoch)
        seen |= {number for batch in batches for number in batch}
    assert seen == set(range(160))


def test_without_shuffling_images_come_in_their_order():
    assert list(EpochBatches(7, 3, 5, shuffle=False)) == [[0, 1, 2], [3, 4, 5], [6]]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_the_images_out(monkeypatch, world):
    shares = []
    for rank in range(world):
        batches = EpochBatches(20, 4, 0)
        monkeypatch.setattr(batches, "_share", lambda rank=rank: (rank, world))
        shares.append([number for batch in batches for number in batch])
        assert len(batches) == len(list(batches))
    flat = [number for share in shares for number in share]
    assert len({len(share) for share in shares}) == 1, "or one of them would wait for ever"
    assert len(set(flat)) == len(flat) == 20 // world * world


@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 300)), min_size=2, max_size=20, unique=True))
def test_mixed_seeds_differ_and_fit_torch(pairs):
    seeds = [mix(*pair) for pair in pairs]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert mix(1, 2) != mix(2, 1)


@pytest.fixture(params=[True, False], ids=["has bfloat16", "has not"])
def bfloat16(request, monkeypatch):
    """On a device that has bfloat16 arithmetic (the CPU emulates it where it has none), and on one without."""
    monkeypatch.setattr(precision, "has_bfloat16", lambda _: request.param)
    return request.param


def test_activations_cached_in_half_the_room_are_the_same_but_for_rounding(build, source, bfloat16):
    phase = Phase(("mirror",), 1, cache=True, batch_size=16)
    whole, half = (
        Cached(build(), source.roles["train"], replace(phase, cache_in=kind), views=1)
        for kind in ("float32", "bfloat16")
    )
    assert half.activations[-1].dtype == torch.bfloat16
    for one, other in zip(whole.batch(range(8)).activations, half.batch(range(8)).activations, strict=True):
        assert other.dtype == torch.float32
        assert not one.equal(other)
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.05)
        assert one.bfloat16().float().equal(other) is not bfloat16  # only kept, or also computed in bfloat16


def test_in_bfloat16_a_phase_rounds_its_steps_and_keeps_its_weights_whole(build, run, bfloat16):
    whole, half, again = (build() for _ in range(3))
    for system, kind in ((whole, "float32"), (half, "bfloat16"), (again, "bfloat16")):
        run(system, precision=kind)
    after = [state(system) for system in (whole, half, again)]
    name = next(key for key in after[0] if key.startswith("main") and key.endswith("weight"))
    assert after[0][name].equal(after[1][name]) is not bfloat16
    assert_close(after[0][name], after[1][name], rtol=0.1, atol=0.05)
    assert all(value.equal(after[2][key]) for key, value in after[1].items())  # the same seed, the same figures


def test_every_loss_of_joint_trains_in_bfloat16(run, bfloat16):
    spec = DataSpec(("nothing", "fox"), 1, 16, 16, absent="nothing")
    images = Tensors(torch.randint(0, 256, (32, 1, 16, 16), dtype=torch.uint8), torch.arange(2).repeat(16),
                     masks=torch.full((32, 1, 16, 16), 255, dtype=torch.uint8))  # fmt: skip
    system = made(
        "joint",
        spec,
        classifier="tiny",
        filters=(4, 8),
        gate="hard",
        smooth=1.0,
        budget=(0.1, 0.9),
        losses=tuple(SYSTEMS["joint"].weights),
    )
    before = state(system)
    figures = run(system, roles={"train": images, "validation": images}, train=("classifier", "explainer"),
                  epochs=2, precision="bfloat16")  # fmt: skip
    assert all(math.isfinite(value) for epoch in figures for value in epoch.values())
    learned = {name for name, _ in system.named_parameters()}
    weights = {name: value for name, value in system.state_dict().items() if value.dim() > 1 and name in learned}
    assert len(weights) > 10
    assert not [name for name, value in weights.items() if value.equal(before[name])]
