"""The folder of a run: made and marked with what it runs, never taken twice, found again to resume."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from antehoc.errors import OutputError

_MARK = "run.json"


def run_folder(
    recipe: str, scale: str, seed: int, out: str | Path | None, *, resume: bool, values: Mapping[str, Any]
) -> Path:
    """The folder of a run, made and marked with what it runs; nothing that exists is overwritten.

    Args:
        recipe: name or path of the recipe.
        scale: of the recipe.
        seed: of the run.
        out: the folder. Default: `antehoc-runs/<recipe>-<scale>-seed<seed>`. It is numbered where it exists.
        resume: find the last such run instead of starting one.
        values: the recipe's plain values.
    Raises:
        OutputError: it cannot be made, or `resume` finds none or another run in it.
    """
    mark = {"recipe": recipe, "scale": scale, "seed": seed, "values": dict(values)}
    written = json.dumps(mark, indent=1, default=str)  # YAML knows dates
    base = Path(out) if out else Path("antehoc-runs") / f"{Path(recipe).stem}-{scale}-seed{seed}"
    base = base if base.name else base.resolve()  # "." has no name to number
    candidates = [base, *(base.parent / f"{base.name}-{number}" for number in range(2, 1000))]
    try:
        return _last(candidates, written) if resume else _new(candidates, written)
    except OSError as error:
        raise OutputError(f"{base}: cannot be written ({error.strerror}); choose another path with --out.") from error


def _last(candidates: Sequence[Path], written: str) -> Path:
    existing = [path for path in candidates if (path / _MARK).exists()]
    if not existing:
        raise OutputError(f"{candidates[0]}: there is no run to resume here; leave --resume out to start one.")
    folder = existing[-1]
    found = (folder / _MARK).read_text()
    if found != written:
        try:
            differing = ", ".join(_differing(json.loads(found), json.loads(written)))
        except json.JSONDecodeError:
            raise OutputError(f"{folder}: its {_MARK} is damaged; start a new run without --resume.") from None
        raise OutputError(
            f"{folder}: holds a run with other values of {differing}; resume it with the command that started it."
        )
    return folder


def _differing(old: Any, new: Any, where: str = "") -> list[str]:
    """The keys whose values differ, such as `verdict.alpha`."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = dict.fromkeys([*old, *new])
        found = [_differing(old.get(key), new.get(key), f"{where}.{key}" if where else str(key)) for key in keys]
        return [key.removeprefix("values.") for own in found for key in own]
    return [] if old == new else [where]


def _new(candidates: Sequence[Path], written: str) -> Path:
    folder = next(path for path in candidates if not path.exists() or (path.is_dir() and not any(path.iterdir())))
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{_MARK}.part"
    part.write_text(written)
    part.replace(folder / _MARK)  # a kill leaves a whole one or none
    return folder
