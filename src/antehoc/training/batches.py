"""Whole batches in an order that depends only on seed and epoch."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from antehoc.data.examples import Fetched
from antehoc.seeds import mix
from antehoc.types import Batch


class EpochBatches(Sampler[list[int]]):
    """Batches of image numbers in an order that depends on seed and epoch alone, shared out among processes.

    With several views of an image, one is drawn in every epoch: number v * count + i is view v of image i.
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


def loader(examples: Fetched, batches: EpochBatches) -> DataLoader[Batch]:
    """Whole batches in the sampler's order."""
    return DataLoader(_Whole(examples), sampler=batches, batch_size=None, collate_fn=_as_it_is)


def _as_it_is(batch: Any) -> Any:
    """Torch's own conversion would make lists of tuples."""
    return batch
