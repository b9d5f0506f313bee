"""The loop trains any `Trainable`: here an autoencoder, which decides nothing, explains nothing and doubts nothing."""

from typing import ClassVar, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from antehoc.data.sets.shapes import shapes
from antehoc.errors import RecipeError
from antehoc.systems.base import Trainable
from antehoc.training.loop import Runner, run_phase
from antehoc.training.phases import Phase
from antehoc.types import Batch


class Rebuilt(NamedTuple):
    image: Tensor  #: (B, C, H, W)


class Autoencoder(Trainable[Rebuilt]):
    weights: ClassVar = {"error": 1.0}

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(channels, 4, 4, stride=4)
        self.decoder = nn.ConvTranspose2d(4, channels, 4, stride=4)

    def forward(self, image: Tensor) -> Rebuilt:
        return Rebuilt(self.decoder(self.encoder(image).relu()))

    def loss_terms(self, output: Rebuilt, batch: Batch) -> dict[str, Tensor]:
        return {"error": (output.image - batch.image).square().mean()}

    def scores(self, output: Rebuilt, batch: Batch) -> dict[str, Tensor]:
        return {"closeness": -(output.image - batch.image).abs().mean()}


def test_an_autoencoder_trains_in_phases_and_goes_on_after_a_stop(tmp_path):
    roles = shapes(seed=0, side=32, train=96, validation=32, calibration=8, test=8).roles
    torch.manual_seed(0)
    model = Autoencoder(1)
    frozen = model.encoder.weight.clone()
    both = Phase(("encoder", "decoder"), 3, 16, learning_rate=0.01, keep="best", monitor="closeness")
    history = run_phase(model, both, roles, tmp_path / "both", runner=Runner("cpu"))
    assert history[-1]["val/closeness"] > history[0]["val/closeness"]
    assert history[-1]["train/error"] < history[0]["train/error"]
    assert not model.encoder.weight.equal(frozen)
    frozen = model.encoder.weight.clone()
    run_phase(model, Phase(("decoder",), 1, 16), roles, tmp_path / "decoder", number=1, runner=Runner("cpu"))
    assert model.encoder.weight.equal(frozen)
    again = Autoencoder(1)
    assert run_phase(again, both, roles, tmp_path / "both", runner=Runner("cpu"), resume=True) == history


class Looking(Autoencoder):
    """Its first half may be cached, and it looks at its images again."""

    def cacheable(self, parts: tuple[str, ...]) -> bool:
        return True

    def look(self, image: Tensor, output: Rebuilt) -> Rebuilt:
        return Rebuilt(output.image + 0 * image)


def test_what_looks_at_its_images_again_is_not_cached(tmp_path):
    roles = shapes(seed=0, side=32, train=32, validation=16, calibration=8, test=8).roles
    with pytest.raises(RecipeError, match="looks at its images again, and a cache holds none"):
        run_phase(Looking(1), Phase(("decoder",), 1, 16, cache=True), roles, tmp_path, runner=Runner("cpu"))
