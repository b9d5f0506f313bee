"""Masks beside control masks: what is compared, and what a person is told."""

import pytest
import torch
from torch.testing import assert_close

from antehoc.data.examples import Tensors
from antehoc.evaluation.controls import BOX, OTHER, WHOLE, BesideControls, _boxes, beside_controls
from antehoc.systems import Joint, Mirror
from antehoc.systems.base import System
from antehoc.systems.joint.settings import GatingSettings
from antehoc.types import DataSpec

SPEC = DataSpec(("dark", "bright"), 1, 16, 16)


class Brightest(torch.nn.Module):
    """An explainer that shows one quarter of each image: the one at `corner`."""

    smallest = 1

    def __init__(self, corner):
        super().__init__()
        self.corner = corner

    def forward(self, image):
        mask = torch.zeros_like(image[:, :1])
        top, left = self.corner
        mask[:, :, top : top + 8, left : left + 8] = 1
        return mask


def system(corner, **gating):
    """Decides `bright` where what it sees is brighter than the gray of hidden pixels."""
    made = Joint(SPEC, backbone="tiny", gating=GatingSettings(hidden=128 / 255, **gating)).eval()
    made.explainer = Brightest(corner)
    made.classifier.features = lambda image, mask: (
        made.classifier.hide(image, mask).mean((1, 2, 3))[:, None] - 128 / 255
    )
    made.classifier.network.head = torch.nn.Linear(1, 2)
    torch.nn.init.zeros_(made.classifier.network.head.bias)
    made.classifier.network.head.weight.data = torch.tensor([[-1.0], [1.0]])
    return made


def held(image, label, mask=None):
    bytes_ = (255 * image).round().byte()
    return Tensors(bytes_, label, masks=None if mask is None else (255 * mask).byte())


def images(*, objects=False):
    """The label is the brightness of the upper left quarter; the lower right one says the contrary, and louder."""
    label = torch.arange(20) % 2
    image = torch.full((20, 1, 16, 16), 128 / 255)
    image[:, :, :8, :8] += 0.2 * (2 * label - 1)[:, None, None, None]
    image[:, :, 8:, 8:] -= 0.4 * (2 * label - 1)[:, None, None, None]
    mask = torch.zeros(20, 1, 16, 16)
    mask[:, :, :8, :8] = 1
    return held(image, label, mask if objects else None)


def test_without_object_masks_the_classifier_sees_through_each_mask():
    found = beside_controls(system((0, 0)), images())
    assert (found.images, found.placed, found.mask) == (20, False, 1.0)
    # a box in the middle shows as much of both quarters, and the louder one decides
    assert found.controls == {BOX: 0.0, OTHER: 1.0, WHOLE: 0.0}
    assert not found.worse_than()
    assert found.sentence() == ""


def test_a_decision_on_the_whole_image_loses_nothing_to_its_mask():
    found = beside_controls(system((0, 0), decides="whole"), images())
    assert (found.mask, found.decided, found.controls[WHOLE]) == (1.0, 0.0, 0.0)
    assert BesideControls(100, False, 0.6, {BOX: 0.5, OTHER: 0.4, WHOLE: 0.8}, decided=0.8).worse_than() == []
    assert BesideControls(100, False, 0.4, {BOX: 0.5, OTHER: 0.4, WHOLE: 0.8}, decided=0.8).worse_than() == [BOX]


def test_with_object_masks_it_is_the_share_on_the_object():
    found = beside_controls(system((8, 8)), images(objects=True))
    assert (found.images, found.placed, found.mask) == (20, True, 0.0)
    assert found.controls == pytest.approx({BOX: 0.25, OTHER: 0.0, WHOLE: 0.25})
    assert found.worse_than() == [BOX, WHOLE]
    assert found.sentence() == (
        "The masks are worse than a control: on 20 validation images 0 % of the mask lies on the object, and 25.0 %"
        " with a centered box of the same area and 25.0 % with the whole image."
    )


def test_a_mask_may_cost_a_little_of_what_the_whole_image_gives_but_no_more():
    def beside(mask):
        return BesideControls(100, False, mask, {BOX: 0.5, OTHER: 0.4, WHOLE: 0.8}, decided=mask)

    assert beside(0.785).worse_than() == []
    assert beside(0.77).worse_than() == [WHOLE]
    assert beside(0.45).worse_than() == [BOX, WHOLE]
    assert beside(0.45).sentence() == (
        "The masks are worse than a control: of 100 validation images the classifier decides 45.0 % correctly through"
        " the mask, and 50.0 % with a centered box of the same area and 80.0 % with the whole image."
    )


def test_a_box_shows_as_much_as_the_mask_in_the_middle():
    mask = torch.zeros(3, 1, 40, 20)
    mask[0, :, :20], mask[1], mask[2, :, 0, 0] = 1, 1, 1 / 4
    box = _boxes(mask)
    assert_close(box.mean((1, 2, 3)), torch.tensor([0.49, 1.0, 0.0]), atol=0.01, rtol=0)
    assert box.flip(2).equal(box)
    assert box.flip(3).equal(box)


def test_of_many_images_five_hundred_in_even_steps_are_asked():
    many = held(torch.rand(1200, 1, 16, 16), torch.arange(1200) % 2)
    assert beside_controls(system((0, 0)), many).images == 400


def test_nothing_is_said_where_there_is_nothing_to_compare(tiny_spec):
    assert beside_controls(system((0, 0)), images().select([])) is None
    assert beside_controls(Joint(SPEC, backbone="tiny", explainer="none").eval(), images()) is None
    mirror: System = Mirror(tiny_spec, backbone="tiny").eval()
    image = torch.rand(4, tiny_spec.channels, tiny_spec.height, tiny_spec.width)
    assert beside_controls(mirror, held(image, torch.zeros(4, dtype=torch.long))) is None
    with pytest.raises(NotImplementedError, match="Mirror sees whole images"):
        mirror.through(image, image)
