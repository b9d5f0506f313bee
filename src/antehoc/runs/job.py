"""What a training job is told beside its recipe."""

from dataclasses import dataclass
from pathlib import Path

from antehoc.training.loop import Runner


@dataclass(frozen=True)
class Job:
    """One run of one recipe: what it is called, where it is kept, and how it trains."""

    where: str  #: name or path of the recipe, for errors and the record
    folder: Path  #: what is trained is kept here
    seed: int
    scale: str = "small"
    runner: Runner | None = None  #: accelerator, devices, progress bar
    resume: bool = False  #: go on with what `folder` holds
