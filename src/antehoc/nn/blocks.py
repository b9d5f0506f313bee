"""The block that the paper's networks are made of."""

from torch import nn


def twice(inputs: int, outputs: int, *, norm: bool, inplace: bool = False) -> nn.Sequential:
    """Two 3x3 convolutions, each with a ReLU.

    Args:
        inputs: channels that come.
        outputs: channels that go.
        norm: batch norm after each convolution.
        inplace: whether a ReLU overwrites what it reads: faster, but methods that look at single layers cannot.
    """
    layers: list[nn.Module] = []
    for i in (inputs, outputs):
        layers.append(nn.Conv2d(i, outputs, 3, padding=1, bias=not norm))
        layers += [nn.BatchNorm2d(outputs)] if norm else []
        layers.append(nn.ReLU(inplace=inplace))
    return nn.Sequential(*layers)
