"""The short public list: it costs nothing to import, and every name on it is there."""

import subprocess
import sys

import pytest

import antehoc
from antehoc.posthoc import attributions


def test_importing_the_package_loads_no_heavy_library():
    code = "import sys, antehoc; print([name for name in ('torch', 'numpy', 'timm', 'PIL') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_no_other():
    assert sorted(antehoc._HOME) == sorted(antehoc.__all__)
    assert all(getattr(antehoc, name).__name__ == name for name in antehoc.__all__)
    assert antehoc.attributions is attributions
    with pytest.raises(AttributeError, match="no attribute 'atributions'"):
        antehoc.atributions  # noqa: B018
