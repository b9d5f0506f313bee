"""Cost: how much longer a decision with a mask takes than a decision alone."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from antehoc.blocks import Block, Note, Table
from antehoc.data import Source
from antehoc.figure import Figure, number
from antehoc.model import Model
from antehoc.studies.base import Finding
from antehoc.systems.joint import Joint
from antehoc.systems.joint.settings import ExplainerSettings, GatingSettings
from antehoc.types import DataSpec

MEANING = (
    "Measured on the machine of this run, in rounds that go through all four in turn: ratios carry over to other "
    "machines better than milliseconds. The networks are untrained and not this model's own, and the further passes of "
    "the doubts are left out: it is the price of a mask for each decision, not that of a verdict."
)
_SIDE = 224  # pixels
_WIDE = (32, 64, 128)
_FORMS: Mapping[str, tuple[GatingSettings, ExplainerSettings]] = {
    "paper": (GatingSettings("blocks", kind="tanh", bias=3.0), ExplainerSettings(filters=_WIDE, norm=False)),
    "half": (GatingSettings("blocks"), ExplainerSettings(filters=_WIDE, scale=2)),
    "light": (GatingSettings("image", kind="hard", smooth=2.0), ExplainerSettings(scale=2)),
}
_SAYS: Mapping[str, str] = {
    "cost_ratio_paper": "deciding with the paper's explainer, as a multiple of deciding without",
    "cost_ratio_half": "the same, with the explainer on images of half the size",
    "cost_ratio_light": "the same, with half of the explainer's filters and one gate, on the image",
}


@dataclass(frozen=True)
class Costs(Finding):
    """Seconds of a pass over a batch, each the median of paired rounds, as ratios to the bare classifier's."""

    seconds_bare: float
    cost_ratio_paper: float
    cost_ratio_half: float
    cost_ratio_light: float
    images: int
    rounds: int

    title: ClassVar[str] = "What does a mask cost?"

    def figures(self) -> list[Figure]:
        """The ratios."""
        return [
            Figure(name, getattr(self, name), says, "Explanations", "lower", headline=True)
            for name, says in _SAYS.items()
        ]

    def blocks(self) -> list[Block]:
        bare = 1000 * self.seconds_bare
        forms = {
            "the classifier alone": 1.0,
            "with the paper's explainer": self.cost_ratio_paper,
            "with that explainer on the image at half its size": self.cost_ratio_half,
            "with half of its filters and its gate on the image": self.cost_ratio_light,
        }
        rows = tuple(
            (name, number(bare * ratio / self.images, "quantity"), number(ratio)) for name, ratio in forms.items()
        )
        said = (
            f"ResNet-18 at {_SIDE} pixels on {self.images:,} images at once; medians of {self.rounds} rounds, the ratio"
            " taken within each round."
        )
        head = ("a decision", "milliseconds for each image", "times the classifier alone")
        return [Note(said), Table(head, rows), Note(MEANING, "aside")]


def run(model: Model, source: Source, *, seed: int, images: int = 4, rounds: int = 9) -> Costs:
    """`costs`, which looks at neither model nor data.

    Args:
        model: of the run.
        source: of the run.
        seed: of the images and the weights.
        images: decided at once.
        rounds: that are measured, after one to warm up.
    """
    return costs(seed=seed, images=images, rounds=rounds)


@torch.no_grad()
def costs(*, seed: int = 0, images: int = 4, rounds: int = 9) -> Costs:
    """Decide and explain over decide alone: ResNet-18 at 224 pixels, in eval mode, without the looks of the doubts.

    `paper`: the paper's explainer and gates. `half`: the same explainer on the image at half its size. `light`: half
    of its filters as well, and one hard gate on the image. Rounds go through all four in turn, so that other work on
    the machine slows each of them alike.

    Args:
        seed: of the images.
        images: decided at once.
        rounds: that are measured, after one to warm up.
    """
    built = _systems()
    image = torch.rand(images, 3, _SIDE, _SIDE, generator=torch.Generator().manual_seed(seed))
    passes: dict[str, Callable[[Tensor], object]] = {"bare": built["paper"].classifier.network, **built}
    seconds: dict[str, list[float]] = {name: [] for name in passes}
    for round_ in range(rounds + 1):  # the first warms up
        for name, decide in passes.items():
            start = time.perf_counter()
            decide(image)
            if round_:
                seconds[name].append(time.perf_counter() - start)
    ratios = {name: float((torch.tensor(seconds[name]) / torch.tensor(seconds["bare"])).median()) for name in built}
    middle = float(torch.tensor(seconds["bare"]).median())
    return Costs(middle, ratios["paper"], ratios["half"], ratios["light"], images, rounds)


def _systems() -> dict[str, Joint]:
    """An untrained system of each form; the random state of the caller stays as it is."""
    spec = DataSpec(("no", "yes"), 3, _SIDE, _SIDE)
    with torch.random.fork_rng():
        return {
            name: Joint(spec, backbone="resnet18", look_again=False, gating=gating, explainer=explainer).eval()
            for name, (gating, explainer) in _FORMS.items()
        }
