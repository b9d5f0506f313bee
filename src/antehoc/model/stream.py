"""Images decoded ahead on threads while the model decides on those before them; memory stays at a few batches."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from torch import Tensor

from antehoc.data.examples import THREADS
from antehoc.data.inputs import Input
from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import AntehocError

Loaded = tuple[Path | str, Tensor | AntehocError]


def decoded(images: Iterable[Input], preprocessing: Preprocessing, ahead: int) -> Iterator[Loaded]:
    """Each image's name with the image as the model takes it, or its error, in order.

    Args:
        images: taken as they are needed, `ahead` in advance.
        preprocessing: of the model.
        ahead: so many images are decoded, or being decoded, while one is used.
    """
    waiting: deque[tuple[Path | str, Future[Tensor | AntehocError]]] = deque()
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="decode")
    try:
        for one in images:
            waiting.append((one.name, pool.submit(_load, one, preprocessing)))
            if len(waiting) > ahead:
                name, future = waiting.popleft()
                yield name, future.result()
        while waiting:
            name, future = waiting.popleft()
            yield name, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _load(one: Input, preprocessing: Preprocessing) -> Tensor | AntehocError:
    try:
        return one.load(preprocessing)
    except AntehocError as error:
        return error
