"""A finished model: what a decision needs, in memory and as a folder that is safe to load."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from antehoc.calibration import Policy
from antehoc.cards import Card
from antehoc.data.images import load_image
from antehoc.data.preprocessing import Preprocessing, check_tensor
from antehoc.decision import decide, intervene
from antehoc.errors import AntehocError, ModelError, OutputError
from antehoc.schema import build, build_named, convert
from antehoc.systems import SYSTEMS
from antehoc.systems.base import System
from antehoc.types import DataSpec, Decision

SCHEMA = 1
FILES = ("README.md", "config.json", "model.safetensors")


@dataclass(frozen=True)
class Model:
    """A trained system with all that its decisions need. It is what `antehoc.load` and `antehoc.train` give.

    Example:
        >>> from antehoc.systems import Mirror
        >>> spec = DataSpec(("cat", "fox"), 1, 8, 8, ("red",), ((0.0,), (1.0,)))
        >>> system = Mirror(spec, backbone="tiny").eval()
        >>> model = Model(system, {"name": "mirror", "backbone": "tiny"}, Preprocessing(1, 8, 8))
        >>> model.decide(torch.rand(1, 1, 8, 8))[0].label in spec.classes
        True
    """

    system: System[Any]
    arguments: Mapping[str, Any]  #: the system's name and constructor arguments, as a recipe gives them
    preprocessing: Preprocessing
    policy: Policy | None = None  #: None: never calibrated, decisions carry no verdict
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)  #: recipe, scale, seed, figures: plain values

    @property
    def spec(self) -> DataSpec:
        """Names and sizes of the data that the model was trained on."""
        return self.system.spec

    def decide(self, images: Tensor | Sequence[str | Path], *, batch_size: int = 64) -> list[Decision]:
        """Decide, explain and question images.

        Args:
            images: (B, C, H, W) in 0..1 at the model's size, or paths of image files of any size and mode.
            batch_size: images per forward pass.
        Raises:
            ImageError: where a file cannot be read (`decide_each` goes on instead).
            DataError: where a tensor has another shape, or values outside 0..1.
        """
        if isinstance(images, Tensor):
            check_tensor(images, self.preprocessing, "images")
            return [
                d
                for part in torch.split(images, batch_size)
                for d in decide(self.system, self.policy, part.to(self.device))
            ]
        decisions = []
        for item in self.decide_each(images, batch_size=batch_size):
            if isinstance(item, AntehocError):
                raise item
            decisions.append(item)
        return decisions

    def decide_each(self, paths: Iterable[str | Path], *, batch_size: int = 64) -> Iterator[Decision | AntehocError]:
        """A decision for each path in order; for a file that cannot be read, its error in the decision's place."""
        waiting: list[Tensor | AntehocError] = []
        for path in paths:
            try:
                waiting.append(load_image(Path(path), self.preprocessing))
            except AntehocError as error:
                waiting.append(error)
            if len(waiting) == batch_size:
                yield from self._flush(waiting)
                waiting = []
        yield from self._flush(waiting)

    def _flush(self, waiting: list[Tensor | AntehocError]) -> Iterator[Decision | AntehocError]:
        images = [item for item in waiting if isinstance(item, Tensor)]
        decisions = iter(decide(self.system, self.policy, torch.stack(images).to(self.device)) if images else [])
        for item in waiting:
            yield next(decisions) if isinstance(item, Tensor) else item

    def intervene(self, decision: Decision, corrections: Mapping[str, object]) -> Decision:
        """The decision after a person has corrected some of its attributes.

        A corrected attribute takes the value given, and the rest of its exclusive or at-most-one group shares what that
        leaves, in proportion. Class scores by explanation, the doubts that look at the attributes, verdict and reasons
        follow; label, class probabilities and all other doubts stay: the classifier is not asked again.

        Args:
            decision: made by this model, or by an earlier intervention.
            corrections: by attribute name: True, False, or a probability in 0..1.
        Raises:
            DataError: an unknown attribute, a value outside 0..1, attributes that exclude each other, a decision
                without attributes, or one that another model made.
        Example:
            >>> model.intervene(decision, {"has_bill_shape::dagger": True})  # doctest: +SKIP
        """
        return intervene(self.system, self.policy, decision, corrections)

    @property
    def device(self) -> torch.device:
        """Where the weights are: images follow them."""
        return next(self.system.parameters()).device

    def save(self, folder: str | Path) -> None:
        """Write `config.json`, `model.safetensors` and the model card `README.md` into a folder.

        Raises:
            OutputError: where the folder holds something else, or cannot be written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if strangers := sorted(path.name for path in folder.iterdir() if path.name not in FILES):
                raise OutputError(
                    f"{folder}: holds {strangers[0]!r}, which is no part of a model; name an empty folder."
                )
            weights = {name: value.detach().cpu().contiguous() for name, value in self.system.state_dict().items()}
            save_file(weights, folder / "model.safetensors")
            config = self._config(sha256(folder / "model.safetensors"))
            (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
            (folder / "README.md").write_text(model_card(self))
        except OSError as error:
            raise OutputError(
                f"{folder}: the model cannot be written here ({error.strerror}); name another place."
            ) from error

    def _config(self, weights_hash: str) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "system": dict(self.arguments),
            "data": dataclasses.asdict(self.spec),
            "preprocessing": dataclasses.asdict(self.preprocessing),
            "policy": dataclasses.asdict(self.policy) if self.policy else None,
            "card": dataclasses.asdict(self.system.card),
            "about": dict(self.about),
            "weights": {"file": "model.safetensors", "sha256": weights_hash},
        }


def load(folder: str | Path, *, device: str = "cpu") -> Model:
    """A saved model, checked before anything is built. Nothing in the folder is executed.

    Args:
        folder: as `Model.save` wrote it.
        device: where its weights go, such as `cpu` or `cuda`.
    Raises:
        ModelError: a file is missing, foreign or damaged; the schema or the weights' hash is another.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such model folder; name one that holds {', '.join(FILES)}.")
    present = {path.name for path in folder.iterdir()}
    for name in FILES:
        if not (folder / name).is_file():
            raise ModelError(f"{folder}: is no saved model, {name!r} is missing; name a folder that antehoc saved.")
    if foreign := sorted(present - set(FILES)):
        raise ModelError(
            f"{folder}: holds a foreign file {foreign[0]!r}; a saved model is {', '.join(FILES)} and no more."
        )
    try:
        config = json.loads((folder / "config.json").read_text())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{folder}/config.json: is not JSON ({error}); save the model again.") from error
    try:
        system, rest = _read(config, folder)
    except AntehocError as error:
        place = "" if str(error).startswith(str(folder)) else f"{folder}/config.json: "
        raise ModelError(f"{place}{error}") from error
    return Model(system=system.to(device), **rest)


def _read(config: Any, folder: Path) -> tuple[System[Any], dict[str, Any]]:
    where = f"{folder}/config.json"
    if not isinstance(config, dict) or config.get("schema") != SCHEMA:
        came = config.get("schema") if isinstance(config, dict) else type(config).__name__
        raise ModelError(f"{where}: its schema is {came!r}, and this version of antehoc reads {SCHEMA}; save it again.")
    keys = {"schema", "system", "data", "preprocessing", "policy", "card", "about", "weights"}
    if set(config) != keys:
        odd = sorted(set(config) ^ keys)[0]
        raise ModelError(f"{where}: key {odd!r} is {'missing' if odd in keys else 'unknown'}; save the model again.")
    if not all(isinstance(config[key], dict) for key in ("system", "weights", "about")):
        raise ModelError(f"{where}: 'system', 'weights' and 'about' hold keys and values; save the model again.")
    recorded, found = config["weights"].get("sha256"), sha256(folder / "model.safetensors")
    if found != recorded:
        raise ModelError(
            f"{folder}/model.safetensors: its hash is {found[:12]}…, config.json says {str(recorded)[:12]}…; "
            "the weights were changed or damaged, fetch the folder again."
        )
    spec = build(DataSpec, config["data"], f"{where}, data")
    build(Card, config["card"], f"{where}, card")
    preprocessing = build(Preprocessing, config["preprocessing"], f"{where}, preprocessing")
    if dataclasses.astuple(preprocessing)[:3] != (spec.channels, spec.height, spec.width):
        raise ModelError(f"{where}: 'preprocessing' and 'data' name images of different sizes; save the model again.")
    policy = convert(config["policy"], Policy | None, f"{where}, policy")
    if policy and len(policy.class_thresholds) not in (0, len(spec.classes)):  # type: ignore[attr-defined]
        raise ModelError(f"{where}, policy: class_thresholds needs one for each class, or none; save the model again.")
    system = build_system(spec, {**config["system"]}, f"{where}, system", weights=False)
    try:
        system.load_state_dict(load_file(folder / "model.safetensors"))
    except (SafetensorError, RuntimeError) as error:
        said = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{folder}/model.safetensors: does not fit the system in config.json ({said}); save the model again."
        ) from error
    try:
        decide(system.eval(), policy, torch.zeros(1, spec.channels, spec.height, spec.width))  # type: ignore[arg-type]
    except KeyError as error:
        raise ModelError(f"{where}, policy: no doubt is called {error}; save the model again.") from error
    rest = {"arguments": config["system"], "preprocessing": preprocessing, "policy": policy, "about": config["about"]}
    return system, rest


def build_system(
    spec: DataSpec, arguments: Mapping[str, Any], where: str, *, weights: bool | None = None
) -> System[Any]:
    """The system that a recipe or a saved model names, with new weights.

    Raises:
        RecipeError: an unknown name, key or value.
    """
    values = dict(arguments)
    if weights is not None and "weights" in values:
        values["weights"] = weights
    return build_named("system", SYSTEMS, values, where, spec=spec)


def sha256(path: Path) -> str:
    """Hash of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def model_card(model: Model) -> str:
    """The README of a saved model: what it decides, how its reasons may be read, how it was calibrated."""
    spec, card, policy = model.spec, model.system.card, model.policy
    about = {key: value for key, value in model.about.items() if key != "figures"}
    lines = [
        f"# {model.arguments['name']}: {', '.join(spec.classes[:6])}{' …' if len(spec.classes) > 6 else ''}",
        "",
        f"An image classifier of {len(spec.classes)} classes that gives its reasons, made with antehoc.",
        "",
        "```python",
        "import antehoc",
        "",
        'model = antehoc.load("this folder")',
        'decision = model.decide(["image.png"])[0]',
        "```",
        "",
        "## How to read its reasons",
        "",
        *(f"- **{field.name.replace('_', ' ')}**: {getattr(card, field.name)}" for field in dataclasses.fields(card)),
        "",
        "## Verdict",
        "",
    ]
    if policy:
        lines += [
            f"Score `{policy.method}` of {', '.join(policy.doubts)}; questioned above {policy.threshold:.4g}.",
            f"At most {policy.alpha:.2%} of correct decisions are questioned ({policy.guarantee}), as set on "
            f"{policy.threshold_rows} correct calibration images.",
        ]
    else:
        lines += ["Never calibrated: its decisions carry no verdict."]
    lines += ["", "## Made by", "", *(f"- {key}: {value}" for key, value in sorted(about.items())), ""]
    return "\n".join(lines)
