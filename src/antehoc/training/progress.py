"""Lines about a running phase, for logs and terminals without a progress bar."""

import logging
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

log = logging.getLogger(__name__)

EVERY = 10.0  #: seconds between two lines, at least


class Progress(Callback):
    """Log loss, accuracy and the time left: after an epoch or within one, at most once in ten seconds.

    The last epoch of a phase is always logged. Lines go to the logger of this module at level INFO.

    Args:
        number: of the phase, from 0 on.
    """

    def __init__(self, number: int) -> None:
        self.name = f"phase {number + 1}"
        self.started = self.logged = time.monotonic()
        self.first = 0.0  #: epochs done before this process began

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.started = self.logged = time.monotonic()
        self.first = float(trainer.current_epoch)

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._due():
            share = (batch_idx + 1) / trainer.num_training_batches
            self._log(trainer, f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}, {share:.0%}", share)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        done = trainer.current_epoch + 1
        if self._due() or done == trainer.max_epochs or trainer.should_stop:
            figures = {key: float(value) for key, value in trainer.callback_metrics.items()}
            split = "val" if "val/loss" in figures else "train"
            words = [
                f"{name} {figures[key]:.4f}" for name in ("loss", "accuracy") if (key := f"{split}/{name}") in figures
            ]
            where = " on validation images" if split == "val" else ""
            self._log(trainer, f"epoch {done} of {trainer.max_epochs}: {', '.join(words)}{where}", 1.0)

    def _due(self) -> bool:
        return time.monotonic() - self.logged >= EVERY

    def _log(self, trainer: L.Trainer, text: str, share: float) -> None:
        if not trainer.is_global_zero:
            return
        self.logged = time.monotonic()
        done = trainer.current_epoch + share
        left = (self.logged - self.started) / (done - self.first) * ((trainer.max_epochs or 0) - done)
        ends = done == trainer.max_epochs or trainer.should_stop
        log.info("%s, %s%s", self.name, text, "" if ends else f"; {duration(left)} left in this phase")


def duration(seconds: float) -> str:
    """A duration in words.

    Example:
        >>> duration(42.3), duration(200.0), duration(7500.0)
        ('42 s', '3 min 20 s', '2 h 5 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
