"""What jobs give: plain typed results, made by `runs` and read by `report`. Nothing here trains."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from antehoc.evaluation import Evaluation, Scored
from antehoc.figure import Figure, intervals, values
from antehoc.model import Model
from antehoc.studies import Finding
from antehoc.targets import met, read_target, value_of
from antehoc.version import installed


class Calibrated(NamedTuple):
    """A model with its verdict, and the calibration rows that it was set on."""

    model: Model
    rows: Scored


@dataclass(frozen=True)
class Trained:
    """A trained and calibrated model, and what making it left behind."""

    model: Model
    folder: Path
    history: list[list[dict[str, float]]]  #: figures by phase and epoch
    calibration: Scored
    seconds: dict[str, float]  #: by part


@dataclass(frozen=True)
class Reproduction:
    """A recipe's measured figures beside the published ones."""

    recipe: str
    scale: str
    seed: int
    seconds: float
    figures: list[Figure]  #: of the recipe itself and of its variants, whose names go in front
    published: dict[str, float | None]
    notes: tuple[str, ...]
    evaluations: dict[str, Evaluation]  #: by variant; the recipe itself under its own name
    models: dict[str, Model]
    history: list[list[dict[str, float]]]
    parts: dict[str, float]  #: seconds by part
    folder: Path
    targets: Mapping[str, str] = field(default_factory=dict)  #: what a figure is meant to reach
    findings: Mapping[str, Mapping[str, Finding]] = field(default_factory=dict)  #: by variant and study

    def reached(self) -> dict[str, dict[str, str | bool | None]]:
        """Each target with whether it was met; None where a figure that it needs is undefined."""
        measured, spans = values(self.figures), intervals(self.figures)

        def value(name: str) -> float | None:
            return value_of(name, measured, spans, self.seconds)

        return {
            name: {"target": text, "met": met(read_target(text), value(name), value)}
            for name, text in self.targets.items()
        }

    def summary(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "recipe": self.recipe,
            "scale": self.scale,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "figures": values(self.figures),
            "meanings": {figure.name: figure.meaning for figure in self.figures},
            "published": self.published,
            "targets": self.reached(),
            "intervals": {name: list(interval) for name, interval in intervals(self.figures).items()},
            "notes": list(self.notes),
            "peers": {name: one.peers for name, one in self.evaluations.items() if one.peers},
            "studies": {
                name: {study: found.to_plain() for study, found in own.items()}
                for name, own in self.findings.items()
                if own
            },
            "parts": {name: round(value, 1) for name, value in self.parts.items()},
            "environment": environment(),
        }


def environment() -> dict[str, str]:
    """What a figure may depend on beside recipe, seed and data."""
    return {
        "antehoc": installed(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": str(torch.get_num_threads()),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "machine": platform.machine(),
    }
