"""Layer-wise relevance propagation (LRP) on any net of known operations, residual ones included.

Each operation is replaced by one of the same value whose gradient c makes input times c its relevance. What sums, pools
or scales needs no change; a dense or convolutional layer z is written z+ (z / z+), where z+ are its positive parts and
the quotient is held fixed. A last input, `one`, stands for constants: its gradient is their share, and relevance plus
that share is the logit, which is checked.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from antehoc.errors import ModelError
from antehoc.posthoc.checks import Made
from antehoc.posthoc.probe import Probe

# the gradients of these share relevance out as they should: by parts in a sum, to the winner in a maximum;
# sigmoids and softmax belong to gates, which take none: elsewhere the check of conservation fails
PLAIN = {
    "relu", "relu_", "leaky_relu", "max_pool2d", "amax", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d",
    "mean", "sum", "dropout", "dropout2d", "flatten", "reshape", "view", "permute", "transpose", "movedim", "squeeze",
    "unsqueeze", "expand", "expand_as", "contiguous", "clone", "to", "float", "detach", "cat", "stack", "split",
    "chunk", "unbind", "gather", "__getitem__", "__get__", "flip", "pad", "interpolate", "neg", "sigmoid",
    "hardsigmoid", "softmax",
}  # fmt: skip


def lrp(probe: Probe, images: Tensor, target: Tensor) -> Made:
    """What each pixel gave to the logit, layer by layer back along what spoke for it (the rule alpha = 1, beta = 0).

    Batch norm is merged into the convolution before it. A product of two signals (a mask, squeeze-and-excitation) gives
    all to the larger. Checks: `conservation`, by how much of the logit relevance and constants together miss it;
    `bias_share`, what constants take of it: the mean that a net subtracts from its images, biases where nothing else
    speaks for an output, batch norms that follow no layer.

    Differs: a bias takes no share beside its layer's inputs. It takes all where no input speaks for an output; in nets
    with depthwise convolutions, such as a trained MobileNetV2, that leaves next to nothing for the pixels, and the map
    is called invalid.

    Raises:
        ModelError: if the classifier has an operation without a rule.
    Source:
        Bach et al., "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance
        Propagation", PLoS ONE 2015, Eq. 60; Montavon et al., "Layer-Wise Relevance Propagation: An Overview", 2019,
        section 10.2 (by gradients); Arras et al., "Explaining Recurrent Neural Network Predictions", 2017 (products).
    """
    images = images.detach().clone().requires_grad_()
    one = images.new_ones(len(images)).requires_grad_()
    with torch.no_grad():
        logit = probe.scores(images, target)
    with Relevance(one):
        scores = probe.scores(images, target)
    slopes, biases = probe.slopes(scores, images, one)
    maps = (images * slopes).detach().sum(1, keepdim=True)
    size = logit.abs().clamp(min=1e-3)
    gap = (logit - biases - maps.sum((1, 2, 3))).abs() / size
    return Made(maps, {"conservation": gap, "bias_share": biases / size})


class Relevance(TorchFunctionMode):
    """While it lasts, gradients share out relevance; the biases' share is the gradient of `one` (B,), all ones."""

    def __init__(self, one: Tensor) -> None:
        super().__init__()
        self.one = one

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, getattr(function, "__name__", str(function))
        if not any(map(_is_signal, (*args, *kwargs.values()))):
            return function(*args, **kwargs)
        if name in RULES:
            return RULES[name](self, function, *args, **kwargs)
        result = function(*args, **kwargs)
        if name not in PLAIN and _is_signal(result):
            raise _no_rule(name)
        return result

    def biases(self, values: Tensor | int | float, like: Tensor) -> Tensor:
        """A constant as a signal of its own, to be added to one like `like`."""
        if len(self.one) > 1 and like.shape[:1] != self.one.shape:
            raise ModelError(
                f"lrp needs the {len(self.one)} images on the first axis of every layer, and one has "
                f"{tuple(like.shape)}; explain them one by one (chunk=1)."
            )
        return values * self.one.view(-1, *[1] * (like.dim() - 1))


def _is_signal(value: object) -> bool:
    if isinstance(value, Tensor):
        return value.requires_grad
    return isinstance(value, list | tuple) and any(map(_is_signal, value))


def _no_rule(name: str) -> ModelError:
    return ModelError(f"lrp has no rule for the operation {name!r} as it is used here; use integrated-gradients.")


def _layer(
    mode: Relevance, function: Any, input: Tensor, weight: Tensor, bias: Any = None, *a: Any, **k: Any
) -> Tensor:
    """A convolution or dense layer: relevance goes to what adds to the output, except its bias."""
    if weight.requires_grad:
        raise _no_rule(f"{function.__name__} by computed weights")
    positive = function(input.clamp(min=0), weight.clamp(min=0), None, *a, **k)
    if bool((input < 0).any()):
        positive = positive + function(input.clamp(max=0), weight.clamp(max=0), None, *a, **k)
    positive = positive + mode.biases((positive == 0).to(positive), positive)  # a bias takes what no input can
    whole = function(input.detach(), weight, bias, *a, **k)
    result = _scaled(positive, whole)
    made_by = (result._version, function, input, weight, bias, a, k)
    result.made_by = made_by  # type: ignore[attr-defined]  # for a batch norm after it
    return result


def _scaled(signal: Tensor, value: Tensor) -> Tensor:
    """`value`, as a multiple of `signal`: the relevance of both is the same. It is lost where the signal is zero."""
    fixed = signal.detach()
    factor = torch.where(fixed != 0, value / torch.where(fixed != 0, fixed, 1), 0)
    return signal * factor + (value - fixed * factor)


def _batch_norm(
    mode: Relevance, function: Any, input: Tensor, mean: Any, variance: Any, weight: Any = None, bias: Any = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Merged into the layer before it where both have their channels on axis 1, else a scale and a bias."""
    if training or mean is None:
        raise _no_rule("batch_norm by statistics of the batch")
    scale = (variance + eps).rsqrt() * (1 if weight is None else weight)
    shift = (0 if bias is None else bias) - mean * scale
    version, *source = getattr(input, "made_by", (None,))
    fits = bool(source) and (source[0].__name__ != "linear" or input.dim() == 2)  # tokens (N, L, C): axis 1 is L
    if fits and version == input._version:  # nothing was added in place since
        layer, before, filters, offset, a, k = source
        offset = shift if offset is None else shift + offset * scale
        return _layer(mode, layer, before, filters * scale.view(-1, *[1] * (filters.dim() - 1)), offset, *a, **k)
    column = [-1] + [1] * (input.dim() - 2)
    result: Tensor = input * scale.view(column) + mode.biases(shift.view(column), input)
    return result


def _sum(mode: Relevance, function: Any, input: Any, other: Any, **k: Any) -> Tensor:
    """A sum or difference: to each signal its part; a constant is a bias."""
    if not _is_signal(other):
        other = mode.biases(other, input)
    elif not _is_signal(input):
        input = mode.biases(input, other)
    result: Tensor = function(input, other, **k)
    return result


def _product(mode: Relevance, function: Any, input: Any, other: Any) -> Tensor:
    """A product by a constant, or of a signal and a smaller one, its gate, which takes nothing."""
    if _is_signal(input) and _is_signal(other):
        if input.numel() == other.numel():
            raise _no_rule(function.__name__ + " of two signals of one size")
        input, other = (input, other.detach()) if input.numel() > other.numel() else (input.detach(), other)
    result: Tensor = function(input, other)
    return result


def _quotient(mode: Relevance, function: Any, input: Any, other: Any) -> Tensor:
    if _is_signal(other):
        raise _no_rule("division by a signal")
    result: Tensor = function(input, other)
    return result


def _curve(mode: Relevance, function: Any, input: Tensor, *a: Any, **k: Any) -> Tensor:
    """A curve through zero lets relevance pass as it came."""
    value: Tensor = function(input.detach().clone(), *a, **k)
    return _scaled(input, value)


RULES: dict[str, Callable[..., Tensor]] = {
    **dict.fromkeys(("conv2d", "linear"), _layer),
    "batch_norm": _batch_norm,
    **dict.fromkeys(("add", "add_", "__add__", "__radd__", "__iadd__"), _sum),
    **dict.fromkeys(("sub", "sub_", "rsub", "__sub__", "__rsub__", "__isub__"), _sum),
    **dict.fromkeys(("mul", "mul_", "__mul__", "__rmul__", "__imul__"), _product),
    **dict.fromkeys(("div", "div_", "true_divide", "__truediv__", "__itruediv__"), _quotient),
    **dict.fromkeys(
        ["gelu", "silu", "hardswish", "hardtanh", "hardtanh_", "relu6", "tanh", "elu", "selu", "mish"], _curve
    ),
}
