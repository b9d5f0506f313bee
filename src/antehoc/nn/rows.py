"""Networks of timm and torchvision as rows of stages, with weights from where the caller says."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import timm
import torch
import torchvision  # type: ignore[import-untyped]
from timm.models import VisionTransformer, adapt_input_conv
from torch import Tensor, nn

from antehoc.errors import RecipeError, near_miss
from antehoc.nn.weights import HUB, load_weights, weights_file

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SUCH_AS = "take one such as resnet18, convnext_atto, swin_tiny_patch4_window7_224 or vit_tiny_patch16_224"
_HEADS = {"global_pool", "pre_logits", "fc_norm", "head_norm", "head_drop", "head", "fc", "classifier", "last_linear"}
_OURS = {  # options of timm and torchvision that a backbone sets itself, or that would change what it gives
    *("num_classes", "in_chans", "features_only", "out_indices", "feature_cls", "dynamic_img_size", "weights"),
    *("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path"),
}
_TORCHVISION = ("alexnet", "convnext", "densenet", "efficientnet", "mobilenet", "squeezenet", "vgg")
FAILURES = (
    RuntimeError,
    AttributeError,
    TypeError,
    ValueError,
    AssertionError,
    LookupError,
    NotImplementedError,
    ArithmeticError,
)


class Row(NamedTuple):
    """A network without its head, cut into stages that run one after the other."""

    stages: list[nn.Sequential]
    channels: tuple[int, ...]  #: of each stage's activation
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    size: tuple[int, int] | None = None  #: height and width of the only images that fit; None: any
    tokens: tuple[int, int, int] | None = None  #: prefix tokens, rows and columns where the state is a row of tokens


def timm_row(name: str, image_channels: int, *, weights: str | bool, options: Mapping[str, Any]) -> Row:
    """A network of timm. That its row gives what timm's `forward_features` gives is tried out on one image."""
    file = weights_file(weights)
    _check_options(options)
    net = _timm_net(name, image_channels, weights=bool(weights and not file) and weights, options=options)
    facts = net.pretrained_cfg
    if file:
        load_weights(net, file, name, facts["classifier"], facts["first_conv"], resize="img_size" in options)
    fixed = "img_size" in options or facts.get("fixed_input_size") or isinstance(net, VisionTransformer)
    side = options.get("img_size", facts["input_size"][1:])
    try:
        height, width = (side, side) if isinstance(side, int) else side
        return _cut(net.eval(), image_channels, (height, width) if fixed else None)
    except FAILURES as error:
        raise RecipeError(f"timm's {name!r} is not a sequence of stages that return maps; {SUCH_AS}.") from error


def whole_network(name: str, *, weights: str | bool, options: Mapping[str, Any]) -> tuple[nn.Module, tuple[int, int]]:
    """A network of timm with the head that its weights bring, in eval mode, and the images' height and width for it.

    It maps images (B, 3, H, W) in 0..1 to logits of the classes that it was pretrained on.
    """
    file = weights_file(weights)
    _check_options(options)
    net = _timm_net(name, 3, weights=bool(weights and not file) and weights, options=options)
    facts = net.pretrained_cfg
    if file:
        load_weights(net, file, name, (), facts["first_conv"], resize="img_size" in options)
    height, width = facts["input_size"][1:]
    return nn.Sequential(torchvision.transforms.Normalize(facts["mean"], facts["std"]), net).eval(), (height, width)


def _timm_net(name: str, image_channels: int, *, weights: str | bool, options: Mapping[str, Any]) -> Any:
    plain = name.partition(".")[0]
    source = weights if isinstance(weights, str) else ""
    its = " and its weights" if weights else ""
    wanted = source if source.startswith(HUB) else f"{plain}.{source}" if source else name
    try:
        net: Any = timm.create_model(wanted, pretrained=bool(weights), in_chans=image_channels, **options)
    except (*FAILURES, OSError) as error:
        raise _refused("timm", wanted, options, its, error) from error
    if source.startswith(HUB) and (found := net.pretrained_cfg.get("architecture")) != plain:
        raise RecipeError(f"weights {source!r} belong to {found!r}; name that as the backbone instead of {name!r}.")
    return net


def _refused(library: str, name: str, options: Mapping[str, Any], weights: str, error: Exception) -> RecipeError:
    said = " ".join(str(error).split()).rstrip(".")
    return RecipeError(
        f"{library} cannot build {name!r} with options {dict(options)}{weights} ({said}); "
        "change the options, or give the weights as a .safetensors file."
    )


@torch.no_grad()
def _cut(net: Any, image_channels: int, size: tuple[int, int] | None) -> Row:
    """The stages of a timm network; any of `FAILURES` if it is not a sequence of stages."""
    height, width = size or (96, 96)
    image = torch.linspace(-1, 1, image_channels * height * width).view(1, image_channels, height, width)
    wanted, last = net.forward_features(image), getattr(net, "output_fmt", "NCHW") == "NHWC"
    tokens = (net.num_prefix_tokens, *net.patch_embed.grid_size) if isinstance(net, VisionTransformer) else None
    stages = _group(*(_blocks(net) if tokens else _taps(net)))
    if last:
        stages = [nn.Sequential(*([_Last()] if index else []), *s, _First()) for index, s in enumerate(stages)]
    state, states = image, []
    for stage in stages:
        state = stage(state)
        states.append(state)
    if not torch.allclose(state.permute(0, 2, 3, 1) if last else state, wanted, atol=1e-4):
        raise ValueError("its children in a row give something else")
    if not all(state.dim() == (3 if tokens else 4) for state in states):
        raise ValueError("it gives tokens")
    channels = tuple(state.shape[-1 if tokens else 1] for state in states)
    for stage in stages:
        stage.train()
    mean, deviation = (tuple(net.pretrained_cfg[key]) for key in ("mean", "std"))
    return Row(stages, channels, mean, deviation, size, tokens)


def _blocks(net: Any) -> tuple[list[tuple[str, nn.Module]], list[str]]:
    """The row of a vision transformer, which is taken apart by this, and its ends."""
    blocks = [(f"blocks.{index}", block) for index, block in enumerate(net.blocks)]
    norm = net.norm
    return [("embed", _Embedding(net)), *blocks, ("norm", norm)], _quarters([key for key, _ in blocks])


def _taps(net: Any) -> tuple[list[tuple[str, nn.Module]], list[str]]:
    """The row of another network, and its ends where timm's `feature_info` has taps (or around one, inside a part)."""
    taps = [tap["module"] for tap in net.feature_info if tap["module"]]
    row = list(_children(net, taps))
    ends = [key for key, _ in row if any(tap == key or tap.startswith(key + ".") for tap in taps)]
    return row, _quarters(ends) if len(ends) > 6 else ends  # more: a tap for every block, all of one size


def _children(part: nn.Module, taps: Sequence[str], place: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Children in order, up to the head; a list that holds taps is opened."""
    for key, child in part.named_children():
        name = place + key
        if name in _HEADS:
            return
        holds = name not in taps and any(tap.startswith(name + ".") for tap in taps)
        if holds and isinstance(child, nn.Sequential | nn.ModuleList):
            yield from _children(child, taps, name + ".")
        else:
            yield name, child


def _quarters(ends: list[str]) -> list[str]:
    return [ends[-(-len(ends) * quarter // 4) - 1] for quarter in (1, 2, 3, 4)]


def _group(row: Sequence[tuple[str, nn.Module]], ends: Sequence[str]) -> list[nn.Sequential]:
    """Parts up to each end make a stage; what comes after the last end, or has no weights, joins the stage before."""
    groups: list[list[nn.Module]] = [[]]
    for key, part in row:
        groups[-1].append(part)
        if key in ends:
            groups.append([])
    tail = groups.pop()
    stages: list[list[nn.Module]] = []
    for group in groups:
        if stages and not any(True for part in group for _ in part.parameters()):
            stages[-1] += group
        else:
            stages.append(group)
    stages[-1] += tail
    return [nn.Sequential(*stage) for stage in stages]


class _Embedding(nn.Module):
    """What a vision transformer does before its blocks: the network itself, with blocks and head taken out."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        for name in ("blocks", "norm", "fc_norm", "head_drop", "head", "head_dist", "attn_pool"):
            if isinstance(getattr(net, name, None), nn.Module):
                setattr(net, name, nn.Identity())
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        tokens: Tensor = self.net.forward_features(image)
        return tokens


class _Last(nn.Module):
    def forward(self, activation: Tensor) -> Tensor:
        return activation.permute(0, 2, 3, 1)


class _First(nn.Module):
    def forward(self, activation: Tensor) -> Tensor:
        return activation.permute(0, 3, 1, 2)


@torch.no_grad()
def torchvision_row(name: str, image_channels: int, *, weights: str | bool, options: Mapping[str, Any]) -> Row:
    """A network of torchvision that keeps its row in `features`; a stage ends where the size is about to fall."""
    net = _torchvision_net(name, image_channels, weights=weights, options=options)
    parts = [*net.features, *([nn.ReLU()] if name.startswith("densenet") else [])]  # densenet's stands in its forward
    states = [torch.zeros(1, image_channels, 64, 64)]
    for part in parts:
        states.append(part.eval()(states[-1]))
        part.train()
    sides = [state.shape[-1] for state in states]
    row = [(str(index), part) for index, part in enumerate(parts)]
    falls = [index for index in range(1, len(parts)) if sides[index + 1] < sides[index] < 64]
    ends = [str(index - 1) for index in falls] + [str(len(parts) - 1)]
    stages = _group(row, ends)
    widths, index = [], 0
    for stage in stages:
        index += len(stage)
        widths.append(states[index].shape[1])
    return Row(stages, tuple(widths), IMAGENET_MEAN, IMAGENET_STD)


def _torchvision_net(name: str, image_channels: int, *, weights: str | bool, options: Mapping[str, Any]) -> Any:
    """The whole network, its weights loaded and its first convolution for so many channels."""
    file = weights_file(weights)
    _check_options(options)
    every = torchvision.models.list_models(torchvision.models)
    known = [known for known in every if known.startswith(_TORCHVISION)]
    if name not in known:
        hint = " Take timm's." if name in every else near_miss(name, known)
        raise RecipeError(
            f"torchvision's {name!r} is not a sequence of stages.{hint} Known, by size: {', '.join(_TORCHVISION)}."
        )
    own = None if file or not weights else "DEFAULT" if weights is True else weights
    try:
        net: Any = torchvision.models.get_model(name, weights=own, **options)
    except (*FAILURES, OSError) as error:
        raise _refused("torchvision", name, options, f" and weights {own!r}", error) from error
    key, conv = next((key, part) for key, part in net.named_modules() if isinstance(part, nn.Conv2d))
    if image_channels != conv.in_channels:
        conv.weight = nn.Parameter(adapt_input_conv(image_channels, conv.weight))
        conv.in_channels = image_channels
    if file:
        load_weights(net, file, f"torchvision/{name}", "classifier", key)
    return net


def _check_options(options: Mapping[str, Any]) -> None:
    if taken := sorted(_OURS & set(options)):
        raise RecipeError(
            f"option {taken[0]!r} is set by the backbone; leave it out "
            "(options are such as {pad_type: same} or {img_size: 64})."
        )
