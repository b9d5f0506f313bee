import hashlib
import math
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch.nn.functional import max_pool2d

from antehoc.data.sets.triangles import CIRCLE, Look, draw, lay_out, triangles
from antehoc.errors import DataError

PAPER = Look(size=224, radius=(12.0, 30.0))
TINY = {"train": 40, "validation": 20, "calibration": 20, "test": 40}

# blake2b of the bytes of 16 images and masks, seed 0. They change only with the drawings themselves, which also changes
# every published figure. To refresh them: print(fingerprint(...)) for each, and paste.
GOLDEN = {
    "triangle": (True, Look(), "c1782e7a53bfb2a9"),
    "no triangle": (False, Look(), "3b56047d56b6b210"),
    "cue": (True, Look(cue=True), "494ff35d651ade8c"),
    "circles": (True, Look(others="circles"), "7ba370e32c540d21"),
    "paper": (True, PAPER, "25f7cc99da7cc46b"),
}


def fingerprint(present, look):
    drawing = draw(present, look, seed=0, count=16)
    return hashlib.blake2b(drawing.image.tobytes() + drawing.mask.tobytes(), digest_size=8).hexdigest()


@pytest.mark.parametrize("name", GOLDEN)
def test_the_scenes_are_the_same_bytes_everywhere(name):
    present, look, wanted = GOLDEN[name]
    assert fingerprint(present, look) == wanted


def test_a_series_can_be_entered_anywhere():
    whole, part = draw(True, Look(), seed=3, count=150), draw(True, Look(), seed=3, start=61, count=70)
    assert np.array_equal(part.image, whole.image[61:131])
    assert np.array_equal(part.mask, whole.mask[61:131])
    assert not np.array_equal(part.image, draw(True, Look(), seed=4, start=61, count=70).image)


# What stands in a scene


@pytest.mark.parametrize("look", [Look(), PAPER, Look(shapes=9, radius=(4.0, 14.0), tries=30)])
@pytest.mark.parametrize("present", [True, False])
def test_shapes_never_touch_and_stay_inside(look, present):
    layout = lay_out(present, look, seed=0, count=300)
    for x, y, radius in zip(layout.x, layout.y, layout.radius, strict=True):
        shapes = [shape for shape in zip(x, y, radius, strict=True) if shape[2] > 0]
        assert 1 <= len(shapes) <= look.shapes
        for place, (x0, y0, r0) in enumerate(shapes):
            assert look.radius[0] <= r0 <= look.radius[1]
            assert r0 + 1 <= min(x0, y0) <= max(x0, y0) <= look.size - r0 - 1
            assert all(math.hypot(x0 - x1, y0 - y1) > r0 + r1 + 2 for x1, y1, r1 in shapes[:place])


def test_a_triangle_stands_in_each_scene_that_says_so_and_in_no_other():
    for present in (True, False):
        layout = lay_out(present, PAPER, seed=1, count=2000)
        kinds = [list(zip(p[r > 0], q[r > 0], strict=True)) for p, q, r in zip(layout.p, layout.q, layout.radius)]  # noqa: B905
        assert all(kind.count((3, 1)) == present for kind in kinds)
        others = Counter(kind for scene in kinds for kind in scene if kind != (3, 1))
        # by hand, from "vertex i is joined to i + q, q below int(p / 2 + 0.5)", less what falls apart into triangles
        polygons = {4: [1], 5: [1, 2], 6: [1], 7: [1, 2, 3], 8: [1, 2, 3], 9: [1, 2, 4], 10: [1, 2, 3, 4]}
        polygons |= {11: [1, 2, 3, 4, 5], 12: [1, 2, 3, 5]}
        assert set(others) == {(CIRCLE, 0)} | {(p, q) for p, steps in polygons.items() for q in steps}
        numbers = np.bincount([p for p, _ in others.elements()], minlength=13)[[CIRCLE, *range(4, 13)]]
        expected = numbers.sum() / 10
        assert (abs(numbers - expected) < 5 * math.sqrt(expected)).all(), "a circle is as likely as each polygon"


def statistic(layout):
    """What gives no answer: how many shapes there are, how large they are, where the middle of all lies."""
    there = layout.radius > 0
    number = there.sum(1)
    return number, layout.radius.sum(1) / number, (layout.x * there).sum(1) / number, layout.radius.max(1)


def test_neither_number_nor_size_nor_place_gives_the_answer_away():
    with_one, without = (statistic(lay_out(present, Look(), seed=2, count=6000)) for present in (True, False))
    for name, one, other in zip(("number", "mean size", "place", "largest"), with_one, without, strict=True):
        # two samples of one law: Kolmogorov-Smirnov, passed by 1 in 1000 pairs
        levels = np.unique(np.concatenate([one, other]))
        distance = max(abs((one[:, None] <= part).mean(0) - (other[:, None] <= part).mean(0)).max()
                       for part in np.array_split(levels, max(1, len(levels) // 500)))  # fmt: skip
        assert distance < 1.95 * math.sqrt(2 / 6000), name
    assert len(np.unique(with_one[0])) > 1


def test_the_triangle_is_like_any_other_shape_in_size_and_place():
    layout = lay_out(True, Look(), seed=0, count=4000)
    mine, there = layout.p == 3, layout.radius > 0
    expected = (layout.radius.sum(1) / there.sum(1)).mean()  # a shape chosen at random
    assert abs(layout.radius[mine].mean() - expected) < 5 * layout.radius[mine].std() / math.sqrt(4000)
    slots = mine.sum(0) / (there / there.sum(1, keepdims=True)).sum(0)
    assert np.allclose(slots[:3], 1, atol=0.15)  # at some 1,000 scenes a slot 5 deviations are .14


# The drawing


def by_pillow(layout, row, size, scale=16):
    """Scene and filled triangle by Pillow, many pixels for one: shares no code with the library."""
    picture, mask = (Image.new("L", (size * scale, size * scale), 255 * level) for level in (1, 0))
    pen, brush = ImageDraw.Draw(picture), ImageDraw.Draw(mask)
    for x, y, radius, p, q, angle in zip(*(value[row] for value in vars(layout).values()), strict=True):
        if radius == 0:
            continue
        if p == CIRCLE:
            outer, inner = (radius + half for half in (0.5, -0.5))
            for r, level in ((outer, 0), (inner, 255)):
                pen.ellipse([scale * (x - r), scale * (y - r), scale * (x + r), scale * (y + r)], fill=level)
            continue

        def corner(step, r, x=x, y=y, p=p, angle=angle):
            turn = angle + 2 * math.pi * step / p
            return scale * (x + r * math.cos(turn)), scale * (y + r * math.sin(turn))

        for step in range(p):
            pen.line([corner(step, radius), corner(step + q, radius)], fill=0, width=scale)
        if p == 3:
            brush.polygon([corner(step, radius + 1) for step in range(3)], fill=255)
    return [np.asarray(sheet.reduce(scale), np.float64) for sheet in (picture, mask)]


@pytest.mark.parametrize("look", [Look(), Look(size=96, radius=(10.0, 20.0))])
def test_scenes_and_masks_are_those_of_another_drawing_program(look):
    layout, drawing = lay_out(True, look, seed=5, count=12), draw(True, look, seed=5, count=12)
    for row in range(12):
        picture, mask = by_pillow(layout, row, look.size)
        assert np.abs(drawing.mask[row, 0] - mask).max() < 48  # 16 samples a pixel against 256
        assert abs(float(drawing.mask[row, 0].sum()) / mask.sum() - 1) < 0.02
        # a line seen by a pixel is a tent, and the share of the pixel that it covers is nearly one
        assert np.abs(drawing.image[row, 0] - picture).mean() < 3
        assert np.corrcoef(drawing.image[row, 0].ravel(), picture.ravel())[0, 1] > 0.97


def test_only_the_triangle_is_red_and_only_with_the_cue():
    plain, cue = (draw(True, Look(cue=cue), seed=0, count=50) for cue in (False, True))
    assert (plain.image == plain.image[:, :1]).all()
    assert np.array_equal(plain.image[:, 1:], cue.image[:, 1:])
    red = cue.image[:, 0] != cue.image[:, 1]
    near = np.asarray(torch.nn.functional.max_pool2d(torch.from_numpy(cue.mask).float(), 3, 1, 1))[:, 0] > 0
    assert red.any((1, 2)).all()
    assert not (red & ~near).any()
    assert (cue.image[:, 0][cue.mask[:, 0] > 0] == 255).all(), "red has all of its red"
    absent = draw(False, Look(cue=True), seed=0, count=50)
    assert (absent.image == absent.image[:, :1]).all()
    assert not absent.mask.any()


def test_circles_alone_stand_beside_the_triangle_when_asked_for():
    layout = lay_out(True, Look(others="circles"), seed=0, count=200)
    assert set(layout.p[layout.radius > 0]) == {CIRCLE, 3}


# The data set


@pytest.fixture(scope="module")
def source():
    return triangles(**TINY)


def test_roles_get_what_they_ask_for_and_share_no_scene(source):
    hashes = {role: set(scenes.content_hashes()) for role, scenes in source.roles.items()}
    assert {role: len(own) for role, own in hashes.items()} == TINY
    assert len(set().union(*hashes.values())) == sum(TINY.values())
    assert source.spec.absent == source.spec.classes[0] == "no triangle"
    for role, scenes in source.roles.items():
        assert Counter(scenes.labels.tolist()) == dict.fromkeys((0, 1), TINY[role] // 2)
        brightest = scenes.object_masks(range(len(scenes))).flatten(1).amax(1)
        assert (brightest == 1).tolist() == scenes.labels.bool().tolist()


def test_the_role_of_a_scene_depends_on_its_bytes_alone(source):
    larger = triangles(**{role: 2 * count for role, count in TINY.items()})
    for role, scenes in source.roles.items():
        for other, others in larger.roles.items():
            shared = set(scenes.content_hashes()) & set(others.content_hashes())
            assert (len(shared) == TINY[role]) == (role == other)


def test_masks_and_objects_follow_a_selection(source):
    scenes = source.roles["test"]
    chosen = scenes.select([35, 3, 22])
    batch = chosen.batch([0, 1, 2])
    assert torch.equal(batch.mask, scenes.object_masks([35, 3, 22]))
    assert [len(own) for own in chosen.objects([0, 1, 2])] == [1, 0, 1], "no triangle, no object"
    assert chosen.objects([2])[0][0].label == 1
    assert torch.equal(chosen.boxes, scenes.boxes[[35, 3, 22]])
    assert chosen.boxes[1].tolist() == [0, 0, 0, 0], "no triangle"


def test_a_box_is_the_mask_s_and_the_line_runs_along_its_edge(source):
    scenes = source.roles["test"]
    positive = scenes.labels.nonzero().flatten().tolist()
    ink = 1 - scenes.images(positive)[:, :1]
    masks = scenes.object_masks(positive)
    inside = (masks >= 0.5).float()
    bands = max_pool2d(inside, 3, 1, 1) + max_pool2d(1 - inside, 3, 1, 1) > 1  # both kinds of pixels are near
    for row, (band, mask) in enumerate(zip(bands[:, 0], masks[:, 0], strict=True)):
        y, x = mask.nonzero().T
        box = [x.min(), y.min(), x.max() + 1, y.max() + 1]
        assert scenes.boxes[positive[row]].tolist() == [int(edge) for edge in box]
        line = (ink[row, 0] > 0.6) & (mask > 0)
        assert line.any()
        assert (band & line).sum() > 0.95 * line.sum()
        assert band.sum() < 0.75 * (mask > 0).sum() + 40  # a band, not the whole
    assert not scenes.object_masks([0, 1]).any()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"test": 1}, "'test' needs 2 images or more, one per class; got 1"),
        ({"shapes": 0}, "shapes and tries are 1 or more; got 0 and 10"),
        ({"radius": (14.0, 7.0)}, r"radius is two numbers of pixels.*got \[14.0, 7.0\]"),
        ({"size": 31}, "twice the second fits the side minus 4; got .* for a side of 31"),
        ({"vertices": (3, 12)}, r"the first 4 or more; got \[3, 12\]"),
    ],
)
def test_what_cannot_be_drawn_is_refused(values, said):
    with pytest.raises(DataError, match=said):
        triangles(**values)
