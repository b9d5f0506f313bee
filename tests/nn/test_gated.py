"""Gated classifiers: an open mask changes nothing, a closed one hides all, and what lies behind it has no gradient."""

from itertools import pairwise

import pytest
import torch

from antehoc.errors import RecipeError
from antehoc.nn.gated import build_gated, seen

# with 4 channels, PyTorch 2.14 corrupts memory on one thread of some processors
NARROW = {"channels": (8, 8, 16, 16), "stem_width": 8}
FORMS = [
    ("vgg", "blocks", {"filters": (4, 4, 8, 8)}),
    ("resnet18", "blocks", NARROW),
    ("resnet18", "stages", NARROW),
    ("resnet18", "first", NARROW),
    ("tiny", "stages", {}),
]


def build(name, gate_at, options):
    torch.manual_seed(0)
    return build_gated(name, 3, 2, gate_at=gate_at, options=options).eval()


@pytest.mark.parametrize(("name", "gate_at", "options"), FORMS)
def test_an_open_mask_changes_nothing(name, gate_at, options):
    network, image = build(name, gate_at, options), torch.rand(2, 3, 32, 32)
    assert torch.allclose(network(image, torch.ones(2, 1, 32, 32)), network(image), atol=1e-6)


@pytest.mark.parametrize(("name", "gate_at", "options"), FORMS)
def test_behind_a_closed_mask_all_images_look_alike(name, gate_at, options):
    network, closed = build(name, gate_at, options), torch.zeros(2, 1, 32, 32)
    first, second = network(torch.rand(2, 3, 32, 32), closed), network(torch.rand(2, 3, 32, 32), closed)
    assert torch.allclose(first, second, atol=1e-6)


@pytest.mark.parametrize(("name", "gate_at", "options"), FORMS)
def test_the_decision_teaches_the_mask(name, gate_at, options):
    mask = torch.full((4, 1, 64, 64), 0.9, requires_grad=True)
    network = build(name, gate_at, options).train()  # in train mode batch norm keeps new, narrow layers alive
    network(torch.rand(4, 3, 64, 64), mask)[0, 0].backward()
    assert mask.grad.abs().sum() > 0


def test_the_papers_resnet_is_gated_after_its_stem_and_every_block(monkeypatch):
    sizes = []
    monkeypatch.setattr("antehoc.nn.gated.seen", lambda value, mask: sizes.append(value.shape[2]) or value)
    build("resnet18", "blocks", NARROW)(torch.rand(1, 3, 64, 64), torch.ones(1, 1, 64, 64))
    assert sizes == [16, 16, 16, 8, 8, 4, 4, 2, 2]


def test_the_papers_vgg_is_gated_before_each_pool(monkeypatch):
    sizes = []
    monkeypatch.setattr("antehoc.nn.gated.seen", lambda value, mask: sizes.append(value.shape[2]) or value)
    build("vgg", "blocks", {"filters": (4, 4, 4, 4)})(torch.rand(1, 3, 64, 64), torch.ones(1, 1, 64, 64))
    assert sizes == [64, 32, 16, 8]


def test_the_papers_vgg_has_its_layers():
    network, widths = build_gated("vgg", 3, 2, gate_at="blocks"), (3, 32, 64, 128, 256)
    convolutions = sum(9 * i * o + o + 9 * o * o + o for i, o in pairwise(widths))
    dense = 256 * 128 + 128 + 128 * 128 + 128 + 2 * 128 + 2
    assert sum(p.numel() for p in network.parameters()) == convolutions + dense
    assert [part.p for part in network.modules() if isinstance(part, torch.nn.Dropout)] == [0.3, 0.3]


@pytest.mark.parametrize(("gate_at", "gates"), [("first", 1), ("stages", 4), ("image", 0)])
def test_a_backbone_is_gated_after_its_first_stage_or_all(gate_at, gates, monkeypatch):
    sizes = []
    monkeypatch.setattr("antehoc.nn.gated.seen", lambda value, mask: sizes.append(value.shape[2]) or value)
    network = build("resnet18", gate_at, NARROW)
    network(torch.rand(1, 3, 64, 64), torch.ones(1, 1, 64, 64))
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == (len(network.backbone.stages) if gate_at == "stages" else gates)
    assert gate_at != "first" or sizes == [sizes[0]]


def test_a_mask_is_averaged_to_the_activations_size():
    mask = torch.tensor([[[[1.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0]]]])
    assert seen(torch.full((1, 2, 1, 2), 2.0), mask).tolist() == [[[[1.0, 2.0]], [[1.0, 2.0]]]]


@pytest.mark.parametrize(
    ("name", "gate_at", "weights", "says"),
    [
        ("mobilenetv3_small_050", "blocks", False, "for the ResNets"),
        ("vgg", "blocks", True, "takes no weights"),
        ("vit_tiny_patch16_224", "stages", False, "take `image`"),
        ("resnet181", "blocks", False, "cannot be built"),
    ],
)
def test_what_does_not_fit_is_said(name, gate_at, weights, says):
    with pytest.raises(RecipeError, match=says):
        build_gated(name, 3, 2, gate_at=gate_at, weights=weights)


def test_a_vgg_may_have_batch_norm_and_takes_no_gate_or_option_that_it_does_not_have():
    network = build_gated("vgg", 1, 2, gate_at="image", options={"norm": True, "filters": [4, 8]})
    assert sum(isinstance(part, torch.nn.BatchNorm2d) for part in network.modules()) == 4
    assert not any(
        isinstance(part, torch.nn.BatchNorm2d) for part in build_gated("vgg", 1, 2, gate_at="blocks").modules()
    )
    with pytest.raises(RecipeError, match=r"takes gating\.at: blocks or image; got stages"):
        build_gated("vgg", 1, 2, gate_at="stages")
    with pytest.raises(RecipeError, match="takes the options filters and norm; got 'depth'"):
        build_gated("vgg", 1, 2, gate_at="blocks", options={"depth": 3})


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("vgg", {"filters": 8}, r"^backbone\.options\.filters: got 8, needs a list of whole numbers\.$"),
        ("vgg", {"filters": [4, None]}, r"^backbone\.options\.filters\.1: got None, needs a whole number\.$"),
        ("vgg", {"filters": []}, r"^backbone\.options\.filters: every level has 1 or more; got \[\]\.$"),
        ("vgg", {"filters": [4, -8]}, r"every level has 1 or more; got \[4, -8\]"),
        ("vgg", {"norm": "yes"}, r"^backbone\.options\.norm: got 'yes', needs true or false\.$"),
        ("resnet18", {"channels": []}, "^backbone 'resnet18': cannot be built"),
        ("resnet18", {"channels": [8, 8, 16], "stem_width": 8}, "is none, take `stages`"),
        ("resnet18", {"channels": [8, 8, 16, 0.5], "stem_width": 8}, "^backbone 'resnet18': cannot be built"),
    ],
)
def test_options_that_no_network_can_have_are_refused(name, options, says):
    with pytest.raises(RecipeError, match=says):
        build_gated(name, 3, 2, gate_at="blocks", options=options)


def drifts(network):
    norms = [part for part in network.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    network.train()(torch.rand(4, 3, 64, 64) + 1)
    return [bool(norm.running_mean.any()) for norm in norms]


@pytest.mark.parametrize(
    ("name", "gate_at", "options"),
    [("vgg", "image", {"filters": (4, 8), "norm": True}), ("resnet18", "blocks", NARROW), ("tiny", "stages", {})],
)
def test_fixed_statistics_stand_still_in_every_gated_network(name, gate_at, options):
    for mode, moves in (("auto", True), ("update", True), ("fixed", False)):
        network = build_gated(name, 3, 2, gate_at=gate_at, options=options, batch_norm=mode)
        assert set(drifts(network)) == {moves}
