"""Activations of frozen stages on disk: computed once, found again by every phase, fold and run that needs them."""

import json
import os
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

_CHUNK = 256  # images a file: what a kill can lose


def cache_folder() -> Path:
    """Where cached activations lie: ANTEHOC_CACHE, else `~/.cache/antehoc`. It may be deleted at any time."""
    return Path(os.environ.get("ANTEHOC_CACHE") or Path.home() / ".cache" / "antehoc")


def key(part: nn.Module, *facts: object) -> str:
    """A name for what a frozen part makes of images: it changes with each weight, buffer, layer and fact.

    Args:
        part: the frozen part, in eval mode.
        facts: what else the activations depend on, such as the preprocessing; their `repr` counts.
    """
    digest = blake2b(repr((torch.__version__, part, *facts)).encode(), digest_size=16)
    for name, value in sorted([*part.named_parameters(), *part.named_buffers()], key=lambda pair: pair[0]):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class Store:
    """Tensors by the name of the image that they come from, in files of a few hundred rows.

    A file is written whole or not at all; one that cannot be read is computed again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.places: dict[str, tuple[Path, int]] = {}
        for file in sorted(folder.glob("*.safetensors")):
            try:
                with safe_open(file, "pt") as opened:
                    names = json.loads(opened.metadata()["rows"])
            except (SafetensorError, OSError, KeyError, TypeError, ValueError):
                continue
            self.places.update({name: (file, row) for row, name in enumerate(names)})

    def rows(
        self, names: Sequence[str], compute: Callable[[Sequence[int]], tuple[Tensor, ...]], *, at_once: int = 1
    ) -> tuple[Tensor, ...]:
        """The tensors of these images, in this order; `compute` makes those of the missing positions.

        It gets a multiple of `at_once` positions (but for the last time), so that the batches that it makes of them
        are the same as without a store: in other batches the last bits may differ.
        """
        missing = [position for position, name in enumerate(names) if name not in self.places]
        chunk = max(_CHUNK // at_once, 1) * at_once
        for start in range(0, len(missing), chunk):
            part = missing[start : start + chunk]
            self._write([names[position] for position in part], compute(part))
        return self._read(names)

    def _write(self, names: list[str], values: tuple[Tensor, ...]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{blake2b(''.join(names).encode(), digest_size=8).hexdigest()}.safetensors"
        part = file.with_suffix(f".{os.getpid()}.part")
        tensors = {f"{number:03}": value.contiguous() for number, value in enumerate(values)}
        save_file(tensors, part, {"rows": json.dumps(names)})
        part.replace(file)
        self.places.update({name: (file, row) for row, name in enumerate(names)})

    def _read(self, names: Sequence[str]) -> tuple[Tensor, ...]:
        wanted: dict[Path, list[tuple[int, int]]] = {}
        for position, name in enumerate(names):
            file, row = self.places[name]
            wanted.setdefault(file, []).append((position, row))
        found: tuple[Tensor, ...] = ()
        for file, pairs in wanted.items():
            stored = [value for _, value in sorted(load_file(file).items())]
            found = found or tuple(value.new_empty(len(names), *value.shape[1:]) for value in stored)
            positions, rows = (list(numbers) for numbers in zip(*pairs, strict=True))
            for whole, part in zip(found, stored, strict=True):
                whole[positions] = part[rows]
        return found
