"""A training that diverges is stopped: a model of NaN decides nothing, and the epochs after it are lost."""

from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from antehoc.errors import RecipeError
from antehoc.nn.files import not_finite
from antehoc.training.phases import Phase

EVERY = 100  #: steps between two looks, since each waits for the device


class Divergence(Callback):
    """Stop a phase whose loss or weights become NaN or infinite, before a checkpoint keeps them.

    Args:
        phase: its learning rate is named.
        number: of the phase, from 0 on.
    Raises:
        RecipeError: from the hooks, with one sentence that says where it happened and what to change.
    """

    def __init__(self, phase: Phase, number: int) -> None:
        self.phase, self.number = phase, number

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % EVERY and batch_idx + 1 < trainer.num_training_batches:
            return
        loss = outputs["loss"] if isinstance(outputs, Mapping) else outputs
        if isinstance(loss, Tensor) and not bool(loss.isfinite().all()):
            self._stop(trainer, "the loss")
        learner: Any = module.learner
        if name := not_finite(learner.state_dict()):
            self._stop(trainer, f"the weights {name!r}")

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        loss = trainer.callback_metrics.get("val/loss")
        if loss is not None and not bool(loss.isfinite()):
            self._stop(trainer, "the loss on validation images")

    def _stop(self, trainer: L.Trainer, what: str) -> None:
        raise RecipeError(
            f"phase {self.number + 1}, epoch {trainer.current_epoch + 1}: {what} became NaN or infinite, so the"
            f" training has diverged; give the phase a lower learning_rate than {self.phase.learning_rate:g} and start"
            " a new run."
        )
