"""A training that diverges is stopped before it leaves anything behind."""

import pytest
import torch
from torch.multiprocessing.spawn import ProcessRaisedException

from antehoc.data.sets.shapes import shapes
from antehoc.errors import DataError, RecipeError
from antehoc.systems import SYSTEMS
from antehoc.training import divergence
from antehoc.training.callbacks import told
from antehoc.training.loop import Runner, run_phase
from antehoc.training.phases import Phase

CPU = Runner("cpu")


@pytest.fixture(scope="module")
def source():
    return shapes(seed=0, side=32, train=96, validation=40, calibration=8, test=8)


@pytest.fixture
def system(source):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SYSTEMS["mirror"](source.spec, backbone="tiny")


@pytest.mark.parametrize(
    ("how", "what"),
    [({}, "the loss"), ({"epochs": 1, "batch_size": 96}, "the loss on validation images")],
    ids=["several steps", "one step"],
)
@pytest.mark.parametrize("keep", ["last", "best"])
def test_a_training_that_diverges_is_stopped(source, system, tmp_path, how, what, keep):
    phase = Phase(**({"train": ("main", "mirror"), "epochs": 3, "learning_rate": 1e30, "keep": keep} | how))
    message = rf"^phase 2, epoch 1: {what} became NaN or infinite, .* lower learning_rate than 1e\+30 and start a new"
    with pytest.raises(RecipeError, match=message):
        run_phase(system, phase, source.roles, tmp_path, number=1, runner=CPU)
    assert not list(tmp_path.iterdir()), "nothing of it is kept"


def test_weights_that_are_lost_in_a_later_epoch_are_named(source, system, tmp_path, monkeypatch):
    def lose(trainer, module, *_):
        if module.current_epoch == 1:
            module.learner.head.weight.data[0, 0] = torch.inf
        look(trainer, module, {"loss": torch.zeros(())}, None, trainer.num_training_batches - 1)

    phase = Phase(("main",), 3)
    look = divergence.Divergence(phase, 0).on_train_batch_end
    monkeypatch.setattr(divergence.Divergence, "on_train_batch_end", lambda _, *given: lose(*given))
    with pytest.raises(RecipeError, match=r"^phase 1, epoch 2: the weights 'head\.weight' became NaN or infinite"):
        run_phase(system, phase, source.roles, tmp_path, runner=CPU)


def test_an_error_of_another_process_is_told_as_it_is():
    trace = "\n\n-- Process 1 terminated with the following error:\nTraceback (most recent call last):\n  File ...\n"
    with pytest.raises(DataError, match=r"^a\.png: it: is empty\.$"), told():
        raise ProcessRaisedException(f"{trace}antehoc.errors.DataError: a.png: it: is empty.\n", 1, 2)
    with pytest.raises(ProcessRaisedException, match="KeyError"), told():
        raise ProcessRaisedException(f"{trace}KeyError: 'a'\n", 1, 2)


@pytest.mark.slow
def test_a_training_on_two_devices_that_diverges_is_stopped(source, system, tmp_path):
    phase = Phase(("main", "mirror"), 1, 16, learning_rate=1e30)
    with pytest.raises(RecipeError, match=r"^phase 1, epoch 1: the loss became NaN or infinite"):
        run_phase(system, phase, source.roles, tmp_path, runner=Runner("cpu", devices=2))
