"""Try the lower bounds: a fresh environment with the lowest version of every dependency, and the tests in it.

`python tools/lowest.py [FOLDER]` keeps the environment in FOLDER, so that a second call only runs the tests.
"""

import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("ruff", "mypy", "import-linter", "pre-commit", "types-PyYAML")  # look at the source, not at the libraries


def lowest(requirement: str) -> str:
    """`name>=1.2` as `name==1.2`."""
    return requirement.replace(">=", "==")


def main() -> int:
    """Install, run pytest, give its exit code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    own = [name for extra in ("parquet", "ood", "posthoc", "segmentation", "dev") for name in extras[extra]]
    wanted = [*project["dependencies"], *own]
    pins = [lowest(r) for r in wanted if ">=" in r and not r.startswith(TOOLS)]
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *pins], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "-e", ROOT], check=True)
    quiet = ("-W", "ignore::DeprecationWarning")  # old releases beside new ones of what they need themselves
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *quiet]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
