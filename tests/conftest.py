"""What all tests share: the switch for slow tests, one set of hypothesis settings, and two specs to build for."""

import pytest
from hypothesis import settings

from antehoc.data.shapes import ATTRIBUTES, CLASS_ATTRIBUTES, CLASSES
from antehoc.types import DataSpec

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
    """The thesis's shapes: four classes, five attributes of which the first three exclude each other, 64x64 grey."""
    matrix = tuple(tuple(float(value) for value in row) for row in CLASS_ATTRIBUTES)
    return DataSpec(CLASSES, 1, 64, 64, ATTRIBUTES, matrix, ((0, 1, 2),))


@pytest.fixture(scope="session")
def tiny_spec() -> DataSpec:
    """What shapes are not: colour, not square, soft class attributes (rows of an exclusive group still sum to 1)."""
    matrix = ((0.9, 0.25, 0.75, 0.0), (0.1, 0.5, 0.5, 1.0), (0.4, 1.0, 0.0, 0.3))
    return DataSpec(("cat", "fox", "hen"), 3, 16, 20, ("red", "round", "tall", "feathered"), matrix, ((1, 2),))
