import numpy as np
import pytest
import torch
from PIL import Image

from antehoc.data.examples import Files, Tensors
from antehoc.data.instances import Instance, boxes_around
from antehoc.data.preprocessing import Preprocessing
from antehoc.errors import DataError


def random_images(count: int, *shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, *shape), generator=generator, dtype=torch.uint8)


# One object in each image


def coloured_square(number: int, *, width: int = 30, height: int = 20) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """A black picture with a white rectangle, and where that is: x0, y0, x1, y1."""
    box = (2 + number, 3 + 2 * number, 9 + 2 * number, 8 + number + 2 * number)
    picture = Image.new("RGB", (width, height))
    picture.paste((255, 255, 255), box)
    return picture, box


@pytest.fixture
def squares(tmp_path):
    """Three pictures, upright and turned by EXIF, with their masks as files and their boxes."""
    paths, masks, boxes = [], [], []
    for number in range(3):
        picture, box = coloured_square(number)
        paths.append(tmp_path / f"{number}.png")
        masks.append(tmp_path / f"{number}-mask.png")
        boxes.append(box)
        exif = Image.Exif()
        if number == 1:
            exif[0x0112] = 3  # stored upside down
        stored = picture.rotate(180) if number == 1 else picture
        stored.save(paths[-1], exif=exif)
        picture.convert("L").point(lambda level: 200 if level else 3).save(masks[-1])  # as JPEG leaves them
    return paths, masks, torch.tensor(boxes, dtype=torch.float32)


WAYS = [
    {"height": height, "width": width, "fit": fit, "resize": resize}
    for height, width in ((16, 16), (20, 30), (33, 18))
    for fit in ("pad", "crop", "stretch")
    for resize in (None, 24)
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way.values())))
def test_a_mask_follows_its_image(squares, way):
    paths, masks, boxes = squares
    frame = Preprocessing(3, **way, background=0.0)
    white = Files(paths, frame).images([2, 1])[:, :1]  # the object is white and all else black: the image is the mask
    assert torch.equal(Files(paths, frame, masks=masks).object_masks([2, 1]), white)
    assert torch.equal(Files(paths, frame, boxes=boxes).object_masks([2, 1]), white)
    pictures = torch.stack([torch.from_numpy(np.array(coloured_square(number)[0])) for number in range(3)])
    held = Tensors(pictures.permute(0, 3, 1, 2), masks=pictures[..., 0][:, None], preprocessing=frame)
    assert torch.equal(held.object_masks([2, 1]), white)
    assert white.flatten(1).amax(1).gt(0.9).all()


def test_nothing_of_a_white_letterbox_belongs_to_the_object(squares):
    paths, masks, _ = squares
    mask = Files(paths, Preprocessing(3, 30, 30), masks=masks).object_masks([0])
    assert mask[0, 0, :5].max() == 0
    assert mask[0, 0, -5:].max() == 0


def test_a_batch_carries_masks_through_a_selection(squares):
    paths, masks, boxes = squares
    frame = Preprocessing(3, 20, 30)
    for examples in (Files(paths, frame, boxes=boxes), Files(paths, frame, masks=masks, boxes=boxes)):
        assert torch.equal(examples.select([2, 0]).batch([1]).mask, examples.object_masks([0]))
        assert examples.batch([]).mask.shape == (0, 1, 20, 30)
    held = Tensors(random_images(4, 3, 5, 6), masks=random_images(4, 1, 5, 6, seed=1))
    assert torch.equal(held.select([3, 1]).batch([0]).mask, held.object_masks([3]))
    assert Files(paths, frame).batch([0]).mask is None
    assert Tensors(random_images(2, 1, 4, 4)).select([0]).batch([0]).mask is None


def test_a_mask_overrides_the_box(squares):
    paths, masks, boxes = squares
    frame = Preprocessing(3, 20, 30)
    both = Files(paths, frame, masks=masks, boxes=boxes.flip(0))
    assert torch.equal(both.object_masks([0]), Files(paths, frame, masks=masks).object_masks([0]))


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (Image.new("L", (29, 20), 255), "as large as its image, 30x20 pixels; got 29x20"),
        (Image.new("L", (30, 20), 1), r"white \(128 to 255\) where the object is .* its brightest pixel is 1"),
    ],
)
def test_a_mask_that_cannot_be_meant_is_refused(squares, mask, said):
    paths, masks, _ = squares
    mask.save(masks[0])
    files = Files(paths, Preprocessing(3, 8, 8), masks=masks)
    with pytest.raises(DataError, match=rf"0-mask\.png: .*{said}"):
        files.object_masks([0])
    Image.new("L", (30, 20)).save(masks[0])
    assert files.object_masks([0]).max() == 0, "nothing there is a mask, too"


# Several objects in an image


def filled(*boxes: tuple[int, int, int, int], width: int = 30, height: int = 20) -> torch.Tensor:
    """(1, H, W) 1 in any of the boxes, else 0."""
    mask = torch.zeros(1, height, width)
    for x0, y0, x1, y1 in boxes:
        mask[:, y0:y1, x0:x1] = 1
    return mask


def test_of_several_boxes_the_union_counts(squares):
    paths = squares[0]
    boxes = ((2, 3, 9, 8), (5, 5, 20, 19)), (), ((0, 0, 1, 1),)
    objects = [[Instance(box=box, label=number) for number, box in enumerate(own)] for own in boxes]
    for examples in (
        Files(paths, Preprocessing(3, 20, 30), objects=objects),
        Tensors(random_images(3, 3, 20, 30), objects=objects),
    ):
        assert torch.equal(examples.object_masks([0, 1, 2]), torch.stack([filled(*own) for own in boxes]))
        assert torch.equal(examples.batch([2, 0]).mask, examples.object_masks([2, 0]))
        chosen = examples.select([1, 0])
        assert chosen.objects([1, 0]) == [objects[0], []]
        assert torch.equal(chosen.object_masks([1]), examples.object_masks([0]))
        assert chosen.boxes.tolist() == [[0, 0, 0, 0], [2, 3, 9, 8]], "the first, and zeros for none"


def test_of_several_masks_the_maximum_counts():
    masks = random_images(2, 20, 30)
    images = random_images(1, 3, 20, 30)
    held = Tensors(images, objects=[[Instance(mask=mask) for mask in masks]])
    assert torch.equal(held.object_masks([0])[0, 0], masks.amax(0).float() / 255)
    assert held.boxes is None
    alone = Tensors(images, masks=masks[:1][None])
    assert torch.equal(alone.object_masks([0])[0, 0], masks[0].float() / 255)
    half = Tensors(images, masks=masks[:1][None], preprocessing=Preprocessing(3, 10, 15))
    both = Tensors(images, objects=[[Instance(mask=masks[0])] * 2], preprocessing=Preprocessing(3, 10, 15))
    assert torch.equal(half.object_masks([0]), both.object_masks([0])), "the same object twice changes nothing"


def test_masks_from_files_and_boxes_stand_beside_each_other(squares):
    paths, masks, boxes = squares
    frame = Preprocessing(3, 20, 30)
    own = tuple(boxes[1].tolist())
    both = Files(paths[:1], frame, objects=[[Instance(mask=masks[0]), Instance(box=(20.2, 0.4, 28.6, 3.5))]])
    by_hand = filled(tuple(boxes[0].int().tolist()), (20, 0, 29, 4))
    assert torch.equal(both.object_masks([0])[0], by_hand)
    hidden = Files(paths[:1], frame, objects=[[Instance(own, masks[0])]])
    assert torch.equal(hidden.object_masks([0])[0], filled(tuple(boxes[0].int().tolist()))), "the mask wins"


def test_objects_of_one_each_hold_what_was_given(squares):
    paths, masks, boxes = squares
    files = Files(paths, Preprocessing(3, 20, 30), torch.tensor([2, 0, 1]), boxes=boxes, masks=masks)
    assert files.objects([1]) == [[Instance(tuple(boxes[1].tolist()), masks[1], 0)]]
    assert torch.equal(files.boxes, boxes)
    several = Files(paths, Preprocessing(3, 20, 30), torch.eye(3), boxes=boxes)
    assert several.objects([1])[0][0].label is None, "of several labels none is known to be the object's"
    plain = Files(paths, Preprocessing(3, 20, 30))
    assert (plain.objects([0, 2]), plain.boxes) == ([[], []], None)


def test_a_black_mask_in_memory_is_no_object():
    masks = torch.zeros(2, 1, 20, 30, dtype=torch.uint8)
    masks[1, 0, 4:7, 10:25] = 255
    held = Tensors(random_images(2, 1, 20, 30), torch.tensor([0, 1]), masks=masks)
    assert held.objects([0]) == [[]]
    assert torch.equal(held.object_masks([0, 1]), masks.float() / 255)
    box, mask, label = held.objects([1])[0][0]
    assert (box, label) == ((10, 4, 25, 7), 1)
    assert torch.equal(mask, masks[1, 0])
    assert boxes_around(masks).tolist() == [[0, 0, 0, 0], [10, 4, 25, 7]]
