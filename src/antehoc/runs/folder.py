"""The folder of a run: made and marked with what it runs, never taken twice, found again to resume."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from antehoc.errors import OutputError, RecipeError
from antehoc.plain import read_json

Command = Literal["train", "reproduce"]
_MARK = "run.json"
_AFTER_TRAINING = re.compile(  # keys of a recipe that change nothing that was trained
    r"(verdict(?!\.folds$)|unknown|operating_points|draws|studies|targets|published|aliases)(\.|$)"
)


@contextmanager
def run_folder(
    recipe: str,
    scale: str,
    seed: int,
    out: str | Path | None,
    *,
    command: Command,
    resume: bool,
    values: Mapping[str, Any],
) -> Iterator[Path]:
    """The folder of a run, made and marked with what it runs; nothing that exists is overwritten.

    If the checks inside the `with` fail, a new folder is removed again, so that the next attempt gets its name.

    Args:
        recipe: name or path of the recipe.
        scale: of the recipe.
        seed: of the run.
        out: the folder. Default: `antehoc-runs/<recipe>-<scale>-seed<seed>`. It is numbered where it exists.
        command: what runs; a run of one cannot be resumed by the other, which keeps its files elsewhere.
        resume: find the last such run instead of starting one.
        values: the recipe's plain values.
    Raises:
        OutputError: it cannot be made, or `resume` finds none or another run in it.
    """
    mark = {"command": command, "recipe": recipe, "scale": scale, "seed": seed, "values": dict(values)}
    written = json.dumps(mark, indent=1, default=str)  # YAML knows dates
    base = Path(out) if out else Path("antehoc-runs") / f"{Path(recipe).stem}-{scale}-seed{seed}"
    base = base if base.name else base.resolve()  # "." has no name to number
    candidates = [base, *(base.parent / f"{base.name}-{number}" for number in range(2, 1000))]
    try:
        present = [path for path in candidates if path.is_dir()]
        folder = _last(candidates, command, written) if resume else _new(candidates, written)
    except OSError as error:
        raise OutputError(f"{base}: cannot be written ({error.strerror}); choose another path with --out.") from error
    try:
        yield folder
    except BaseException:
        if not resume:
            (folder / _MARK).unlink()
            if folder not in present:
                folder.rmdir()
        raise


def _last(candidates: Sequence[Path], command: Command, written: str) -> Path:
    existing = [path for path in candidates if (path / _MARK).exists()]
    if not existing:
        raise OutputError(f"{candidates[0]}: there is no run to resume here; leave --resume out to start one.")
    marks = {folder: _read(folder) for folder in existing}
    own = [folder for folder, mark in marks.items() if _made_by(folder, mark) in (command, None)]
    if not own:
        other = _made_by(existing[-1], marks[existing[-1]])
        raise OutputError(
            f"{existing[-1]}: holds a run of `{other}`, which `{command}` cannot continue; resume it with `{other}`, or"
            " start a new run without --resume."
        )
    folder = own[-1]
    if (found := marks[folder]) is None:
        raise OutputError(f"{folder}: its {_MARK} is damaged; start a new run without --resume.")
    found = {"command": command, **found}  # runs of an earlier version do not say it
    differing = [key for key in _differing(found, json.loads(written)) if not _AFTER_TRAINING.match(key)]
    if differing:
        raise OutputError(
            f"{folder}: holds a run with other values of {', '.join(differing)}; resume it with the command that"
            " started it (only what follows the training may differ, such as verdict.alpha)."
        )
    _mark(folder, written)
    return folder


def _read(folder: Path) -> dict[str, Any] | None:
    """What a run's mark says; None where it is damaged."""
    try:
        found = read_json((folder / _MARK).read_text(encoding="utf-8"), str(folder / _MARK))
    except (UnicodeDecodeError, RecipeError):
        return None
    return found if isinstance(found, dict) else None


def _made_by(folder: Path, mark: Mapping[str, Any] | None) -> str | None:
    """The command that made a run, in an earlier version by what lies in it; None where nothing tells."""
    if mark and "command" in mark:
        return str(mark["command"])
    return "reproduce" if (folder / "main").is_dir() else "train" if (folder / "data.txt").exists() else None


def _mark(folder: Path, written: str) -> None:
    part = folder / f"{_MARK}.part"
    part.write_text(written)
    part.replace(folder / _MARK)  # a kill leaves a whole one or none


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
    _mark(folder, written)
    return folder
