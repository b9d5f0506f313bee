"""What Lightning does beside training: it keeps the history, is quiet about itself, and tells errors as they are."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch.multiprocessing.spawn import ProcessRaisedException

from antehoc import errors


class History(Callback):
    """Every epoch's figures, kept in the checkpoint so that a resumed run has them all."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.epochs = self.epochs[: trainer.current_epoch]
        self.epochs.append({name: float(value) for name, value in trainer.callback_metrics.items()})

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": self.epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epochs = list(state["epochs"])


class quiet:
    """Silence what Lightning says of itself, for the length of a `with`: its advice on loaders, its hardware report."""

    def __enter__(self) -> None:
        self.loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
        self.levels = [logger.level for logger in self.loggers]
        for logger in self.loggers:
            logger.setLevel(logging.ERROR)
        self.catch = warnings.catch_warnings()
        self.catch.__enter__()
        for text in (
            ".*does not have many workers.*",
            ".*Checkpoint directory.*exists.*",
            ".*GPU available.*",
            ".*LeafSpec.*",
            ".*in eval mode at the start of training.*",  # on purpose: `set_modes`
            ".*have no `val_dataloader`.*",  # a set without validation images
        ):
            warnings.filterwarnings("ignore", message=text)

    def __exit__(self, *exception: object) -> None:
        self.catch.__exit__(None, None, None)
        for logger, level in zip(self.loggers, self.levels, strict=True):
            logger.setLevel(level)


@contextmanager
def told() -> Iterator[None]:
    """Raise an error that a user can fix as itself where training on several devices raised it in another process.

    PyTorch passes on no more than the text of its traceback.
    """
    try:
        yield
    except ProcessRaisedException as error:
        name, _, said = str(error).strip().splitlines()[-1].partition(": ")
        kind = getattr(errors, name.removeprefix(f"{errors.__name__}."), None)
        if isinstance(kind, type) and issubclass(kind, errors.AntehocError):
            raise kind(said) from None
        raise
