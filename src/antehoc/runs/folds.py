"""Out-of-fold rows: every training image, scored by a network that was trained on the other folds alone."""

import logging
from dataclasses import replace

import torch
from torch import Tensor

from antehoc.data import Source
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

    The folds share out each class evenly, in an order drawn from the seed. The networks are discarded; what a resumed
    run needs of them is in `job.folder/fold-<number>`.
    """
    train, folds = source.roles["train"], recipe.verdict.folds
    fold = shared_out(train.labels, folds, job.seed)
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
        {},
        found[0].task,
    )


def shared_out(labels: Tensor, folds: int, seed: int) -> Tensor:
    """The fold of each image, in an order drawn from the seed; each class is dealt out in turn.

    Args:
        labels: (n,) class numbers, or with several labels (n, K): images are then assigned regardless of labels.
        folds: how many, 2 or more.
        seed: of the order.
    Returns:
        (n,) fold numbers, 0 to `folds` - 1.
    """
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(mix(seed, 4)))
    if labels.ndim == 1:
        order = order[labels[order].argsort(stable=True)]
    fold = torch.empty(len(labels), dtype=torch.int64)
    fold[order] = torch.arange(len(labels)) % folds
    return fold
