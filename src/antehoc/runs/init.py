"""From labelled images to a recipe: look at them, choose a preset, fill it in, and write the recipe."""

import os
from pathlib import Path
from typing import Any

import yaml

from antehoc.calibration import least_rows
from antehoc.data.inspection import Inspected, inspect
from antehoc.errors import DataError, OutputError, RecipeError, shown
from antehoc.nn.published import published
from antehoc.nn.recognized import Recognized, recognize
from antehoc.presets import Preset, choose_preset, presets
from antehoc.results import Proposed

NETWORK = "mobilenetv2_100"  #: taken where no weights are given
_FEW = 400  # training images below which the threshold also takes out-of-fold scores
SHARES = (0.65, 0.05, 0.15, 0.15)  #: of train, validation, calibration and test, where images are not few
_HELD = 40  # calibration images that a drawn split should have
_ACCURACY = 0.7  # that is counted on: of the calibration images, so many are decided correctly
_WIDTH = 1000  # of a line of YAML: the text of a preset breaks the lines


def init(
    path: str | Path,
    *,
    out: str | Path | None = None,
    weights: str | None = None,
    from_scratch: bool = False,
    preset: str | None = None,
) -> Proposed:
    """Look at labelled images and write a recipe for them.

    Args:
        path: class folders, a zip archive of them, a CSV or Parquet table of images, or a folder of idx files.
        out: the recipe's file; nothing is overwritten. Default: the path's name with .yaml, in the current folder.
        weights: a `.safetensors` file; which network it belongs to is found out. Default: timm's own weights.
        from_scratch: a small network from random weights.
        preset: by name; the default depends on the data.
    Raises:
        DataError, RecipeError, OutputError: with one sentence that says what to change.
    """
    file = _check_new(recipe_file(path) if out is None else Path(out))
    found = propose(path, weights=weights, from_scratch=from_scratch, preset=preset)
    return _write(found, file)


def recipe_to_train(
    path: str | Path, *, weights: str | None = None, from_scratch: bool = False, preset: str | None = None
) -> Proposed:
    """As `init`, for training at once: what would stop the training is refused, and the same recipe may be there.

    Raises:
        DataError: a file cannot be read, or equal files have two roles.
        RecipeError: there are no weights here, and none can be fetched.
        OutputError: another recipe has the name.
    """
    found, file = propose(path, weights=weights, from_scratch=from_scratch, preset=preset), recipe_file(path)
    if said := found.inspected.blocking():
        raise DataError(said)
    if not (weights or from_scratch) and not (own := published(NETWORK)).here:
        raise RecipeError(
            f"{shown(path)}: needs pretrained weights, and those of {NETWORK} are not here and cannot be fetched;"
            f" download model.safetensors from {own.page} and give it with --weights FILE, or train a small network"
            " from random weights with --from-scratch."
        )
    if _text_of(file) == found.recipe:
        return found.at(file)
    return _write(found, _check_new(file))


def recipe_file(path: str | Path) -> Path:
    """The recipe of data at a path: its name with .yaml, in the current folder."""
    name = Path(os.path.abspath(path))
    return Path(f"{name.stem if name.is_file() else name.name}.yaml")


def propose(
    path: str | Path, *, weights: str | None = None, from_scratch: bool = False, preset: str | None = None
) -> Proposed:
    """Look at labelled images and fill in a preset; nothing is written.

    Raises:
        DataError, RecipeError: with one sentence that says what to change.
    """
    if weights and from_scratch:
        raise RecipeError("--from-scratch: takes random weights, and --weights gives others; leave one of them out.")
    network = recognize(weights) if weights else Recognized(NETWORK, {})
    found = inspect(path)
    facts = _facts(found)
    chosen = choose_preset(facts, preset)
    if not chosen.possible(facts):
        raise RecipeError(f"{found.place}: {chosen.unfit}")
    told = tuple(one.fits if one.possible(facts) else one.unfit for one in presets().values())
    text = _filled(chosen, found, network, weights, from_scratch=from_scratch)
    notes = () if weights or from_scratch else (_about_weights(),)
    return Proposed(found, chosen.name, text, told, (*_warnings(found), *notes))


def _facts(found: Inspected) -> set[str]:
    """What the data have, in the words of the presets."""
    given = {"attributes": found.attributes, "objects": found.masks or found.boxes}
    return {name for name, value in given.items() if value}


def _filled(preset: Preset, found: Inspected, network: Recognized, weights: str | None, *, from_scratch: bool) -> str:
    values = dict(preset.values(found.per_class))
    if from_scratch:
        values["epochs"] = values["scratch_epochs"]
    files = not found.in_memory
    options = f", options: {_flow(network.options)}" if network.options else ""
    backbone = f"name: {network.name}, weights: {_flow(weights or True)}{options}"
    blanks = {
        "data": _flow(_data(found, values["pixels"], from_scratch=from_scratch)),
        "backbone": backbone,
        "verdict": _flow(_verdict(found)),
        "augment": "crops" if files else "none",
        "flip": "flip" if files else "none",
        "cache": "disk" if files else "true",
    }
    return preset.text({**values, **blanks}, from_scratch=from_scratch)


def _data(found: Inspected, largest: int, *, from_scratch: bool) -> dict[str, Any]:
    """The section `data`: the path, the size of the model's images by that of the files, and the shares of a split."""
    checks, data = found.checks, dict(found.data)
    side = min(checks.width, checks.height)
    if from_scratch:
        size = 32 if side <= 32 else 64
        data |= {"channels": 1} if checks.gray else {}
    else:
        size = min(largest, 96 if side <= 96 else 160 if side <= 160 else 224)
    data["size"] = size
    if found.in_memory:
        return data
    data |= {"fit": "crop", "resize": 8 * round(size / 7)}
    if not found.roles:
        data["shares"] = _shares(found.images)
    return data


def _verdict(found: Inspected) -> dict[str, Any]:
    """The section `verdict`: an alpha that the images can keep, cross-conformal where they are few."""
    train, held = _in_roles(found)
    if _few(found):
        enough = (train + held) * _ACCURACY >= least_rows(0.05, "cross")
        return {"alpha": 0.05 if enough else 0.1, "threshold": "cross", "folds": 5}
    return {"alpha": 0.05 if held / 2 * _ACCURACY >= least_rows(0.05) else 0.1}


def _few(found: Inspected) -> bool:
    """Whether the threshold also takes out-of-fold scores of the training images."""
    return (found.roles.get("train", 0) if found.roles else found.images * SHARES[0]) < _FEW


def _shares(images: int) -> list[float]:
    """Shares of a split that is drawn: where images are few, more for training, and 40 or so for calibration."""
    if images * SHARES[0] >= _FEW:
        return [*SHARES]
    held = round(min(0.3, max(0.08, _HELD / images)), 2)
    return [round(0.85 - held, 2), 0.05, held, 0.1]


def _in_roles(found: Inspected) -> tuple[float, float]:
    """How many training and calibration images there are or will be, about."""
    if found.roles:
        train, held = found.roles.get("train", 0), found.roles.get("calibration", 0)
        return (float(train), float(held)) if held else (0.8 * train, 0.2 * train)
    train_share, _, held_share, _ = _shares(found.images)
    return found.images * train_share, found.images * held_share


def _warnings(found: Inspected) -> list[str]:
    """What a person should know before training."""
    _, held = _in_roles(found)
    said = [] if (stop := found.blocking()) is None else [f"Training would stop: {stop}"]
    if held * _ACCURACY < (20 if _few(found) else 40):
        needed = 20 if _few(found) else 40
        said.append(
            f"These are few images: about {round(held)} of them would calibrate the verdict, which needs {needed} that"
            " are decided correctly; the model may end without a verdict."
        )
    return said


def _about_weights() -> str:
    return (
        f"Weights: timm's own of {NETWORK}, which the first training fetches. Without a network, download the"
        " .safetensors file of a network of timm elsewhere and give it with --weights FILE, or take --from-scratch."
    )


def _flow(value: Any) -> str:
    """A value as YAML writes it in one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=_WIDTH, allow_unicode=True)
    return text.strip().removesuffix("...").strip()


def _check_new(file: Path) -> Path:
    if os.path.lexists(file):
        raise OutputError(
            f"{shown(file)}: exists, and nothing is overwritten; train it with `antehoc train {shown(file)}`, or rename"
            " it first."
        )
    return file


def _text_of(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _write(found: Proposed, file: Path) -> Proposed:
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(found.recipe)
    except OSError as error:
        raise OutputError(f"{shown(file)}: cannot be written ({error.strerror}); choose another path.") from error
    return found.at(file)
