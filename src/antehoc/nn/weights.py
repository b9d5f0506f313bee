"""Weights of a whole network from a `.safetensors` file, with errors that say what does not fit."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models import adapt_input_conv
from torch import Tensor

from antehoc.errors import RecipeError, out_of_reach
from antehoc.nn.files import not_finite

HUB = "hf-hub:"
_PICKLES = {".pth", ".pt", ".bin", ".tar", ".ckpt", ".pkl"}
_FIX = "take the weights of this very network, or other `options`"


def weights_file(weights: str | bool) -> Path | None:
    """The file that `weights` names, if it names one.

    Raises:
        RecipeError: where it is a pickle, cannot be reached, or there is no such file.
    """
    if not isinstance(weights, str) or weights.startswith(HUB):
        return None
    path = Path(weights)
    if path.suffix in _PICKLES:
        raise RecipeError(
            f"{weights}: a pickle can run code when it is read; convert it with safetensors.torch.save_file "
            "and name the .safetensors file."
        )
    if said := out_of_reach(path):
        raise RecipeError(f"{weights}: the weights cannot be read ({said}); check the path and its permissions.")
    if path.suffix != ".safetensors":
        if "/" in weights or path.exists():
            raise RecipeError(f"{weights}: weights are a .safetensors file, {HUB}OWNER/NAME or a tag of timm.")
        return None
    if not path.is_file():
        raise RecipeError(f"{weights}: there is no such file; name the .safetensors file of the backbone's weights.")
    return path


def load_weights(
    net: Any,
    file: Path,
    name: str,
    classifier: str | Sequence[str],
    first: str | Sequence[str],
    *,
    resize: bool = False,
) -> None:
    """Load all but the classifier, strictly; a first convolution for RGB is summed up for gray images.

    Args:
        net, name: a network of timm or torchvision, and what errors call it.
        classifier, first: names of the modules that are not loaded, and of the first convolutions.
        resize: whether position embeddings may have another image size.
    Raises:
        RecipeError: where the file cannot be read, or holds the weights of another network.
    """
    heads, firsts = ((part,) if isinstance(part, str) else tuple(part) for part in (classifier, first))
    given = {key: value for key, value in _read(file).items() if not _below(key, heads)}
    own = {key: value for key, value in net.state_dict().items() if not _below(key, heads)}
    _check_names(given, own, file, name)
    for key in (f"{part}.weight" for part in firsts):
        if given[key].dim() == 4 and own[key].shape[1] < given[key].shape[1]:
            given[key] = adapt_input_conv(own[key].shape[1], given[key])
    convert = getattr(sys.modules[type(net).__module__], "checkpoint_filter_fn", None)
    if resize and convert:  # timm's own way to bring position embeddings to another image size
        given = convert(given, net)
    _check_shapes(given, own, file, name)
    if bad := not_finite(given):
        raise RecipeError(f"{file}: {bad!r} holds NaN or infinity; download or convert the weights again.")
    net.load_state_dict(given, strict=False)


def _read(file: Path) -> dict[str, Tensor]:
    try:
        with file.open("rb"):  # safetensors says of a file without permission that there is none
            pass
        return load_file(file)
    except SafetensorError as error:
        raise RecipeError(f"{file}: this is not a safetensors file ({error}); download or convert it again.") from error
    except OSError as error:
        said = error.strerror or str(error)
        raise RecipeError(
            f"{file}: the weights cannot be read ({said}); check the path and its permissions."
        ) from error


def _check_names(given: Mapping[str, Tensor], own: Mapping[str, Tensor], file: Path, name: str) -> None:
    for key in own:
        if key not in given and not key.endswith("num_batches_tracked"):  # files older than that counter
            raise RecipeError(f"{file}: the weights have no {key!r}, which {name} wants; {_FIX}.")
    for key in given:
        if key not in own:
            raise RecipeError(f"{file}: the weights have {key!r}, which {name} does not know; {_FIX}.")


def _check_shapes(given: Mapping[str, Tensor], own: Mapping[str, Tensor], file: Path, name: str) -> None:
    for key, value in given.items():
        if value.shape != own[key].shape:
            shapes = f"is {tuple(value.shape)}, and {name} wants {tuple(own[key].shape)}"
            raise RecipeError(f"{file}: {key!r} {shapes}; {_FIX}.")


def _below(key: str, parts: tuple[str, ...]) -> bool:
    return any(key.startswith(part + ".") for part in parts)
