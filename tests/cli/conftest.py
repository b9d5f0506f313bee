"""What the tests of commands share: an image to decide on, a call, and a call that must be refused."""

import numpy as np
import pytest
from PIL import Image

from antehoc.cli import main
from antehoc.data.sets.shapes import draw


@pytest.fixture(scope="session")
def square():
    """A gray square of 96x64 pixels, larger than the model's images and not as high as wide."""
    image = draw("square", seed=3, count=1, side=64).image[0]
    return Image.fromarray(np.pad(image, ((0, 0), (16, 16)), constant_values=255))


@pytest.fixture
def png(square, tmp_path):
    square.save(tmp_path / "square.png")
    return tmp_path / "square.png"


@pytest.fixture
def call(capsys):
    """Run a command; its exit code, what it printed, and what it complained of."""

    def call(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse ends the program itself
            code = stop.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def refused(call):
    """Run a command that must be refused; the one sentence that says why."""

    def refused(*arguments):
        code, _, complaint = call(*arguments)
        assert code == 2, complaint
        assert "Traceback" not in complaint
        lines = complaint.splitlines()
        assert lines[-1].startswith("antehoc"), complaint
        if not lines[0].startswith("usage:"):
            assert len(lines) == 1, "one sentence"
            assert lines[0].endswith("."), "a whole one"
        return lines[-1]

    return refused
