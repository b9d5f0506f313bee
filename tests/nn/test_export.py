"""Every network can be exported with a batch of any size, and its graph gives what it gives."""

import pytest
import torch
from torch import nn
from torch.export import Dim, export
from torch.testing import assert_close

from antehoc.nn.backbones import build_backbone
from antehoc.nn.explainers import Gating, build_explainer, opened
from antehoc.nn.gated import build_gated

NARROW = {"channels": (8, 8, 16, 16), "stem_width": 8}
TRACED, SIZES = 3, (1, 2, 5)  # images in the batch that is traced, and in those that are compared


class Explained(nn.Module):
    """An explainer's mask, and what the classifier is gated by."""

    def __init__(self, explainer, gate):
        super().__init__()
        self.explainer, self.gate = explainer, gate

    def forward(self, image):
        mask = self.explainer(image)
        return mask, opened(mask, self.gate)


class Joined(nn.Module):
    """Explainer and gated classifier in one graph."""

    def __init__(self, explainer, classifier):
        super().__init__()
        self.explainer, self.classifier = explainer, classifier

    def forward(self, image):
        mask = self.explainer(image)
        return self.classifier(image, opened(mask, "hard")), mask


def explainer(gate="sigmoid", **changes):
    settings = {"filters": (4, 8), "scale": 2, "norm": True} | changes
    return build_explainer("unet", 3, Gating(gate, 0.0, smooth=2.0), **settings)


FORMS = {
    "small": lambda: build_backbone("small", 3),
    "tiny": lambda: build_backbone("tiny", 3),
    "paper-shapes": lambda: build_backbone("paper-shapes", 3),
    "fixed-statistics": lambda: build_backbone("small", 3, batch_norm="fixed"),
    "mobilenetv2": lambda: build_backbone("mobilenetv2_035", 3),
    "squeezenet": lambda: build_backbone("torchvision/squeezenet1_1", 3),
    "vit": lambda: build_backbone("vit_tiny_patch16_224", 3, options={"img_size": 64, "depth": 4}),
    **{f"unet-{gate}": lambda gate=gate: Explained(explainer(gate), gate) for gate in ("tanh", "sigmoid", "hard")},
    "unet-published": lambda: explainer("tanh", scale=1, norm=False),
    "no-explainer": lambda: build_explainer("none", 3, Gating(), filters=(4,), scale=1, norm=True),
    "joined": lambda: Joined(explainer("hard"), build_gated("tiny", 3, 2, gate_at="stages")),
}
GATED = [
    ("vgg", "blocks", {"filters": (4, 4, 8, 8)}),
    ("vgg", "image", {"filters": (4, 4, 8, 8), "norm": True}),
    *(("resnet18", gate_at, NARROW) for gate_at in ("blocks", "stages", "first", "image")),
    ("tiny", "stages", {}),
    ("small", "first", {}),
    ("mobilenetv2_035", "stages", {}),
]


def inputs(batch, *, masked, seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(batch, 3, 64, 64, generator=generator)
    return (image, torch.rand(batch, 1, 64, 64, generator=generator)) if masked else (image,)


def settled(network):
    """In eval mode, with running statistics that are not those of a new network."""
    generator = torch.Generator().manual_seed(1)
    for name, values in network.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            values.copy_(torch.rand(values.shape, generator=generator) + 0.5)
    return network.eval()


def assert_exports(network, *, masked=False):
    names = ("image", "mask")[: 1 + masked]
    batch = Dim("batch", min=1, max=64)
    with torch.no_grad():
        traced = export(network, inputs(TRACED, masked=masked), dynamic_shapes={name: {0: batch} for name in names})
        for size in SIZES:
            given = inputs(size, masked=masked, seed=size)
            assert_close(traced.module()(*given), network(*given), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", FORMS)
def test_a_network_exports_with_any_batch(name):
    torch.manual_seed(0)
    assert_exports(settled(FORMS[name]()))


@pytest.mark.parametrize(("name", "gate_at", "options"), GATED)
def test_a_gated_classifier_exports_with_any_batch(name, gate_at, options):
    torch.manual_seed(0)
    network = settled(build_gated(name, 3, 2, gate_at=gate_at, options=options))
    assert_exports(network, masked=True)
    assert_exports(network)


def test_a_decoder_of_segmentation_models_exports_with_any_batch():
    pytest.importorskip("segmentation_models_pytorch", reason="needs the extra `segmentation`")
    name = "smp/unet/tu-mobilenetv3_small_050"
    network = build_explainer(name, 3, Gating("sigmoid", 0.0), filters=(4,), scale=1, norm=True)
    assert_exports(settled(network))
