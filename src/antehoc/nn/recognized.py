"""Which network a file of weights belongs to, by the names and shapes of its tensors."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
import torchvision  # type: ignore[import-untyped]
from safetensors import SafetensorError, safe_open

from antehoc.errors import RecipeError, shown
from antehoc.nn.weights import weights_file

TRIED = (  #: small networks that a file is compared with
    "mobilenetv2_100", "tf_efficientnet_lite0", "mobilenetv1_100", "mobilenetv3_small_100", "mobilenetv3_large_100",
    "efficientnet_b0", "efficientnet_lite0", "resnet18", "resnet34", "resnet50", "convnext_atto", "convnext_tiny",
    "regnety_004", "torchvision/squeezenet1_0", "torchvision/squeezenet1_1",
)  # fmt: skip
_PADDED = ("mobilenet", "efficientnet")  # families of timm that take `pad_type`


class Recognized(NamedTuple):
    """A network, and the options that its weights need."""

    name: str  #: as a recipe names the backbone
    options: dict[str, Any]


def recognize(weights: str | Path) -> Recognized:
    """The network that a `.safetensors` file fits, its head aside.

    Weights that came from TensorFlow need `pad_type: same`: it is taken where the file's metadata or its name say so
    (`tf`), because the tensors do not.

    Args:
        weights: the file.
    Raises:
        RecipeError: it cannot be read, or fits none of `TRIED`.
    """
    file = weights_file(str(weights))
    if file is None:
        raise RecipeError(f"{shown(weights)}: give the .safetensors file of a network's weights.")
    try:
        with safe_open(file, "pt") as opened:
            shapes = {key: tuple(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118
            said = " ".join((opened.metadata() or {}).values())
    except (SafetensorError, OSError) as error:
        raise RecipeError(f"{file}: this is not a safetensors file ({error}); download or convert it again.") from error
    name = next((name for name in TRIED if _fits(name, shapes)), None)
    if name is None:
        raise RecipeError(
            f"{file}: these weights fit none of the networks that are tried ({', '.join(TRIED)}); write a recipe that"
            " names their network in system.backbone."
        )
    from_tensorflow = "same" in re.findall(r"pad_type\W+(\w+)", said) or "tf" in re.split(r"[^a-z0-9]+", file.stem)
    same = from_tensorflow and name.startswith(_PADDED)
    return Recognized(name, {"pad_type": "same"} if same else {})


def _fits(name: str, shapes: dict[str, tuple[int, ...]]) -> bool:
    """Whether a network has just these tensors, in its body."""
    with torch.device("meta"):
        library, _, plain = name.rpartition("/")
        if library:
            net, head = torchvision.models.get_model(plain, weights=None), "classifier"
        else:
            built: Any = timm.create_model(name, pretrained=False)
            net, head = built, built.pretrained_cfg["classifier"]
    own = {key: tuple(value.shape) for key, value in net.state_dict().items() if not _beside(key, head)}
    return own == {key: shape for key, shape in shapes.items() if not _beside(key, head)}


def _beside(key: str, head: str) -> bool:
    return key.startswith(f"{head}.") or key.endswith("num_batches_tracked")
