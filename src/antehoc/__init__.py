"""antehoc: image classifiers that explain each decision, and flag those that their own explanation contradicts.

    >>> import antehoc
    >>> sorted(antehoc.__all__)[:3]
    ['AntehocError', 'DataSpec', 'Decision']

The names below are loaded when first used, so that `import antehoc` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from antehoc.errors import AntehocError
    from antehoc.model import Model, load
    from antehoc.posthoc import attributions
    from antehoc.runs.explain import explain
    from antehoc.runs.init import init
    from antehoc.runs.recalibrate import recalibrate
    from antehoc.runs.reproduce import reproduce
    from antehoc.runs.train import train
    from antehoc.types import DataSpec, Decision, Verdict

_HOME = {
    "AntehocError": "errors",
    "DataSpec": "types",
    "Decision": "types",
    "Model": "model",
    "Verdict": "types",
    "attributions": "posthoc",
    "explain": "runs.explain",
    "init": "runs.init",
    "load": "model",
    "recalibrate": "runs.recalibrate",
    "reproduce": "runs.reproduce",
    "train": "runs.train",
}

__all__ = [
    "AntehocError", "DataSpec", "Decision", "Model", "Verdict", "attributions", "explain", "init", "load",
    "recalibrate", "reproduce", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("antehoc.version").installed()
    if name not in _HOME:
        raise AttributeError(f"module 'antehoc' has no attribute {name!r}")
    return getattr(import_module(f"antehoc.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME, "__version__"])
