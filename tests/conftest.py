"""What all tests share: the switch for slow tests, one set of hypothesis settings, and two specs to build for."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import torch
from hypothesis import settings

from antehoc.data.sets.shapes import ATTRIBUTES, CLASS_ATTRIBUTES, CLASSES
from antehoc.types import DataSpec

if TYPE_CHECKING:
    from antehoc.results import Reproduction

if "PYTEST_XDIST_WORKER" in os.environ:  # one thread a process: more would fight for the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes that tests start
    torch.set_num_threads(1)
# no deadline: the first example pays for imports; derandomized: a failure shows again wherever the tests run
settings.register_profile("house", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="takes minutes; run with --slow"))


@pytest.fixture(scope="session")
def shapes_spec() -> DataSpec:
    """The thesis's shapes: four classes, five attributes of which the first three exclude each other, 64x64 gray."""
    matrix = tuple(tuple(float(value) for value in row) for row in CLASS_ATTRIBUTES)
    return DataSpec(CLASSES, 1, 64, 64, ATTRIBUTES, matrix, ((0, 1, 2),))


@pytest.fixture(scope="session")
def tiny_spec() -> DataSpec:
    """What shapes are not: color, not square, soft class attributes (rows of an exclusive group still sum to 1)."""
    matrix = ((0.9, 0.25, 0.75, 0.0), (0.1, 0.5, 0.5, 1.0), (0.4, 1.0, 0.0, 0.3))
    return DataSpec(("cat", "fox", "hen"), 3, 16, 20, ("red", "round", "tall", "feathered"), matrix, ((1, 2),))


TINY_RECIPE = """\
# shapes at half their side: three seconds for some seven in ten decisions right, so that there are errors to find
data: {name: shapes, side: 32, train: 600, validation: 120, calibration: 400, test: 400}
system: {name: mirror, backbone: {name: small}, mirror: {kind: light, width: 8}}
phases:
  - {train: [main], epochs: 3, batch_size: 16, learning_rate: 0.02, schedule: one-cycle, keep: best, monitor: accuracy}
  - {train: [mirror], epochs: 2, batch_size: 16, learning_rate: 0.02, schedule: one-cycle, cache: true,
     weights: {label: 0.0}}
verdict: {alpha: 0.05}
unknown: {kinds: [noise, star], count: 100}
published: {accuracy: 0.99, ood_noise_questioned: null}
"""


class TinyRun(NamedTuple):
    """One reproduced recipe: `folder` is the run's, `model` that of its saved model; nobody may change them."""

    recipe: Path
    folder: Path
    model: Path
    result: "Reproduction"


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """The tiny recipe, run once for all tests of what comes after training."""
    from antehoc.runs.reproduce import reproduce
    from antehoc.training.loop import Runner

    place = tmp_path_factory.mktemp("tiny")
    recipe = place / "tiny.yaml"
    recipe.write_text(TINY_RECIPE)
    result = reproduce(str(recipe), out=place / "run", runner=Runner("cpu"))
    return TinyRun(recipe, result.folder, result.folder / "main" / "model", result)
