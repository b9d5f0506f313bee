"""What jobs give: plain typed results, made by `runs` and read by `report`. Nothing here trains."""

import math
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from antehoc.calibration import Policy, Shift, least_rows
from antehoc.data.inspection import Inspected
from antehoc.evaluation import Evaluation, Scored
from antehoc.figure import Figure, intervals, number, percent, values
from antehoc.model import Model
from antehoc.studies import Finding
from antehoc.targets import met, read_target, value_of
from antehoc.version import installed


@dataclass(frozen=True)
class Proposed:
    """What was found in labelled images, and a recipe for them."""

    inspected: Inspected
    preset: str
    recipe: str  #: its text
    systems: tuple[str, ...]  #: which systems fit and which do not, a sentence each
    notes: tuple[str, ...] = ()  #: what a person should know before training
    file: Path | None = None  #: where the recipe was written

    def at(self, file: Path) -> "Proposed":
        """The same, with the file that holds the recipe."""
        return replace(self, file=file)

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON."""
        file = None if self.file is None else str(self.file)
        told = {"systems": list(self.systems), "preset": self.preset, "recipe": file, "warnings": list(self.notes)}
        return {**self.inspected.to_plain(), **told}


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


class Questioned(NamedTuple):
    """Shares of decisions that are questioned, in 0..1."""

    correct: float  #: of the correct ones
    wrong: float | None  #: of the wrong ones; None where there is none


@dataclass(frozen=True)
class Recalibrated:
    """A model whose threshold was set again, and what the labelled images told."""

    model: Model
    place: str  #: what the images are called
    images: int
    decisions: int  #: as many as images; with several labels each label of an image is one
    correct: int  #: decisions
    threshold_images: int  #: those that set the threshold: all, or the half that did not fit the rule
    chosen: bool  #: whether the rule was chosen again
    calibrated_before: bool
    before: Questioned | None  #: with the old threshold on these images; None where there was none
    shift: Shift | None  #: from the old calibration images; None where the model holds none of their doubts
    seed: int
    notes: tuple[str, ...] = ()  #: on images that were left out
    folder: Path | None = None  #: where the model was saved

    @property
    def policy(self) -> Policy:
        """How decisions are questioned now."""
        assert self.model.policy is not None
        return self.model.policy

    @property
    def needed(self) -> int:
        """Correct decisions that the alpha which was asked for needs for its threshold."""
        return least_rows(self.policy.asked_alpha, self.policy.guarantee)

    @property
    def needed_images(self) -> int:
        """Images that it takes at this accuracy, those that fit a rule included."""
        each = self.decisions / self.images
        return math.ceil(self.needed / (self.correct / self.decisions) / each * self.images / self.threshold_images)

    def sentences(self) -> list[str]:
        """What a person should know of the new threshold."""
        policy, share = self.policy, number(self.correct / self.decisions)
        few = policy.alpha > policy.asked_alpha
        return [
            f"Calibrated on {self.images} labelled images, on which {share} of the decisions are correct.",
            self._rule(),
            f"Alpha {policy.asked_alpha:g} needs {self.needed} correct decisions for the threshold, which takes"
            f" {self.needed_images} images at this accuracy; there were {policy.threshold_rows}.",
            *([f"These are too few: alpha {number(policy.alpha)} is guaranteed instead."] if few else []),
            *self._old_threshold(),
            self._compared(),
        ]

    def _rule(self) -> str:
        if self.threshold_images < self.images:
            return "One half of them fitted the rule, and the other half set the threshold."
        return f"The rule was {'taken from the recipe' if self.chosen else 'kept'}, and all of them set the threshold."

    def _old_threshold(self) -> list[str]:
        if self.before is None:
            return []
        of_wrong = "" if self.before.wrong is None else f" and {percent(self.before.wrong)} of the wrong ones"
        return [f"The old threshold questions {percent(self.before.correct)} of the correct decisions here{of_wrong}."]

    def _compared(self) -> str:
        shift = self.shift
        if shift is None and self.calibrated_before:
            return (
                "Whether these images differ from the old calibration images is not known: the model was saved without"
                " their doubts."
            )
        if shift is None:
            return "The model was never calibrated before, so there are no earlier images to compare with."
        found = (
            f"among correct decisions the doubt {shift.doubt} differs most (Kolmogorov-Smirnov statistic"
            f" {number(shift.statistic, 'probability')} between {shift.old_rows} old and {shift.new_rows} new ones, p"
            f" {number(shift.p_value)} for {shift.doubts} doubts)"
        )
        if shift.differs:
            return f"These images differ from the old calibration images: {found}."
        return f"No difference from the old calibration images was found: {found}."

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON and for the record in the model."""
        policy = self.policy
        return {
            "data": self.place,
            "seed": self.seed,
            "images": self.images,
            "decisions": self.decisions,
            "correct": self.correct,
            "rule": {"method": policy.method, "chosen": self.chosen},
            "alpha": policy.alpha,
            "asked_alpha": policy.asked_alpha,
            "guarantee": policy.guarantee,
            "threshold": policy.threshold,
            "threshold_rows": policy.threshold_rows,
            "needed_rows": self.needed,
            "needed_images": self.needed_images,
            "questioned_before": None if self.before is None else self.before._asdict(),
            "shift": None if self.shift is None else {**asdict(self.shift), "differs": self.shift.differs},
            "notes": list(self.notes),
            "sentences": self.sentences(),
        }


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
