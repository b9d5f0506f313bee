"""Changes of pictures, seen by models that read color alone, or one place."""

import dataclasses

import numpy as np
import pytest
import torch

from antehoc.studies.leakage import leakage
from studies.wired import BLUE, SIDE, SPEC, a_bird, codes, decide_by, files, first_pixel, wired


def redness(image: torch.Tensor) -> torch.Tensor:
    return (image[:, 0] - image[:, 2]).clamp(min=0).mean((1, 2))


def shape(image: torch.Tensor) -> torch.Tensor:
    return (image.amax(1) > 0.2).float().mean((1, 2))


def test_color_edits_change_what_reads_color_alone(tmp_path):
    pictures = np.zeros((4, SIDE, SIDE, 3))
    for index, width in enumerate((4, 8, 12, 16)):
        pictures[index, :, :width] = (255, 102, 51)
    test = files(tmp_path, pictures, [0] * 4)
    model = wired(
        lambda image: torch.stack([redness(image), 0.01 + 0 * redness(image), -redness(image)], 1),
        lambda image: torch.stack([shape(image), shape(image) ** 2, redness(image)], 1),
    )
    hue, gray = leakage(model, test, seed=0).edits
    share = np.mean([4, 8, 12, 16]) / SIDE
    for edit in (hue, gray):
        assert edit.images == 4
        assert edit.named == pytest.approx(share * 204 / 255, abs=1e-6), "no red is left of orange"
        assert edit.others == 0
        assert edit.named_minus_others[0] > 0.1
        assert edit.decisions_changed == 1, "the class hung on redness too"


def test_where_no_color_is_named_or_none_is_there_nothing_is_edited(tmp_path):
    test = files(tmp_path, codes([0, 1], [0, 1], [0, 1]), [0, 1])
    spec = dataclasses.replace(SPEC, attributes=("has_bill_shape::hooked", "has_colored::no", "tall"))
    assert leakage(wired(decide_by(0), first_pixel, spec), test, seed=0).edits == ()


def bill_seen(image: torch.Tensor) -> torch.Tensor:
    return image[:, 2, :12, :12].amax((1, 2))


def wing_seen(image: torch.Tensor) -> torch.Tensor:
    return image[:, 2, 12:, 12:].amax((1, 2))


def test_hiding_a_part_changes_what_is_read_there_and_the_control_does_not(tmp_path):
    def seen(image):
        return torch.stack([bill_seen(image), wing_seen(image), 0.5 * torch.ones(len(image))], 1)

    found = leakage(wired(decide_by(0), seen), a_bird(tmp_path, without_bill=(1, 4)), seed=0)
    bill, wing = found.parts
    assert (bill.part, bill.hidden.images, bill.control.images) == ("beak", 4, 4), "only where it is visible"
    assert (wing.part, wing.hidden.images) == ("wing", 6), "both wings at once"
    # 26 of 576 pixels are blue (the wings share one): the mean color is .045 of the blue, to the nearest 1/255
    for row, shown in ((bill, [0, 2, 3, 5]), (wing, range(6))):
        blue = np.array(BLUE)[list(shown)]
        assert row.hidden.named == pytest.approx(np.mean(blue - np.rint(blue * 26 / 576)) / 255, abs=1e-6)
        assert row.hidden.others == row.control.named == row.control.others == 0
        assert row.beyond == pytest.approx(row.hidden.named)
        assert row.beyond_interval[0] > 0.3


def test_a_mirror_that_reads_another_place_does_not_pass_for_one_that_sees_the_part(tmp_path):
    def seen(image):
        return torch.stack([wing_seen(image), bill_seen(image), wing_seen(image)], 1)  # the wrong way round

    for row in leakage(wired(decide_by(0), seen), a_bird(tmp_path), seed=0).parts:
        assert row.hidden.named == 0 < row.hidden.others
        assert row.beyond <= 0


def test_without_parts_or_without_room_for_a_control_no_part_is_hidden(tmp_path):
    model = wired(decide_by(0), first_pixel)
    (tmp_path / "plain").mkdir()
    assert leakage(model, files(tmp_path / "plain", codes([0, 1], [0, 1], [0, 1]), [0, 1]), seed=0).parts == ()
    assert leakage(model, a_bird(tmp_path), seed=0, radius=2.0).parts == ()
