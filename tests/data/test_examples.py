from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader

from antehoc.data.examples import Files, Tensors
from antehoc.data.images import load_image
from antehoc.data.instances import Instance
from antehoc.data.preprocessing import Preprocessing
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


def test_an_image_may_have_several_labels(paths):
    labels = torch.tensor([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, 1], [1, 0, 0], [0, 1, 1]])
    attributes = torch.arange(7.0)[:, None] / 7
    whole = Files(paths, SMALL, labels, attributes), Tensors(random_images(7, 3, 8, 10), labels.bool(), attributes)
    for examples in whole:
        assert examples.labels_known
        assert examples.labels.dtype == torch.float32, "binary cross-entropy takes no other"
        assert torch.equal(examples.batch([6, 0]).label, labels[[6, 0]].float())
        chosen = examples.select([3, 1])
        assert torch.equal(chosen.labels, labels[[3, 1]].float())
        assert torch.equal(chosen[1].label, labels[[1]].float())
        assert torch.equal(torch.cat([batch.label for batch in examples]), labels.float())
    with pytest.raises(DataError, match=r"class numbers \(n,\) or 0 and 1 \(n, K\)"):
        Tensors(random_images(3, 1, 2, 2), torch.zeros(2, 4))


def test_examples_say_whether_their_labels_mean_anything(paths):
    known = Files(paths, SMALL, torch.arange(7), boxes=torch.ones(7, 4))
    assert known.labels_known
    assert known.select([2]).labels_known
    assert known.objects([3]) == [[Instance((1, 1, 1, 1), None, 3)]]
    unknown = known.select([2, 3]).without_labels()
    assert not unknown.labels_known
    assert not unknown.select([1]).labels_known
    assert unknown.labels.tolist() == [0, 0]
    assert unknown.objects([1]) == [[Instance((1, 1, 1, 1))]]
    assert unknown.names([0]) == known.names([2])
    assert known.labels.tolist() == list(range(7)), "the other images stay as they were"
    for examples in (Files(paths, SMALL), Tensors(random_images(7, 3, 8, 10))):
        assert not examples.labels_known


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
    first, second = files.objects([0, 1])
    assert first == [Instance((24, 25, 26, 27), paths[0])]
    assert second == [Instance((4, 5, 6, 7), paths[5])]


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
        lambda: Tensors(random_images(3, 1, 2, 2), torch.zeros(2, 4)),
        lambda: Tensors(random_images(3, 1, 2, 2), torch.full((3, 4), 2)),
        lambda: Tensors(random_images(3, 1, 2, 2), torch.zeros(3, 1, 1)),
        lambda: Tensors(random_images(3, 1, 2, 2), objects=[[]]),
        lambda: Tensors(random_images(1, 1, 2, 2), objects=[[]], masks=random_images(1, 1, 2, 2)),
        lambda: Tensors(random_images(1, 1, 2, 2), objects=[[Instance(mask=random_images(2, 3))]]),
        lambda: Tensors(random_images(1, 1, 2, 2), objects=[[Instance(mask=torch.zeros(2, 2))]]),
        lambda: Files([], SMALL, objects=[[]]),
        lambda: Files([], SMALL, objects=[], boxes=torch.zeros(0, 4)),
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
