import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader

from antehoc.data.examples import Files, Tensors, leaks
from antehoc.data.images import Preprocessing, load_image
from antehoc.errors import DataError, ImageError
from antehoc.types import Batch

SMALL = Preprocessing(3, 8, 10)


def random_images(count: int, *shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, *shape), generator=generator, dtype=torch.uint8)


@pytest.fixture
def paths(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(7)]
    for path, image in zip(paths, random_images(7, 9, 12, 3), strict=True):
        Image.fromarray(image.numpy()).save(path)
    return paths


@pytest.fixture(params=["tensors", "preprocessed", "files"])
def examples(request, paths):
    """Every kind of examples: 7 images with labels 0..6 and two attributes."""
    labels, attributes = torch.arange(7), torch.arange(14.0).view(7, 2) / 14
    if request.param == "files":
        return Files(paths, SMALL, labels, attributes)
    if request.param == "tensors":
        return Tensors(random_images(7, 3, 8, 10), labels, attributes)
    return Tensors(random_images(7, 1, 5, 5), labels, attributes, preprocessing=SMALL)


def test_a_batch_and_its_images_one_by_one_agree(examples):
    batch = examples.batch([4, 0, 4])
    assert batch.image.shape == (3, 3, 8, 10)
    assert batch.image.dtype == torch.float32
    assert 0 <= batch.image.min() < batch.image.max() <= 1
    assert batch.label.tolist() == [4, 0, 4]
    assert torch.equal(batch.attributes, examples.attributes[[4, 0, 4]])
    for row, index in enumerate([4, 0, 4]):
        assert torch.equal(examples[index].image[0], batch.image[row])


def test_an_empty_batch_has_the_right_shape(examples):
    batch = examples.batch([])
    assert batch.image.shape[0] == batch.label.shape[0] == 0
    assert batch.attributes.shape == (0, 2)


def test_a_loader_fetches_whole_batches(examples):
    batches = list(DataLoader(examples, batch_size=3, collate_fn=lambda batch: batch))
    assert all(isinstance(batch, Batch) for batch in batches)
    assert torch.cat([batch.label for batch in batches]).tolist() == list(range(7))
    assert torch.equal(batches[1].image, examples.batch([3, 4, 5]).image)


def test_a_selection_keeps_everything_of_its_images(examples):
    whole, part = examples.content_hashes(), examples.select([5, 2])
    assert len(part) == 2
    assert part.names([0, 1]) == examples.names([5, 2])
    assert part.content_hashes() == [whole[5], whole[2]]
    for mine, theirs in zip(part.batch([0, 1])[:3], examples.batch([5, 2])[:3], strict=True):
        assert torch.equal(mine, theirs)


def test_going_on_past_the_end_stops(examples):
    assert len(list(examples)) == len(examples) == 7


@given(st.integers(0, 2**32 - 1))
def test_images_in_memory_are_divided_by_255(seed):
    image = random_images(3, 1, 4, 4, seed=seed)
    assert torch.equal(Tensors(image).batch([2, 1]).image, image[[2, 1]].float() / 255)


def test_files_are_what_load_image_gives(paths):
    assert torch.equal(Files(paths, SMALL).images([3])[0], load_image(paths[3], SMALL))


def test_labels_and_attributes_may_be_left_out(paths):
    for examples in (Files(paths, SMALL), Tensors(random_images(7, 3, 8, 10))):
        assert examples.labels.tolist() == [0] * 7
        assert examples.attributes.shape == (7, 0)


def test_names_are_paths_or_a_kind_and_a_number(paths):
    assert Files(paths, SMALL).names([1]) == [str(paths[1])]
    images = random_images(2, 1, 2, 2)
    assert Tensors(images, names="star").names([1]) == ["star #1"]
    assert Tensors(images, names=["left", "right"]).names([1, 0]) == ["right", "left"]


def test_boxes_and_masks_follow_their_images(paths):
    files = Files(paths, SMALL, boxes=torch.arange(28.0).view(7, 4), masks=paths[::-1]).select([6, 1])
    assert files.boxes.tolist() == [[24, 25, 26, 27], [4, 5, 6, 7]]
    assert files.masks == (paths[0], paths[5])


def test_parts_follow_their_images(paths):
    parts = torch.arange(42.0).view(7, 2, 3)
    files = Files(paths, SMALL, parts=parts, part_names=["beak", "tail"]).select([6, 1])
    assert torch.equal(files.parts, parts[[6, 1]])
    assert files.part_names == ("beak", "tail")
    assert Files(paths, SMALL).select([0]).parts is None


def test_a_broken_file_is_named_when_it_is_fetched(paths):
    paths[2].write_bytes(paths[2].read_bytes()[:50])
    files = Files(paths, SMALL)
    files.batch([0, 1])
    with pytest.raises(ImageError, match=r"2\.png: this PNG file is truncated"):
        files.batch([1, 2])
    paths[2].unlink()
    with pytest.raises(ImageError, match=r"2\.png: there is no such file"):
        files.content_hashes()


@pytest.mark.parametrize(
    "build",
    [
        lambda: Tensors(torch.zeros(3, 1, 2, 2)),
        lambda: Tensors(random_images(3, 2, 2)),
        lambda: Tensors(random_images(3, 1, 2, 2), torch.zeros(2)),
        lambda: Tensors(random_images(3, 1, 2, 2), attributes=torch.zeros(2, 5)),
        lambda: Tensors(random_images(3, 3, 2, 2), masks=random_images(3, 1, 2, 3)),
        lambda: Tensors(random_images(3, 3, 2, 2), masks=torch.zeros(3, 1, 2, 2)),
        lambda: Files([], SMALL, torch.zeros(1)),
        lambda: Files([], SMALL, boxes=torch.zeros(1, 4)),
        lambda: Files([], SMALL, masks=[Path("a.png")]),
        lambda: Files([], SMALL, parts=torch.zeros(0, 1, 3)),
        lambda: Files([], SMALL, parts=torch.zeros(1, 1, 3), part_names=["beak"]),
    ],
)
def test_parts_that_do_not_line_up_are_refused(build):
    with pytest.raises(DataError, match=r"^[^\n]*\.$"):
        build()


@given(st.lists(st.integers(0, 5), max_size=8), st.lists(st.integers(0, 5), max_size=8))
def test_leaks_matches_the_definition(train, test):
    images = random_images(6, 1, 3, 3)
    roles = {"train": Tensors(images[train], names="a"), "test": Tensors(images[test], names="b")}
    by_hand = [
        ("train", "test", f"a #{train.index(image)}", f"b #{place}")
        for place, image in enumerate(test)
        if image in train
    ]
    assert leaks(roles) == by_hand


def test_files_leak_by_their_bytes(paths, tmp_path):
    (tmp_path / "twin.png").write_bytes(paths[3].read_bytes())
    roles = {"train": Files(paths[:4], SMALL), "test": Files([*paths[4:], tmp_path / "twin.png"], SMALL)}
    assert leaks(roles) == [("train", "test", str(paths[3]), str(tmp_path / "twin.png"))]


def test_leaks_are_found_fast_among_many():
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (30_000, 1, 64, 64), dtype=np.uint8))
    images[29_999] = images[5]
    started = time.perf_counter()
    found = leaks({"train": Tensors(images[:20_000]), "test": Tensors(images[20_000:])})
    assert found == [("train", "test", "image #5", "image #9999")]
    assert time.perf_counter() - started < 5  # it takes 0.3 s; comparing pairs would take minutes


# masks


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
    assert torch.equal(held.select([3, 1]).batch([0]).mask, held.masks[[3]].float() / 255)
    assert Files(paths, frame).batch([0]).mask is None
    assert Tensors(random_images(2, 1, 4, 4)).select([0]).batch([0]).mask is None


def test_masks_go_before_boxes(squares):
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
