"""A model as a folder that is safe to load: three files, no pickle, no code."""

import dataclasses
import hashlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from antehoc.calibration import Policy
from antehoc.calibration.choice import why
from antehoc.cards import Card, upgraded_card
from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import AntehocError, ModelError, OutputError, RecipeError, shown
from antehoc.figure import number, percent
from antehoc.model.decision import decide
from antehoc.model.model import Model
from antehoc.nn.files import not_finite, write_weights
from antehoc.plain import read_json
from antehoc.saved import check_files, foreign
from antehoc.schema import build, build_named, convert
from antehoc.systems import SYSTEMS
from antehoc.systems.base import System
from antehoc.systems.settings import regrouped
from antehoc.types import DataSpec

SCHEMA = 2
_FLAT = 1  # the schema in which a system's arguments had no groups
_REFERENCE = "calibration_doubts."  # what the names of these tensors begin with, beside the weights


def save(model: Model, folder: str | Path) -> None:
    """Write a model into a folder: see `Model.save`."""
    folder, weights = Path(folder), _tensors(model)
    if bad := not_finite(weights):
        raise ModelError(f"{folder}: the weights {bad!r} are NaN or infinite, so nothing is saved; train again.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if strangers := foreign(folder):
            raise OutputError(
                f"{folder}: holds {strangers[0]!r}, which is not part of a model; choose an empty folder."
            )
        write_weights(weights, folder / "model.safetensors")
        config = _config(model, sha256(folder / "model.safetensors"))
        (folder / "config.json").write_text(config, encoding="utf-8")
        (folder / "README.md").write_text(model_card(model), encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise OutputError(
            f"{folder}: the model cannot be written here ({error.strerror}); choose another path."
        ) from error


def _tensors(model: Model) -> dict[str, Tensor]:
    """The weights, and the doubts of calibration images that a model keeps."""
    return {
        **model.system.state_dict(),
        **{_REFERENCE + name: values for name, values in model.reference.items()},
    }


def hashes(model: Model) -> dict[str, str]:
    """SHA-256 of the two files that `Model.save` writes of a model, by name; that of `config.json` covers both.

    The hash of `config.json` is another one after a new calibration; it names all that a decision depends on.
    """
    with TemporaryDirectory() as place:
        write_weights(_tensors(model), weights := Path(place) / "model.safetensors")
        weights_hash = sha256(weights)
    config = hashlib.sha256(_config(model, weights_hash).encode()).hexdigest()
    return {"config.json": config, "model.safetensors": weights_hash}


def _config(model: Model, weights_hash: str) -> str:
    values = {
        "schema": SCHEMA,
        "system": dict(model.arguments),
        "data": dataclasses.asdict(model.spec),
        "preprocessing": dataclasses.asdict(model.preprocessing),
        "policy": dataclasses.asdict(model.policy) if model.policy else None,
        "card": dataclasses.asdict(model.system.card),
        "about": dict(model.about),
        "weights": {"file": "model.safetensors", "sha256": weights_hash},
    }
    return json.dumps(values, indent=1, sort_keys=True) + "\n"


def load(folder: str | Path, *, device: str = "cpu") -> Model:
    """A saved model, checked before anything is built. Nothing in the folder is executed.

    Args:
        folder: as `Model.save` wrote it.
        device: where its weights go, such as `cpu` or `cuda`.
    Raises:
        ModelError: a file is missing, damaged or one too many, the schema or the hash of the weights does not match, or
            the device is not available.
    """
    folder = check_files(folder)
    try:
        config = read_json((folder / "config.json").read_text(encoding="utf-8"), f"{folder}/config.json")
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "not text"
        cure = "check its permissions" if isinstance(error, OSError) else "save the model again"
        raise ModelError(f"{folder}/config.json: cannot be read ({said}); {cure}.") from error
    except RecipeError as error:
        raise ModelError(f"{str(error).removesuffix('.')}; save the model again.") from error
    try:
        system, rest = _read(config, folder)
    except AntehocError as error:
        place = "" if str(error).startswith(str(folder)) else f"{folder}/config.json: "
        raise ModelError(f"{place}{error}") from error
    try:
        system = system.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"device {device!r} cannot be used here ({str(error).splitlines()[0]}); use 'cpu'.") from error
    return Model(system=system, **rest)


def _read(config: Any, folder: Path) -> tuple[System[Any], dict[str, Any]]:
    where = f"{folder}/config.json"
    config = _checked(config, where)
    try:
        recorded, found = config["weights"].get("sha256"), sha256(folder / "model.safetensors")
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise ModelError(f"{folder}/model.safetensors: cannot be read ({said}); check its permissions.") from error
    if found != recorded:
        raise ModelError(
            f"{folder}/model.safetensors: its hash is {found[:12]}…, config.json says {shown(str(recorded)[:12])}…; "
            "the weights were changed or damaged, download the folder again."
        )
    spec = build(DataSpec, config["data"], f"{where}, data")
    build(Card, config["card"], f"{where}, card")
    preprocessing = build(Preprocessing, config["preprocessing"], f"{where}, preprocessing")
    if dataclasses.astuple(preprocessing)[:3] != (spec.channels, spec.height, spec.width):
        raise ModelError(f"{where}: 'preprocessing' and 'data' name images of different sizes; save the model again.")
    policy: Any = convert(config["policy"], Policy | None, f"{where}, policy")
    if policy and len(policy.class_thresholds) not in (0, len(spec.classes)):
        raise ModelError(f"{where}, policy: class_thresholds needs one for each class, or none; save the model again.")
    system = build_system(spec, config["system"], f"{where}, system", weights=False)
    try:
        weights = load_file(folder / "model.safetensors")
        reference = {name: weights.pop(name) for name in [*weights] if name.startswith(_REFERENCE)}
        system.load_state_dict(weights)
    except (SafetensorError, RuntimeError) as error:
        said = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{folder}/model.safetensors: does not fit the system in config.json ({said}); save the model again."
        ) from error
    if bad := not_finite(weights | reference):
        raise ModelError(f"{folder}/model.safetensors: {bad!r} holds NaN or infinity; train the model again.")
    try:
        decide(system.eval(), policy, torch.zeros(1, spec.channels, spec.height, spec.width))
    except KeyError as error:
        raise ModelError(f"{where}, policy: no doubt is called {error}; save the model again.") from error
    return system, {
        "arguments": config["system"],
        "preprocessing": preprocessing,
        "policy": policy,
        "about": config["about"],
        "reference": _read_reference(reference, where),
    }


def _read_reference(tensors: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """Doubts of earlier calibration images by name, checked."""
    if any(values.ndim != 1 or not values.is_floating_point() for values in tensors.values()):
        raise ModelError(
            f"{where}: the weights hold doubts of calibration images in a wrong form; save the model again."
        )
    return {name.removeprefix(_REFERENCE): values for name, values in tensors.items()}


def _checked(config: Any, where: str) -> dict[str, Any]:
    """The configuration in today's form, its keys checked."""
    known = (_FLAT, SCHEMA)
    if not isinstance(config, dict) or config.get("schema") not in known:
        came = config.get("schema") if isinstance(config, dict) else type(config).__name__
        raise ModelError(
            f"{where}: its schema is {came!r}, and this version of antehoc reads {_FLAT} and {SCHEMA}; "
            "use the version that saved it, or save it again."
        )
    keys = {"schema", "system", "data", "preprocessing", "policy", "card", "about", "weights"}
    if set(config) != keys:
        odd = sorted(set(config) ^ keys)[0]
        raise ModelError(f"{where}: key {odd!r} is {'missing' if odd in keys else 'unknown'}; save the model again.")
    if not all(isinstance(config[key], dict) for key in ("system", "weights", "about", "card")):
        raise ModelError(f"{where}: 'system', 'weights', 'card' and 'about' must be mappings; save the model again.")
    if config["schema"] == _FLAT:
        return {**config, "system": grouped_arguments(config["system"]), "card": upgraded_card(config["card"])}
    return config


def grouped_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A system's arguments as an earlier version wrote them, in today's groups.

    Raises:
        ModelError: an argument that is gone, and that changed what the system does.
    """
    system = SYSTEMS.get(str(arguments.get("name")))
    if system is None:
        return dict(arguments)
    for key, default in system.removed.items():
        if arguments.get(key, default) != default:
            raise ModelError(f"{key}: {arguments[key]!r} is no longer supported; use the version that made the model.")
    return regrouped({key: value for key, value in arguments.items() if key not in system.removed}, system.earlier)


def build_system(
    spec: DataSpec, arguments: Mapping[str, Any], where: str, *, weights: bool | None = None
) -> System[Any]:
    """The system that a recipe or a saved model names, with new weights.

    Args:
        spec: of the data.
        arguments: its name and arguments, as plain values.
        where: what an error names first.
        weights: instead of the weights that the backbone would start from; False: none.
    Raises:
        RecipeError: an unknown name, key or value.
    """
    values = dict(arguments)
    _check_moved(values, where)
    backbone = values.get("backbone")
    if weights is not None and isinstance(backbone, Mapping) and "weights" in backbone:
        values["backbone"] = {**backbone, "weights": weights}
    return build_named("system", SYSTEMS, values, where, spec=spec)


def _check_moved(arguments: Mapping[str, Any], where: str) -> None:
    """Say where an argument went that an earlier version took at the top level."""
    system = SYSTEMS.get(str(arguments.get("name")))
    for key, value in arguments.items() if system else ():
        assert system is not None
        group, _, inner = system.earlier.get(key, "").partition(".")
        if group and key not in inspect.signature(system).parameters:
            raise RecipeError(f"{where}: {key!r} is now a key of {group!r}: {group}: {{{inner}: {shown(value)}}}.")
        if group and inner != "name" and not isinstance(value, Mapping):
            raise RecipeError(f"{where}.{key}: needs a mapping, such as {{{inner}: {shown(value)}}}; got {value!r}.")


def sha256(path: Path) -> str:
    """Hash of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def model_card(model: Model) -> str:
    """The README of a saved model: what it decides, how its reasons may be read, how it was calibrated."""
    spec, card, policy = model.spec, model.system.card, model.policy
    about = {key: value for key, value in model.about.items() if key not in ("figures", "recalibrated")}
    again = model.about.get("recalibrated")
    lines = [
        f"# {model.arguments['name']}: {', '.join(spec.classes[:6])}{' …' if len(spec.classes) > 6 else ''}",
        "",
        f"An image classifier of {len(spec.classes)} classes that explains its decisions, made with antehoc.",
        "",
        "```python",
        "import antehoc",
        "",
        'model = antehoc.load("this folder")',
        'decision = model.decide(["image.png"])[0]',
        "```",
        "",
        "## How to read its explanations",
        "",
        *(f"- **{field.name.replace('_', ' ')}**: {getattr(card, field.name)}" for field in dataclasses.fields(card)),
        "",
        "## Verdict",
        "",
    ]
    if policy:
        lines += [
            f"Score `{policy.method}` of {', '.join(policy.doubts)}; "
            f"questioned above {number(policy.threshold, 'quantity')}.",
            *([chosen] if (chosen := why(policy.method, policy.candidates, policy.fit_errors)) else []),
            f"{'About' if policy.guarantee == 'cross' else 'At most'} {percent(policy.alpha)} of correct decisions are "
            f"questioned ({policy.guarantee}), as set on {policy.threshold_rows} correct decisions on "
            f"{'out-of-fold and ' if policy.guarantee == 'cross' else ''}calibration images.",
            *(map(str, again.get("sentences", ())) if isinstance(again, Mapping) else ()),
        ]
    else:
        lines += ["Never calibrated: its decisions carry no verdict."]
    lines += ["", "## Made by", "", *(f"- {key}: {value}" for key, value in sorted(about.items())), ""]
    return "\n".join(lines)
