"""Out-of-fold rows: every training image, scored by a network that was trained on the other folds alone."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from antehoc.data import Examples, Source
from antehoc.data.strata import together
from antehoc.errors import DataError
from antehoc.evaluation import Scored, score
from antehoc.recipe import Recipe
from antehoc.runs.doubts import fit_doubts
from antehoc.runs.job import Job
from antehoc.runs.phases import train_system
from antehoc.seeds import mix
from antehoc.training.activations import with_activations

log = logging.getLogger(__name__)


def out_of_fold(recipe: Recipe, source: Source, job: Job) -> Scored:
    """Every training image, scored by a network that was trained on the other folds alone.

    The folds share out each class evenly, in an order drawn from the seed; equal images share a fold, and so do those
    of a group. The networks are discarded; what a resumed run needs of them is in `job.folder/fold-<number>`.

    Returns:
        The rows in the order of the folds, whose numbers are the column `fold`.
    """
    train, folds = source.roles["train"], recipe.verdict.folds
    fold = folds_of(train, folds, job.seed)
    found = []
    for number in range(folds):
        log.info("fold %d of %d", number + 1, folds)
        own = replace(job, folder=job.folder / f"fold-{number + 1}")
        rest, held = (train.select(rows.nonzero()[:, 0].tolist()) for rows in (fold != number, fold == number))
        system, _ = train_system(recipe, source, {**source.roles, "train": rest}, own, fold=number + 1)
        fit_doubts(system, with_activations(system, rest, recipe.phases))
        found.append(score(system, with_activations(system, held, recipe.phases)))
    return Scored(
        torch.cat([one.label for one in found]),
        torch.cat([one.attributes for one in found]),
        torch.cat([one.logits for one in found]),
        {name: torch.cat([one.doubts[name] for one in found]) for name in found[0].doubts},
        {"fold": fold.sort().values},
        found[0].task,
    )


def folds_of(examples: Examples, folds: int, seed: int) -> Tensor:
    """The fold of each image, as `shared_out` gives it; equal images and those of a group share one.

    Raises:
        DataError: there are fewer groups than folds.
    """
    units = together(examples.content_hashes(), examples.groups)
    count = len(set(units))
    if count < folds:
        raise DataError(
            f"verdict.folds: {count} different images or groups to train on cannot fill {folds} folds;"
            " give fewer folds."
        )
    return shared_out(examples.labels, folds, seed, units if count < len(units) else None)


def shared_out(labels: Tensor, folds: int, seed: int, units: Sequence[int] | None = None) -> Tensor:
    """The fold of each image, in an order drawn from the seed; each class is dealt out in turn.

    Units of several images go first, the largest of all first, each to the fold that has fewest images of its class
    and then fewest of all; the other images follow in the same way.

    Args:
        labels: (n,) class numbers, or with several labels (n, K): images are then assigned regardless of labels.
        folds: how many, 2 or more.
        seed: of the order.
        units: the unit of each image, whose images share a fold; its class is that of its first image. None: every
            image is a unit.
    Returns:
        (n,) fold numbers, 0 to `folds` - 1.
    """
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(mix(seed, 4)))
    if units is not None:
        return _by_units(labels.tolist() if labels.ndim == 1 else [0] * len(labels), folds, order.tolist(), units)
    if labels.ndim == 1:
        order = order[labels[order].argsort(stable=True)]
    fold = torch.empty(len(labels), dtype=torch.int64)
    fold[order] = torch.arange(len(labels)) % folds
    return fold


def _by_units(labels: Sequence[int], folds: int, order: Sequence[int], units: Sequence[int]) -> Tensor:
    rows: dict[int, list[int]] = {}
    for row in order:
        rows.setdefault(units[row], []).append(row)
    fold = torch.empty(len(labels), dtype=torch.int64)
    held, of_class = [0] * folds, Counter[tuple[int, int]]()
    for own in sorted(rows.values(), key=lambda unit: (-len(unit), labels[min(unit)])):  # stable: else in the order
        label = labels[min(own)]
        chosen = min(range(folds), key=lambda number: (of_class[number, label], held[number]))
        fold[own] = chosen
        held[chosen] += len(own)
        of_class.update((chosen, labels[row]) for row in own)
    return fold
