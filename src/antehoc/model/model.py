"""A finished model: all that a decision needs, in memory."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from antehoc.calibration import Policy
from antehoc.data.inputs import Input, inputs
from antehoc.data.preprocessing import Preprocessing, check_tensor
from antehoc.errors import AntehocError
from antehoc.model.correction import intervene
from antehoc.model.decision import decide
from antehoc.model.stream import Loaded, decoded
from antehoc.systems.base import System
from antehoc.types import DataSpec, Decision


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
    #: (rows,) by doubt, of correct decisions on calibration images, at most 500; empty in models of earlier versions
    reference: Mapping[str, Tensor] = dataclasses.field(default_factory=dict, compare=False)

    @property
    def spec(self) -> DataSpec:
        """Names and sizes of the data that the model was trained on."""
        return self.system.spec

    def decide(self, images: object, *, batch_size: int = 64) -> list[Decision]:
        """Decide, explain and question images.

        Args:
            images: a tensor (B, C, H, W) of floats in 0..1 at the model's size, or images of any size and mode: paths,
                folders, patterns such as `photos/*.jpg`, zip archives, bytes, open files, PIL images, numpy arrays
                (H, W, C) of uint8, torch tensors (C, H, W), or a list of these; see `antehoc.data.inputs.inputs`.
            batch_size: images per forward pass.
        Raises:
            ImageError: where an image cannot be read (`decide_each` goes on instead).
            DataError: anything else is given, or a tensor has another shape or values outside 0..1.
        """
        if isinstance(images, Tensor) and images.ndim == 4:
            images = images.float() if images.dtype in (torch.float16, torch.bfloat16, torch.float64) else images
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

    def decide_each(self, images: object, *, batch_size: int = 64) -> Iterator[Decision | AntehocError]:
        """A decision for each image in order; for one that cannot be read, its error in the decision's place.

        Args:
            images: in any form that `decide` takes.
            batch_size: images per forward pass.
        Raises:
            DataError: something is given that is no image.
        """
        return (item for _, item in self.decide_named(images, batch_size=batch_size))

    def decide_named(
        self, images: object, *, batch_size: int = 64
    ) -> Iterator[tuple[Path | str, Decision | AntehocError]]:
        """The same with what each image is called: its path, or `image 3` for the third one that has none.

        Images are taken and decoded as they are needed, one batch ahead on threads, so that memory does not grow with
        their number.
        """
        return self.decide_inputs(inputs(images), batch_size=batch_size)

    def decide_inputs(
        self, images: Iterable[Input], *, batch_size: int
    ) -> Iterator[tuple[Path | str, Decision | AntehocError]]:
        """The same for images that `antehoc.data.inputs.inputs` has listed."""
        waiting: list[Loaded] = []
        for loaded in decoded(images, self.preprocessing, ahead=batch_size):
            waiting.append(loaded)
            if len(waiting) == batch_size:
                yield from self._flush(waiting)
                waiting = []
        yield from self._flush(waiting)

    def _flush(self, waiting: list[Loaded]) -> Iterator[tuple[Path | str, Decision | AntehocError]]:
        images = [item for _, item in waiting if isinstance(item, Tensor)]
        decisions = iter(decide(self.system, self.policy, torch.stack(images).to(self.device)) if images else [])
        for name, item in waiting:
            yield name, next(decisions) if isinstance(item, Tensor) else item

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
            ModelError: where a weight is NaN or infinite.
        """
        from antehoc.model.folder import save  # the folder's side knows models, so it is loaded when asked for

        save(self, folder)
