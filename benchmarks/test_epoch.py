"""An epoch of training, with validation, over the training steps alone in a plain PyTorch loop.

Both train the classifier of the recipe `shapes`, with the same images, batches and threads. Epochs of the two are timed
in turn, so that a slow moment of the machine affects both.
"""

import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import Callback

from antehoc.model import build_system
from antehoc.recipe import read_recipe
from antehoc.training import loop
from antehoc.training.batches import EpochBatches
from antehoc.training.phases import freeze, set_modes

EPOCHS = 16


class InTurn(Callback):
    """Runs an epoch of the plain loop after each epoch of the phase, and times both."""

    def __init__(self, bare: Any) -> None:
        self.bare, self.epochs, self.bares = bare, [], [bare()]
        self.start = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.start = self.start or time.perf_counter()

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.epochs.append(time.perf_counter() - self.start)
        self.bares.append(self.bare())
        self.start = time.perf_counter()


def test_epoch_over_bare_loop(benchmark: Any, tmp_path: Path, monkeypatch: Any) -> None:
    recipe, _ = read_recipe("shapes", overrides=["data.calibration=600", "data.test=16"])
    source = recipe.source("shapes", 0)
    torch.manual_seed(0)
    plain, own = (build_system(source.spec, recipe.system, "shapes") for _ in range(2))
    freeze(plain, ("main",))
    set_modes(plain, ("main",))
    optimizer = torch.optim.NAdam(plain.main.parameters(), lr=0.01)
    train = source.roles["train"]
    batches = [train.batch(numbers) for numbers in EpochBatches(len(train), recipe.phases[0].batch_size, 0)]

    def bare() -> float:
        start = time.perf_counter()
        for batch in batches:
            optimizer.zero_grad()
            F.cross_entropy(plain.main(batch.image).logits, batch.label).backward()
            optimizer.step()
        return time.perf_counter() - start

    timer = InTurn(bare)
    monkeypatch.setattr(loop, "History", lambda: _Both(timer))
    phase = replace(recipe.phases[0], epochs=EPOCHS)
    benchmark.pedantic(lambda: loop.run_phase(own, phase, source.roles, tmp_path), rounds=1)
    benchmark.extra_info["epoch_seconds"] = statistics.median(timer.epochs)
    benchmark.extra_info["bare_seconds"] = statistics.median(timer.bares)
    benchmark.extra_info["ratio_to_bare"] = statistics.median(timer.epochs) / statistics.median(timer.bares)


class _Both(loop.History):
    """The history that the phase keeps, and the timer."""

    def __init__(self, timer: InTurn) -> None:
        super().__init__()
        self.timer = timer

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.timer.on_train_epoch_start(trainer, module)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        super().on_train_epoch_end(trainer, module)
        self.timer.on_train_epoch_end(trainer, module)

    @property
    def state_key(self) -> str:
        return "History"
