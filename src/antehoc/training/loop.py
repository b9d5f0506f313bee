"""The one loop: every phase of every model is trained here, by Lightning."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from antehoc.data.augmentation import Versions
from antehoc.data.examples import Examples, Fetched
from antehoc.errors import RecipeError, near_miss
from antehoc.nn.files import write_weights
from antehoc.seeds import mix
from antehoc.systems.base import Trainable
from antehoc.training.activations import Cached, cached
from antehoc.training.batches import EpochBatches, loader
from antehoc.training.callbacks import History, quiet, told
from antehoc.training.divergence import Divergence
from antehoc.training.memory import keep_freed_memory
from antehoc.training.phases import DRAWN, Phase, build_optimizer, freeze, set_modes, view, views
from antehoc.training.precision import precision
from antehoc.training.progress import Progress
from antehoc.types import Batch, Role

log = logging.getLogger(__name__)
_ENDLESS = 2**20  # versions of an image that is drawn again in every epoch


@dataclass(frozen=True)
class Runner:
    """Where and how training runs: Lightning's accelerator and devices, and whether a bar shows its progress."""

    accelerator: str = "auto"
    devices: int = 1
    progress: bool = False


class Training(L.LightningModule):
    """One phase of a model's training."""

    def __init__(self, system: Trainable[Any], phase: Phase, number: int, seed: int) -> None:
        super().__init__()
        self.system, self.phase, self.number, self.seed = system, phase, number, seed
        self.term_weights = {**self.learner.weights, **phase.weights}
        self.sums: dict[str, tuple[Tensor, int]] = {}
        self.said: set[str] = set()  #: kinds of remarks that were logged

    @property  # no attribute: its weights would stand in checkpoints under two names
    def learner(self) -> Trainable[Any]:
        """The least of the system that must run; the rest of the system rides along frozen."""
        return self.system.learner(self.phase.train)

    def on_train_epoch_start(self) -> None:
        set_modes(self.system, self.phase.train)
        torch.manual_seed(
            mix(self.seed, self.number, self.current_epoch)
        )  # for dropout and damage; `_fit` restores the global state

    def training_step(self, batch: Batch, index: int) -> Tensor:
        if not batch.activations and views(self.phase.augment) > 1:
            generator = torch.Generator().manual_seed(mix(self.seed, self.number, self.current_epoch, index))
            turn = int(torch.randint(views(self.phase.augment), (), generator=generator))
            mask, valid = (
                None if part is None else view(part, self.phase.augment, turn) for part in (batch.mask, batch.valid)
            )
            batch = batch._replace(image=view(batch.image, self.phase.augment, turn), mask=mask, valid=valid)
        return self._step("train", batch, last=index + 1 == self.trainer.num_training_batches)

    def validation_step(self, batch: Batch, index: int) -> Tensor:
        return self._step("val", batch, last=index + 1 == self.trainer.num_val_batches[0])

    def _step(self, split: str, batch: Batch, *, last: bool) -> Tensor:
        output = self._output(split, batch)
        terms = self.learner.loss_terms(output, batch)
        total = torch.stack([self.term_weights[name] * term for name, term in terms.items()]).sum()
        figures = terms if split == "train" else self.learner.scores(output, batch)
        self._keep(split, {**figures, "loss": total}, len(batch.label), last=last)
        return total

    def _output(self, split: str, batch: Batch) -> Any:
        learner = self.learner
        if batch.activations:
            return learner.from_activations(batch.activations)
        if split == "train":
            return learner.training_pass(batch.image)
        return learner.look(batch.image, learner(batch.image))

    def _keep(self, split: str, figures: Mapping[str, Tensor], images: int, *, last: bool) -> None:
        """Log each figure's mean over the epoch with its last step: in every step that costs more than a small net."""
        sums, count = self.sums.pop(split, (torch.zeros(()), 0))
        sums = sums + torch.stack([value.detach() for value in figures.values()]) * images
        self.sums[split] = sums, count + images
        if last:
            sums, count = self.sums.pop(split)
            means = dict(zip((f"{split}/{name}" for name in figures), sums / count, strict=True))
            weight = count if self.trainer.world_size > 1 else 1  # of this process's mean
            self.log_dict(means, on_step=False, on_epoch=True, batch_size=weight, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        figures = {name.removeprefix("val/"): float(value) for name, value in self.trainer.callback_metrics.items()}
        for remark in self.learner.remarks(figures):
            kind = remark.split(":")[0]
            if self.trainer.is_global_zero and kind not in self.said:
                log.warning("phase %d, epoch %d: %s", self.number + 1, self.current_epoch + 1, remark)
            self.said.add(kind)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        learning: dict[int, list[torch.nn.Parameter]] = {}
        for name, parameter in self.system.named_parameters():
            if parameter.requires_grad:
                learning.setdefault(self.system.depth(name), []).append(parameter)
        optimizer, schedule = build_optimizer(self.phase, learning, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def run_phase(
    system: Trainable[Any],
    phase: Phase,
    roles: Mapping[Role, Examples],
    folder: Path,
    *,
    number: int = 0,
    seed: int = 0,
    views_seed: int | None = None,
    runner: Runner | None = None,
    resume: bool = False,
) -> list[dict[str, float]]:
    """Train the named parts of a system in place, with a checkpoint after every epoch.

    Args:
        system: changed in place.
        phase: what to do.
        roles: `train` and `validation` examples.
        folder: for this phase's checkpoints; `done.safetensors` in it marks the phase as finished.
        number: of the phase, for its random numbers.
        seed: of the run.
        views_seed: of the versions of images that a cache holds; runs that share it share them. Default: `seed`.
        runner: accelerator, devices, progress bar.
        resume: go on from the last epoch, or take over what a finished phase left.
    Returns:
        Every epoch's figures by name.
    Raises:
        RecipeError: where the phase does not fit the system, or its training diverges.
    """
    done = folder / "done.safetensors"
    if resume and done.exists() and (finished := _finished(system, done)) is not None:
        return finished
    views_seed = seed if views_seed is None else views_seed
    check_phase(system, phase, roles, number=number)
    freeze(system, phase.train)
    module = Training(system, phase, number, seed)
    behind = _epochs_behind(folder / "last.ckpt") if resume else 0
    if not behind:
        system.begin_phase(phase.train)
    train: Fetched = roles["train"]
    validation: Fetched = roles["validation"]
    if phase.cache:
        train, validation = cached(system, module.learner, roles["train"], roles["validation"], phase, views_seed)
    elif phase.augment in DRAWN:
        train = Versions(roles["train"], phase.augment, mix(seed, number))
    best = _fit(module, train, validation, folder, runner or Runner(), behind=behind)
    last = torch.load(folder / "last.ckpt", map_location="cpu", weights_only=True)
    kept = torch.load(best, map_location="cpu", weights_only=True) if best else last
    system.to("cpu")
    module.load_state_dict(kept["state_dict"])
    system.eval()
    history: list[dict[str, float]] = last["callbacks"]["History"]["epochs"]
    torch.save(history, folder / "history.pt")
    write_weights(system.state_dict(), done)
    return history


def _fit(
    module: Training, train: Fetched, validation: Fetched, folder: Path, runner: Runner, *, behind: int
) -> str | None:
    """Let Lightning run the phase; the place of its best checkpoint where the best weights are to be kept.

    `behind` is how many epochs `last.ckpt` holds; 0 starts from the beginning.
    """
    phase = module.phase
    mode = "min" if phase.monitor == "loss" else "max"
    callbacks: list[Callback] = [Divergence(phase, module.number), History()]
    best = ModelCheckpoint(folder, "best", f"val/{phase.monitor}", mode=mode)
    if phase.keep == "best":
        callbacks.append(best)  # before `last`, which records what is best so far
    callbacks.append(ModelCheckpoint(folder, "last", enable_version_counter=False))
    if phase.patience is not None:
        callbacks.append(EarlyStopping(f"val/{phase.monitor}", patience=phase.patience, mode=mode))
    callbacks.append(TQDMProgressBar(refresh_rate=20) if runner.progress else Progress(module.number))
    views_ = _ENDLESS if isinstance(train, Versions) else 1
    if isinstance(train, Cached):
        views_ = len(train.activations[0]) // len(train)
    batches = EpochBatches(len(train), phase.batch_size, mix(module.seed, module.number), views=views_)
    batches.set_epoch(behind)  # Lightning tells it of a resumed epoch only when that has drawn its order
    keep_freed_memory()
    computed = precision(phase.precision, runner.accelerator, f"phase {module.number + 1}")
    with torch.random.fork_rng(), quiet(), told():
        trainer = L.Trainer(
            accelerator=runner.accelerator,
            devices=runner.devices,
            strategy="ddp_spawn" if runner.devices > 1 else "auto",  # a script run twice would make two run folders
            max_epochs=phase.epochs,
            callbacks=callbacks,
            logger=False,
            enable_progress_bar=runner.progress,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,  # EpochBatches shares out by itself
            default_root_dir=folder,
            precision="bf16-mixed" if computed == "bfloat16" else "32-true",
        )
        trainer.fit(
            module,
            loader(train, batches),
            loader(validation, EpochBatches(len(validation), 2 * phase.batch_size, 0, shuffle=False))  # no gradients
            if len(validation)
            else None,
            ckpt_path=folder / "last.ckpt" if behind else None,
            weights_only=True,
        )
    return best.best_model_path if phase.keep == "best" else None


def _finished(system: Trainable[Any], done: Path) -> list[dict[str, float]] | None:
    """The figures of a finished phase, its weights loaded; None if its files are damaged, so that it trains again."""
    try:
        history = list(torch.load(done.parent / "history.pt", weights_only=True))
        system.load_state_dict(load_file(done))
    except (OSError, EOFError, RuntimeError, SafetensorError, UnpicklingError) as error:
        log.warning("%s: its files are damaged (%s); the phase trains again", done.parent, type(error).__name__)
        return None
    return history


def _epochs_behind(checkpoint: Path) -> int:
    """How many epochs a checkpoint holds; 0 where there is none, or where a kill left half of one."""
    try:
        return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["epoch"]) + 1
    except (OSError, EOFError, RuntimeError, KeyError, UnpicklingError):
        return 0


def check_phase(
    system: Trainable[Any], phase: Phase, roles: Mapping[Role, Examples], *, number: int = 0, where: str = ""
) -> None:
    """Refuse a phase that does not fit its system or data, before it trains.

    Args:
        system: to be trained.
        phase: of its training.
        roles: of the data.
        number: of the phase, from 0.
        where: what an error names first, such as `birds.yaml, phases.0`; without it the phase's number.
    Raises:
        RecipeError: with one sentence that says what to change.
    """
    where = where or f"phase {number + 1}"
    try:
        freeze(system, phase.train)
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}") from None
    module = Training(system, phase, number, 0)
    batch = roles["train"].batch([0])
    if phase.augment == "orientations" and batch.image.shape[2] != batch.image.shape[3]:
        raise RecipeError(f"{where}: orientations turn images, and these are not square; take `flip`.")
    if unknown := set(phase.weights) - set(module.learner.weights):
        known = ", ".join(module.learner.weights)
        raise RecipeError(f"{where}: no loss term is called {min(unknown)!r}; its terms are {known}.")
    if not len(roles["validation"]) and (phase.keep == "best" or phase.patience is not None):
        raise RecipeError(
            f"{where}: `keep: best` and `patience` choose by validation images, and there are none; leave them out."
        )
    set_modes(module.system, ())
    with torch.no_grad():
        output = module.learner.look(batch.image, module.learner(batch.image))
        figures = ["loss", *module.learner.scores(output, batch)]
    if phase.monitor not in figures:
        hint = near_miss(phase.monitor, figures)
        raise RecipeError(f"{where}: no figure is called {phase.monitor!r}.{hint} Known: {', '.join(figures)}.")
