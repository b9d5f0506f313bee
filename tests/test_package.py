"""The package: what it exports, its version, what its wheel holds, and its extras."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

import antehoc
from antehoc.posthoc import attributions

ROOT = Path(__file__).parent.parent


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


def test_the_version_is_that_of_the_project_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert antehoc.__version__ == project["version"] == str(citation["version"])
    assert project["license"] == citation["license"] == "Apache-2.0"
    done = subprocess.run(
        [sys.executable, "-m", "antehoc.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"antehoc {antehoc.__version__}\n"


def test_dir_lists_the_names_that_are_loaded_when_first_used():
    assert {"__version__", *antehoc.__all__} <= set(dir(antehoc))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The names in the wheel that `pip install .` installs."""
    builders = pytest.importorskip("hatchling.builders.wheel", reason="hatchling, which builds the wheel, is absent")
    place = next(builders.WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel"))))
    with zipfile.ZipFile(place) as archive:
        return archive.namelist()


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    tracked = subprocess.run(["git", "ls-files", "src/antehoc"], cwd=ROOT, capture_output=True, text=True, check=True)
    own = {name.removeprefix("src/") for name in tracked.stdout.split()}
    assert {name for name in wheel if not re.match(r"antehoc-[\d.]+\.dist-info/", name)} == own
    assert {Path(name).suffix for name in own} == {".py", ".typed", ".yaml", ".css"}  # no tests, no data


def test_the_extras_are_those_that_messages_name():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    optional = [name for name in extras if name not in ("docs", "dev")]
    assert f"antehoc[{','.join(optional)}]" in extras["dev"]
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    named = set(re.findall(r"install\([\"'](\w+)[\"']\)", source)) - {"extra"}
    assert named == set(optional)
