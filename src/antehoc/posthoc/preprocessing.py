"""What a classifier of other libraries expects of its images: read from a timm configuration, torchvision's transforms,
or mean and standard deviation."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torchvision.transforms.functional as VF  # type: ignore[import-untyped]
from torch import Tensor, nn

from antehoc.errors import DataError, PreprocessingWarning, RecipeError, near_miss
from antehoc.posthoc.probe import Probe
from antehoc.task import strongest

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  #: mean and standard deviation of torchvision's networks

_TIMM = ("input_size", "interpolation", "mean", "std", "crop_pct", "crop_mode")  # of resolve_model_data_config
_CONVERT = {
    "ToTensor", "MaybeToTensor", "PILToTensor", "MaybePILToTensor", "ToImage", "ToPureTensor", "ConvertImageDtype",
    "ToDtype", "Identity",
}  # fmt: skip  # images are tensors of floats already
_RESIZE = {"Resize", "CenterCrop", "ResizeKeepRatio", "CenterCropOrPad"}
_KINDS = (
    "preprocessing must be a timm data configuration (timm.data.resolve_model_data_config(network)), torchvision"
    " transforms (weights.transforms()), or mean and standard deviation: (mean, std)"
)


@dataclass(frozen=True)
class Prepare:
    """How images in 0..1 become what a classifier takes: resized and cropped first, then normalized."""

    mean: tuple[float, ...]  #: of each channel, or one for all
    std: tuple[float, ...]
    resize: tuple[Callable[[Tensor], Tensor], ...] = ()
    source: str = "preprocessing"  #: where it comes from, as a sentence names it
    published: int = 0  #: classes of the weights that were published with it

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not all(value > 0 for value in self.std):
            raise RecipeError(
                f"preprocessing: mean and std need one number for each channel, std above 0; got {self.mean} and"
                f" {self.std}."
            )

    def resized(self, images: Tensor) -> Tensor:
        """The images at the size that the classifier takes; those that have it already come back as they are.

        Args:
            images: (B, C, H, W) in 0..1.
        Raises:
            DataError: if a value is outside of it.
        """
        low, high = float(images.min()), float(images.max())
        if low < 0 or high > 1:
            raise DataError(
                f"images must lie in 0..1 where preprocessing normalizes them; got {low:g} to {high:g}. Divide 8 bit"
                " images by 255; leave preprocessing out if they are normalized already."
            )
        changed = images
        for step in self.resize:
            changed = step(changed)
        return images if changed.shape == images.shape else changed.clamp(0, 1)

    def fits(self, images: Tensor) -> bool:
        """Whether the images have so many channels."""
        return len(self.mean) in (1, images.shape[1])

    def normalized(self, images: Tensor) -> Tensor:
        """(image - mean) / std, channel by channel.

        Raises:
            DataError: if the images have another number of channels.
        """
        if not self.fits(images):
            raise DataError(f"{self.source} is for images of {len(self.mean)} channels; these have {images.shape[1]}.")
        mean, std = (images.new_tensor(values).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return (images - mean) / std


def read(preprocessing: object) -> Prepare:
    """What the user gave as preprocessing, checked.

    Raises:
        RecipeError: if it is none of the known kinds, draws at random, or has a step without a rule.
    Example:
        >>> read((0.5, 0.25)).normalized(torch.ones(1, 1, 1, 1))
        tensor([[[[2.]]]])
    """
    if isinstance(preprocessing, Mapping):
        return _from_config(preprocessing)
    if isinstance(preprocessing, list | tuple) and len(preprocessing) == 2 and not callable(preprocessing[0]):
        mean, std = preprocessing
        return Prepare(_values(mean, "mean"), _values(std, "std"))
    if all(hasattr(preprocessing, name) for name in ("crop_size", "resize_size", "mean", "std")):
        return _from_preset(preprocessing)
    steps = getattr(preprocessing, "transforms", preprocessing)
    if isinstance(steps, nn.Sequential) or (isinstance(steps, list | tuple) and steps and all(map(callable, steps))):
        return _from_steps(steps)
    if callable(preprocessing) and hasattr(preprocessing, "mean"):
        return _from_steps([preprocessing])
    raise RecipeError(f"{_KINDS}; got {type(preprocessing).__name__}.")


def declared(classifier: nn.Module) -> Prepare | None:
    """The normalization that a network of timm or torchvision was trained with; None for any other classifier.

    timm's networks carry it. All of torchvision's have that of ImageNet.
    """
    facts = getattr(classifier, "pretrained_cfg", None)
    name = type(classifier).__name__
    if isinstance(facts, Mapping) and facts.get("mean") and facts.get("std"):
        source = f"{name} of timm"
        return Prepare(
            _values(facts["mean"], "mean"), _values(facts["std"], "std"), (), source, int(facts.get("num_classes") or 0)
        )
    if type(classifier).__module__.startswith("torchvision.models."):
        return Prepare(*IMAGENET, (), f"{name} of torchvision", 1000)
    return None


def other_input(
    probe: Probe, prepare: Prepare | None, images: Tensor, decided: Tensor
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Which images get another class where they are normalized otherwise, as a check and a note.

    With preprocessing the other input is the image as it is, and only a note says what changes. Without it the other
    input is normalized as the network's publisher does, where that is known: then it is the check `preprocessed`.

    Args:
        probe: of the classifier; it counts the passes.
        prepare: the preprocessing that was given.
        images: (B, C, H, W) in 0..1.
        decided: (B,) the class of each image; -1: not to be compared.
    Warns:
        PreprocessingWarning: where the check fails.
    """
    known = declared(probe.classifier) if prepare is None else None
    if prepare is None and (known is None or images.min() < 0 or images.max() > 1 or not known.fits(images)):
        return {}, ()  # nothing is known, or the images are normalized already
    other = Probe(probe.classifier, probe.chunk, probe.task, None if known is None else known.normalized)
    logits = other.all_logits(images)
    found = strongest(logits.nan_to_num())
    probe.forward += other.forward
    differs = (found != decided) & (decided >= 0)
    count, first = int(differs.sum()), int(differs.int().argsort(descending=True, stable=True)[0])
    said = f"{count} of {len(images)} images would get another class"
    if count:
        said += f", such as image {first}: {int(found[first])} instead of {int(decided[first])}"
    if known is None:
        return {}, (f"Without the preprocessing {said}.",)
    check = {"preprocessed": 1 - differs.to(images.dtype)} if logits.shape[1] == known.published else {}
    if not count:
        return check, ()
    note = (
        f"{known.source} normalizes its images, and these were not: normalized, {said}. Pass preprocessing=, or"
        " preprocessing=(0.0, 1.0) if this classifier takes images in 0..1 as they are."
    )
    warnings.warn(note, PreprocessingWarning, stacklevel=5)
    return check, (note,)


def _from_config(config: Mapping[Any, Any]) -> Prepare:
    for name in config:
        if name not in _TIMM:
            raise RecipeError(f"{_KINDS}; no key {name!r} is known.{near_miss(name, _TIMM)} Known: {', '.join(_TIMM)}.")
    if "mean" not in config or "std" not in config:
        raise RecipeError(f"{_KINDS}; this configuration lacks mean or std.")
    mean, std = _values(config["mean"], "mean"), _values(config["std"], "std")
    if "input_size" not in config:
        return Prepare(mean, std)
    from timm.data.transforms_factory import create_transform  # the steps that timm itself takes for this configuration

    try:
        steps = create_transform(**config, is_training=False)
    except (TypeError, ValueError, AssertionError, KeyError, AttributeError) as error:
        raise RecipeError(f"preprocessing: timm cannot use this data configuration ({error}).") from error
    return _from_steps(steps.transforms)


def _from_preset(preset: Any) -> Prepare:
    """Of `weights.transforms()`, which is one object for all steps."""

    def change(images: Tensor) -> Tensor:
        if preset.resize_size is not None:
            images = VF.resize(images, preset.resize_size, preset.interpolation, antialias=True)
        return images if preset.crop_size is None else VF.center_crop(images, preset.crop_size)

    return Prepare(_values(preset.mean, "mean"), _values(preset.std, "std"), (change,))


def _from_steps(steps: Iterable[Any]) -> Prepare:
    """Of transforms one after the other, of which at most one normalizes."""
    normal: list[Any] = []
    resize: list[Callable[[Tensor], Tensor]] = []
    for step in steps:
        name = type(step).__name__
        if name == "Normalize":
            normal.append(step)
        elif name in _RESIZE:
            resize.append(step)
        elif name not in _CONVERT:
            raise RecipeError(
                f"preprocessing: no rule for the step {name!r}. Known: {', '.join(sorted(_RESIZE | {'Normalize'}))};"
                " give the transforms that are used to evaluate, without random ones, and apply others to the images."
            )
    if len(normal) > 1:
        raise RecipeError("preprocessing: it normalizes twice; give the transforms of one network.")
    mean, std = (normal[0].mean, normal[0].std) if normal else (0.0, 1.0)
    return Prepare(_values(mean, "mean"), _values(std, "std"), tuple(resize))


def _values(values: object, name: str) -> tuple[float, ...]:
    """A number, or one for each channel."""
    try:
        found = torch.as_tensor(values, dtype=torch.float64).flatten().tolist()
    except (TypeError, ValueError, RuntimeError):
        found = []
    if not found or not all(abs(value) < float("inf") for value in found):  # refuses NaN too
        raise RecipeError(f"preprocessing: {name} is a number, or one for each channel; got {values!r}.")
    return tuple(found)
