"""Every method of the table: it finds planted evidence, minds the chunk, and leaves the classifier as it was."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from antehoc.errors import DataError
from antehoc.posthoc import METHODS, attributions

pytest.importorskip("captum", reason="captum is not installed")

SMALL = {
    "smoothgrad": {"samples": 5},
    "lime": {"cells": 4, "samples": 60},
    "rise": {"masks": 300, "cells": 4},
    "extremal-perturbation": {"area": 1 / 16, "steps": 60, "cells": 8},
}
ROWS, COLUMNS = slice(4, 8), slice(8, 12)


class Patch(nn.Module):
    """Class 0 is bright pixels in one patch of a 16 px image; nothing else is looked at."""

    def __init__(self, rows=ROWS, columns=COLUMNS):
        super().__init__()
        self.window = torch.zeros(16, 16)
        self.window[rows, columns] = 1
        self.convolution = nn.Conv2d(3, 2, 4, stride=4)
        self.rectifier = nn.ReLU(inplace=True)
        self.head = nn.Linear(2, 2)
        self.convolution.weight.data = torch.linspace(0.05, 0.1, 96).view(2, 3, 4, 4)
        self.convolution.bias.data = -0.6 * self.convolution.weight.data.sum((1, 2, 3))  # gray is no evidence
        self.head.weight.data = torch.tensor([[40.0, 60.0], [0.0, 0.0]])
        self.head.bias.data = torch.tensor([-3.0, 0.0])

    def forward(self, image):
        return self.head(self.rectifier(self.convolution(image * self.window)).mean((2, 3)))


class Labels(nn.Module):
    """Several labels: each is bright pixels in its own patch, whatever the others are."""

    PLACES = ((slice(4, 8), slice(8, 12)), (slice(12, 16), slice(0, 4)))

    def __init__(self):
        super().__init__()
        self.patches = nn.ModuleList(Patch(*place) for place in self.PLACES)

    def forward(self, image):
        return torch.cat([patch(image)[:, :1] for patch in self.patches], 1)


class Net(nn.Module):
    """A small residual net, its one ReLU used in place and often, with batch norm that has seen something."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.second = nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(6) for _ in range(2))
        self.relu, self.dropout, self.head = nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(6, 3)
        for norm in self.norms:
            for values in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
                values.uniform_(0.2, 0.8)

    def forward(self, image):
        state = self.relu(self.norms[0](self.first(image)))
        change = self.norms[1](self.second(state))
        change += state
        return self.head(self.dropout(self.relu(change).mean((2, 3))))


@pytest.fixture
def images():
    return torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def explained(method, classifier, images, **more):
    return attributions(classifier, images, method=method, **SMALL.get(method, {}), **more)


@pytest.mark.parametrize("method", METHODS)
def test_the_largest_value_lies_where_the_only_evidence_is(method, images):
    images[:, :, ROWS, COLUMNS] = 0.8 + images[:, :, ROWS, COLUMNS] / 5
    found = explained(method, Patch(), images, target=0)
    assert found.valid.all(), found.why
    assert found.maps.shape == (3, 1, 16, 16)
    assert points_into(found.maps, ROWS, COLUMNS).all()


def points_into(maps, rows, columns):
    """(B,) whether the highest value lies in these rows and columns."""
    down, across = maps.flatten(1).argmax(1) // 16, maps.flatten(1).argmax(1) % 16
    return (down >= rows.start) & (down < rows.stop) & (across >= columns.start) & (across < columns.stop)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("label", [0, 1])
def test_of_several_labels_any_can_be_explained(method, label, images):
    for rows, columns in Labels.PLACES:
        images[:, :, rows, columns] = 0.8 + images[:, :, rows, columns] / 5
    images[1:, :, Labels.PLACES[0][0], Labels.PLACES[0][1]] *= 1.02  # whichever logit is the highest
    found = explained(method, Labels(), images, target=label, task="multi-label")
    assert found.valid.all(), found.why
    assert points_into(found.maps, *Labels.PLACES[label]).all()
    each = torch.tensor([label, 1 - label, label])
    mixed = explained(method, Labels(), images, target=each, task="multi-label")
    assert torch.allclose(mixed.maps[[0, 2]], found.maps[[0, 2]], atol=1e-4, rtol=1e-3)


def test_a_label_s_probability_is_its_own(images):
    """RISE weighs masks by probabilities: a sigmoid of the label, which no other label's logit moves."""

    class Shifted(Labels):
        def forward(self, image):
            return super().forward(image) + torch.tensor([0.0, 9.0])

    one, other = (
        explained("rise", classifier, images, target=0, task="multi-label").maps for classifier in (Labels(), Shifted())
    )
    assert one.equal(other)
    assert not torch.allclose(one, explained("rise", Shifted(), images, target=0).maps)


@pytest.mark.parametrize("method", METHODS)
def test_neither_chunk_nor_order_nor_neighbours_change_a_map(method, images):
    classifier, target = Net(), torch.tensor([0, 1, 2])
    whole = explained(method, classifier, images, target=target, chunk=16, seed=3)
    ones = explained(method, classifier, images.flip(0), target=target.flip(0), chunk=2, seed=3)
    torch.testing.assert_close(ones.maps.flip(0), whole.maps, rtol=1e-3, atol=1e-4 * whole.maps.abs().max().item())
    if METHODS[method].random:
        other = explained(method, classifier, images, target=target, seed=4)
        assert not torch.allclose(other.maps, whole.maps)


@pytest.mark.parametrize("method", METHODS)
def test_no_call_is_larger_than_the_chunk_and_all_are_counted(method, images):
    classifier, sizes = Net(), []
    classifier.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    found = explained(method, classifier, images, chunk=2)
    assert max(sizes) <= 2
    assert sum(sizes) / 3 == pytest.approx(found.passes.forward)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fails", [False, True])
def test_the_classifier_is_left_as_it_was(method, fails, images):
    classifier = Net().train()
    classifier.norms[0].eval()
    classifier.first.weight.requires_grad_(False)
    given, state = images.clone(), {name: value.clone() for name, value in classifier.state_dict().items()}
    modes = [part.training for part in classifier.modules()]
    target = torch.tensor([0, 1, 9 if fails else 2])
    with pytest.raises(DataError, match=r"0\.\.2") if fails else nullcontext():
        explained(method, classifier, images, target=target, chunk=2)
    assert [part.training for part in classifier.modules()] == modes
    assert [p.requires_grad for p in classifier.parameters()] == [False] + [True] * 8
    assert all(p.grad is None for p in classifier.parameters())
    assert not any(part._forward_hooks or part._backward_hooks for part in classifier.modules())
    assert all(classifier.state_dict()[name].equal(value) for name, value in state.items())
    assert images.equal(given)
    assert not images.requires_grad


@pytest.mark.parametrize("method", METHODS)
def test_it_works_where_gradients_are_switched_off_and_a_map_without_sign_has_none(method, images):
    classifier = Net()
    with torch.inference_mode():
        found = explained(method, classifier, images * 1)
    assert not found.maps.requires_grad
    assert found.target.equal(classifier.eval()(images).argmax(1))
    assert METHODS[method].signed or (found.maps >= 0).all()
    assert METHODS[method].card.stage == "post hoc"
    assert found.options.keys() - {"seed"} == METHODS[method].options.keys()


def test_the_table_has_what_was_promised():
    assert set(METHODS) == {
        "saliency", "input-x-gradient", "smoothgrad", "integrated-gradients", "guided-backprop", "deconvolution",
        "grad-cam", "guided-grad-cam", "grad-cam++", "score-cam", "lrp", "occlusion", "lime", "rise",
        "extremal-perturbation",
    }  # fmt: skip
