"""The one loop: every system and every phase is trained here, by Lightning."""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from antehoc.data.augmentation import Versions
from antehoc.data.examples import Examples, Fetched, Files
from antehoc.errors import RecipeError, near_miss
from antehoc.seeds import mix as mix
from antehoc.systems.base import System, Trainable
from antehoc.training.phases import DRAWN, Phase, build_optimizer, freeze, set_modes, view, views
from antehoc.training.store import Store, cache_folder, key
from antehoc.types import Batch, Role

log = logging.getLogger(__name__)
_CACHE_LIMIT = 4 * 2**30  # bytes of activations; beyond it a phase computes them anew in every step
_ENDLESS = 2**20  # versions of an image that is drawn anew in every epoch


@dataclass(frozen=True)
class Runner:
    """Where and how training runs: Lightning's accelerator and devices, and whether a bar shows its progress."""

    accelerator: str = "auto"
    devices: int = 1
    progress: bool = False


class Training(L.LightningModule):
    """One phase of a system."""

    def __init__(self, system: System[Any], phase: Phase, number: int, seed: int) -> None:
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
        )  # dropout and damage; `fit` gives the world its state back

    def training_step(self, batch: Batch, index: int) -> Tensor:
        if not batch.activations and views(self.phase.augment) > 1:
            generator = torch.Generator().manual_seed(mix(self.seed, self.number, self.current_epoch, index))
            turn = int(torch.randint(views(self.phase.augment), (), generator=generator))
            mask = None if batch.mask is None else view(batch.mask, self.phase.augment, turn)
            batch = batch._replace(image=view(batch.image, self.phase.augment, turn), mask=mask)
        return self._step("train", batch, last=index + 1 == self.trainer.num_training_batches)

    def validation_step(self, batch: Batch, index: int) -> Tensor:
        return self._step("val", batch, last=index + 1 == self.trainer.num_val_batches[0])

    def _step(self, split: str, batch: Batch, *, last: bool) -> Tensor:
        output = self.learner.from_activations(batch.activations or self.learner.activations(batch.image))
        terms = self.learner.loss_terms(output, batch)
        total = torch.stack([self.term_weights[name] * term for name, term in terms.items()]).sum()
        figures = terms if split == "train" else self.learner.scores(output, batch)
        self._keep(split, {**figures, "loss": total}, len(batch.label), last=last)
        return total

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


class EpochBatches(Sampler[list[int]]):
    """Batches of image numbers in an order that depends on seed and epoch alone, shared out among processes.

    With several views of an image, each is drawn anew in every epoch: number v * count + i is view v of image i.
    """

    def __init__(self, count: int, batch_size: int, seed: int, *, views: int = 1, shuffle: bool = True) -> None:
        self.count, self.batch_size, self.seed, self.views, self.shuffle = count, batch_size, seed, views, shuffle
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before every epoch, also after a resume."""
        self.epoch = epoch

    def _share(self) -> tuple[int, int]:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        return 0, 1

    def __iter__(self) -> Iterator[list[int]]:
        rank, world = self._share()
        order = torch.arange(self.count)
        if self.shuffle:
            generator = torch.Generator().manual_seed(mix(self.seed, self.epoch))
            order = torch.randperm(self.count, generator=generator)
            if self.views > 1:
                order = order + self.count * torch.randint(self.views, (self.count,), generator=generator)
        whole = order[: len(order) // world * world] if self.shuffle else order
        own = whole[rank::world]
        return iter([part.tolist() for part in torch.split(own, self.batch_size)])

    def __len__(self) -> int:
        own = self.count // self._share()[1]
        return -(-own // self.batch_size)


class _Whole(Dataset[Batch]):
    """Hands out whole batches, so that images in memory are never collated one by one."""

    def __init__(self, examples: Fetched) -> None:
        self.examples = examples

    def __getitem__(self, indices: list[int]) -> Batch:
        return self.examples.batch(indices)


class Cached:
    """Examples with the frozen part's activations, one set per view, in place of the images."""

    def __init__(self, learner: Trainable[Any], examples: Examples, phase: Phase, *, views: int, seed: int = 0) -> None:
        self.count = len(examples)
        self.labels, self.attributes = examples.labels, examples.attributes
        self.empty = examples.batch([0]).image[:0]
        drawn = phase.augment in DRAWN and views > 1
        source: Fetched = Versions(examples, phase.augment, seed) if drawn else examples
        device = next(learner.parameters()).device

        def compute(number: int, rows: Sequence[int]) -> tuple[Tensor, ...]:
            parts = []
            for start in range(0, len(rows), phase.batch_size):
                own = rows[start : start + phase.batch_size]
                image = source.batch([row + number * self.count for row in own] if drawn else own).image.to(device)
                image = image if drawn else view(image, phase.augment, number)
                with torch.autocast(device.type, torch.bfloat16, enabled=phase.cache_in == "bfloat16"):
                    parts.append(tuple(activation.cpu() for activation in learner.activations(image)))
            return tuple(torch.cat(column) for column in zip(*parts, strict=True))

        found = []
        for number in range(views):
            if phase.cache == "disk":
                version = (phase.augment, seed, number) if number else ("plain", 0, 0)
                found.append(_stored(learner, examples, (*version, phase.cache_in), compute, phase.batch_size))
            else:
                found.append(compute(number, range(self.count)))
        self.activations = tuple(torch.cat(column) for column in zip(*found, strict=True))

    def __len__(self) -> int:
        return self.count

    def batch(self, indices: Sequence[int]) -> Batch:
        rows = torch.as_tensor(indices)
        images = rows % self.count
        chosen = tuple(activation[rows].float() for activation in self.activations)
        return Batch(self.empty, self.labels[images], self.attributes[images], chosen)


def _stored(
    learner: Trainable[Any],
    examples: Examples,
    version: tuple[str, int, int, str],
    compute: Callable[[int, Sequence[int]], tuple[Tensor, ...]],
    at_once: int,
) -> tuple[Tensor, ...]:
    """One view's activations from disk, where the missing ones are put."""
    if not isinstance(examples, Files):
        raise RecipeError("cache: 'disk' is for image files, and these images are in memory; take `cache: true`.")
    store = Store(cache_folder() / key(learner.frozen_part(), *version, examples.preprocessing))
    names = [digest.hex() for digest in examples.content_hashes()]
    return store.rows(names, lambda rows: compute(version[2], rows), at_once=at_once)


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


class Average(Callback):
    """A running average of what learns, which takes its place in validation and in what a phase leaves.

    It starts from the weights after the first step. Whole numbers, such as batch norm's count of steps, are the last.
    Differs: Lightning's own averages what stands still as well, which costs time and moves it by rounding.
    """

    def __init__(self, phase: Phase) -> None:
        self.phase = phase
        self.average: dict[str, Tensor] = {}

    def learning(self, module: L.LightningModule) -> dict[str, Tensor]:
        """Weights and statistics of the parts that learn, by their names in a checkpoint."""
        return {key: value for key, value in module.state_dict().items() if key.split(".")[1] in self.phase.train}

    @torch.no_grad()
    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: object) -> None:
        for name, value in self.learning(module).items():
            if name in self.average and value.is_floating_point():
                self.average[name].lerp_(value, 1 - self.phase.average)
            else:
                self.average[name] = value.clone()

    @torch.no_grad()
    def _swap(self, module: L.LightningModule) -> None:
        for name, value in self.learning(module).items():
            own = value.clone()
            value.copy_(self.average[name])
            self.average[name] = own

    def on_validation_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._swap(module)

    def on_validation_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._swap(module)

    def on_save_checkpoint(self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["learning"] = self.learning(module)
        checkpoint["state_dict"] = {**checkpoint["state_dict"], **self.average}

    def on_load_checkpoint(self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        self.average = {name: checkpoint["state_dict"][name] for name in checkpoint["learning"]}
        module.load_state_dict(checkpoint["learning"], strict=False)

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.average = {name: value.to(module.device) for name, value in self.average.items()}


def loader(examples: Fetched, batches: EpochBatches) -> DataLoader[Batch]:
    """Whole batches in the sampler's order."""
    return DataLoader(_Whole(examples), sampler=batches, batch_size=None, collate_fn=_as_it_is)


def _as_it_is(batch: Any) -> Any:
    """Torch's own conversion would make lists of tuples."""
    return batch


def run_phase(
    system: System[Any],
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
        RecipeError: where the phase does not fit the system.
    """
    done = folder / "done.safetensors"
    if resume and done.exists():
        system.load_state_dict(load_file(done))
        return list(torch.load(folder / "history.pt", weights_only=True))
    views_seed = seed if views_seed is None else views_seed
    freeze(system, phase.train)
    module = Training(system, phase, number, seed)
    _check(module, roles)
    behind = _epochs_behind(folder / "last.ckpt") if resume else 0
    if not behind:
        system.begin_phase(phase.train)
    train: Fetched = roles["train"]
    validation: Fetched = roles["validation"]
    if phase.cache:
        train, validation = _cached(system, module.learner, roles["train"], roles["validation"], phase, views_seed)
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
    save_file(system.state_dict(), folder / "part.safetensors")
    (folder / "part.safetensors").replace(done)
    return history


def _fit(
    module: Training, train: Fetched, validation: Fetched, folder: Path, runner: Runner, *, behind: int
) -> str | None:
    """Let Lightning run the phase; the place of its best checkpoint where the best weights are to be kept.

    `behind` is how many epochs `last.ckpt` holds; 0 starts anew.
    """
    phase = module.phase
    mode = "min" if phase.monitor == "loss" else "max"
    callbacks: list[Callback] = [History()]
    best = ModelCheckpoint(folder, "best", f"val/{phase.monitor}", mode=mode)
    if phase.keep == "best":
        callbacks.append(best)  # before `last`, which records what is best so far
    callbacks.append(ModelCheckpoint(folder, "last", enable_version_counter=False))
    if phase.average:
        callbacks.append(Average(phase))
    if phase.patience is not None:
        callbacks.append(EarlyStopping(f"val/{phase.monitor}", patience=phase.patience, mode=mode))
    if runner.progress:
        callbacks.append(TQDMProgressBar(refresh_rate=20))
    views_ = _ENDLESS if isinstance(train, Versions) else 1
    if isinstance(train, Cached):
        views_ = len(train.activations[0]) // len(train)
    batches = EpochBatches(len(train), phase.batch_size, mix(module.seed, module.number), views=views_)
    batches.set_epoch(behind)  # Lightning tells it of a resumed epoch only when that has drawn its order
    with torch.random.fork_rng(), quiet():
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
            precision="bf16-mixed" if phase.precision == "bfloat16" else "32-true",
        )
        trainer.fit(
            module,
            loader(train, batches),
            loader(validation, EpochBatches(len(validation), phase.batch_size, 0, shuffle=False))
            if len(validation)
            else None,
            ckpt_path=folder / "last.ckpt" if behind else None,
            weights_only=True,
        )
    return best.best_model_path if phase.keep == "best" else None


def _epochs_behind(checkpoint: Path) -> int:
    """How many epochs a checkpoint holds; 0 where there is none, or where a kill left half of one."""
    try:
        return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["epoch"]) + 1
    except (OSError, EOFError, RuntimeError, KeyError, UnpicklingError):
        return 0


def _check(module: Training, roles: Mapping[Role, Examples]) -> None:
    """What does not fit, said before the training instead of in the midst of it."""
    phase, spec, where = module.phase, module.system.spec, f"phase {module.number + 1}"
    if phase.augment == "orientations" and spec.height != spec.width:
        raise RecipeError(f"{where}: orientations turn images, and these are not square; take `flip`.")
    if unknown := set(phase.weights) - set(module.learner.weights):
        known = ", ".join(module.learner.weights)
        raise RecipeError(f"{where}: no loss term is called {min(unknown)!r}; its terms are {known}.")
    if not len(roles["validation"]) and (phase.keep == "best" or phase.patience is not None):
        raise RecipeError(
            f"{where}: `keep: best` and `patience` choose by validation images, and there are none; leave them out."
        )
    set_modes(module.system, ())
    batch = roles["train"].batch([0])
    with torch.no_grad():
        figures = ["loss", *module.learner.scores(module.learner(batch.image), batch)]
    if phase.monitor not in figures:
        hint = near_miss(phase.monitor, figures)
        raise RecipeError(f"{where}: no figure is called {phase.monitor!r}.{hint} Known: {', '.join(figures)}.")


def _cached(
    system: System[Any], learner: Trainable[Any], train: Examples, validation: Examples, phase: Phase, seed: int
) -> tuple[Fetched, Fetched]:
    """The two sets with cached activations; with the images where they would not fit the limit."""
    if not system.cacheable(phase.train):
        raise RecipeError(
            f"a phase that trains {', '.join(phase.train)} has no frozen part whose activations could be cached; "
            "leave `cache` out."
        )
    set_modes(system, ())
    count = phase.views if phase.augment in DRAWN else views(phase.augment)
    with torch.no_grad():
        one = learner.activations(train.batch([0]).image.to(next(learner.parameters()).device))
        size = sum(a.numel() * a.element_size() for a in one) * len(train) * count
        if size > _CACHE_LIMIT:
            log.warning("activations of %.1f GiB are computed in every step instead of cached", size / 2**30)
            return (Versions(train, phase.augment, seed) if phase.augment in DRAWN else train), validation
        cached = Cached(learner, train, phase, views=count, seed=seed)
        return cached, (Cached(learner, validation, phase, views=1, seed=seed) if len(validation) else validation)


@torch.no_grad()
def with_activations(system: System[Any], examples: Examples, phases: Sequence[Phase]) -> Fetched:
    """Examples with the frozen part's activations from disk, where a phase of the training kept them there."""
    phase = next((phase for phase in phases if phase.cache == "disk"), None)
    if phase is None or not len(examples):
        return examples
    return Cached(system, examples, replace(phase, cache_in="float32"), views=1)


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
