"""A system through all phases of its recipe; phases that variants have in common are trained once."""

import logging
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from antehoc.data import Examples, Source
from antehoc.model import build_system
from antehoc.nn.files import write_weights
from antehoc.recipe import Recipe
from antehoc.runs.clock import Clock
from antehoc.runs.job import Job
from antehoc.seeds import mix
from antehoc.systems import System
from antehoc.training.loop import run_phase
from antehoc.training.phases import Phase
from antehoc.types import Role

log = logging.getLogger(__name__)

History = list[list[dict[str, float]]]  # figures by phase and epoch


def train_system(
    recipe: Recipe,
    source: Source,
    roles: Mapping[Role, Examples],
    job: Job,
    *,
    fold: int = 0,
    clock: Clock | None = None,
    shared: Path | None = None,
) -> tuple[System[Any], History]:
    """Train a new system through all phases; the doubts are not fitted yet.

    Args:
        recipe: its system and phases.
        source: its data.
        roles: the images to train and validate on.
        job: seed, folder and device; `job.folder` keeps what a resumed job needs.
        fold: number of the fold that is left out, from 1 on, or of a further network: weights and order of images of
            its own. 0: none.
        clock: told the seconds of each phase.
        shared: where the variants of a run keep phases that they have in common. A phase of one part alone that
            begins alike and trains alike is trained once.
    Returns:
        The system, in eval mode, and the figures of each phase's epochs.
    """
    with torch.random.fork_rng():  # new weights come from the seed; the caller's random state stays as it is
        torch.manual_seed(mix(job.seed, 1, fold) if fold else mix(job.seed, 1))
        system = build_system(source.spec, recipe.system, f"{job.where}, system")
    seed = mix(job.seed, fold) if fold else job.seed
    history = []
    for number, phase in enumerate(recipe.phases):
        log.info("phase %d of %d: %s, %d epochs", number + 1, len(recipe.phases), ", ".join(phase.train), phase.epochs)
        kept = _kept(system, phase, recipe, (number, seed, job.seed), shared) if shared else None
        epochs = _take(kept, system, phase, number) if kept else None
        if epochs is None:
            epochs = run_phase(
                system, phase, roles, job.folder / f"phase-{number}", number=number, seed=seed, views_seed=job.seed,
                runner=job.runner, resume=job.resume,
            )  # fmt: skip
            if kept:
                _keep(kept, system, phase, epochs)
        history.append(epochs)
        if clock:
            clock.lap(f"phase {number + 1}")
    return system.eval(), history


def _kept(system: System[Any], phase: Phase, recipe: Recipe, numbers: tuple[int, ...], shared: Path) -> Path | None:
    """Where a phase's result lies that is the same for all variants: same part, weights, data, settings and seeds."""
    learner = system.learner(phase.train)
    if learner is system or phase.cache:
        return None
    digest = blake2b(repr((repr(learner), phase, sorted(recipe.data.items()), numbers)).encode(), digest_size=16)
    for name, value in learner.state_dict().items():
        digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return shared / digest.hexdigest()


def _take(kept: Path, system: System[Any], phase: Phase, number: int) -> list[dict[str, float]] | None:
    """The figures of a phase that another variant has trained already, its weights loaded; None where none has."""
    if not (kept / "part.safetensors").exists():
        return None
    log.info("phase %d: another variant has trained it already", number + 1)
    system.learner(phase.train).load_state_dict(load_file(kept / "part.safetensors"))
    return list(torch.load(kept / "history.pt", weights_only=True))


def _keep(kept: Path, system: System[Any], phase: Phase, epochs: list[dict[str, float]]) -> None:
    kept.mkdir(parents=True, exist_ok=True)
    torch.save(epochs, kept / "history.pt")
    write_weights(system.learner(phase.train).state_dict(), kept / "part.safetensors")
