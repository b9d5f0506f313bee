"""What an explanation costs: time, passes through the classifier, and the memory that new tensors take."""

import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

T = TypeVar("T")


class Cost(NamedTuple):
    """What it takes to explain one image; None where it was not measured."""

    forward: float | None = None  #: images through the classifier
    backward: float | None = None
    milliseconds: float | None = None
    peak_mib: float | None = None  #: the most that new tensors hold at once


def timed(run: Callable[[], T], images: Tensor) -> tuple[T, float]:
    """What a function returns, and how many milliseconds it takes for each of the images (B, ...)."""

    def now() -> float:
        if images.is_cuda:
            torch.cuda.synchronize(images.device)
        return time.perf_counter()

    start = now()
    found = run()
    return found, 1000 * (now() - start) / len(images)


class Peak(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The most bytes that tensors made inside hold at once, on any device; a kernel's own scratch is not seen."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive: dict[int, int] = {}  # bytes by address
        self.total = self.peak = 0

    @property
    def mib(self) -> float:
        """The peak in MiB."""
        return self.peak / 2**20

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Mapping[str, Any] | None = None
    ) -> Any:
        made = function(*arguments, **(keywords or {}))
        for one in made if isinstance(made, tuple | list) else (made,):
            if isinstance(one, Tensor):
                self._note(one.untyped_storage())
        return made

    def _note(self, storage: torch.UntypedStorage) -> None:
        address, size = storage.data_ptr(), storage.nbytes()
        if size and address not in self.alive:
            self.alive[address] = size
            self.total += size
            self.peak = max(self.peak, self.total)
            weakref.finalize(storage, self._free, address)

    def _free(self, address: int) -> None:
        self.total -= self.alive.pop(address, 0)
