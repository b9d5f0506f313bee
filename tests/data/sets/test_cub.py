import os
import shutil
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from antehoc.data.images import load_image
from antehoc.data.preprocessing import Preprocessing
from antehoc.data.sets.cub import SINGLE_CHOICE, cub
from antehoc.data.splits import leaks
from antehoc.errors import DataError

SPECIES = {3: "003.Sooty_Albatross", 5: "005.Crested_Auklet", 10: "010.Red_winged_Blackbird", 200: "200.Wren"}
ATTRIBUTES = ("has_size::small", "has_size::large", "has_eye_color::red", "has_eye_color::blue", "has_crest::yes")
PERCENT = {  # size is single-choice: of a tie the first is hard; colors are not
    3: (50.0, 50.0, 80.0, 50.0, 90.0),
    5: (30.0, 70.0, 80.0, 20.0, 90.0),
    10: (40.0, 40.0, 80.0, 0.0, 90.0),
    200: (0.0, 0.0, 0.0, 0.0, 0.0),
}
HARD = {3: [1, 0, 1, 1, 1], 5: [0, 1, 1, 0, 1], 10: [0, 0, 1, 0, 1], 200: [0, 0, 0, 0, 0]}
TRAIN, TEST = 10, 4  # images of each species


def lines(*rows: object) -> str:
    return "".join(f"{' '.join(map(str, row))}\n" for row in rows)  # type: ignore[call-overload]


@pytest.fixture
def birds(tmp_path):
    """A folder that holds `CUB_200_2011` with four species; an image's number is 100 x species + place, its red level
    the place. The files list images in no order."""
    top = tmp_path / "CUB_200_2011"
    images = {100 * species + place: species for place in reversed(range(TRAIN + TEST)) for species in SPECIES}
    for number, species in images.items():
        file = top / "images" / SPECIES[species] / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 6), (10 * (number % 100), species, 0)).save(file, "PNG")
    (top / "parts").mkdir()
    (top / "attributes").mkdir()
    table = np.zeros((200, 5))
    for species, row in PERCENT.items():
        table[species - 1] = row
    for name, text in {
        "images.txt": lines(*((n, f"{SPECIES[s]}/{n}.jpg") for n, s in images.items())),
        "classes.txt": lines(*SPECIES.items(), (7, "007.No_Images")),
        "image_class_labels.txt": lines(*sorted(images.items())),
        "train_test_split.txt": lines(*((n, int(n % 100 < TRAIN)) for n in images)),
        "bounding_boxes.txt": lines(*((n, 1.5, 2, n % 100, 3) for n in images)),
        "parts/parts.txt": "1 back\n2 left eye\n",
        "parts/part_locs.txt": lines(*((n, p, n, 0.5, p - 1) for p in (1, 2) for n in images)),
        "attributes/attributes.txt": lines(*enumerate(ATTRIBUTES, 1)),
        "attributes/class_attribute_labels_continuous.txt": lines(*table),
    }.items():
        (top / name).write_text(text)
    return tmp_path


def numbers(files) -> list[int]:
    return [int(Path(name).stem) for name in files.names(range(len(files)))]


def test_the_official_test_split_is_the_test_role(birds):
    source = cub(birds, size=8)
    assert source.spec.classes == ("Sooty Albatross", "Crested Auklet", "Red winged Blackbird", "Wren")
    assert (source.spec.channels, source.spec.height, source.spec.width) == (3, 8, 8)
    assert source.preprocessing == Preprocessing(3, 8, 8, fit="crop")
    test = numbers(source.roles["test"])
    assert sorted(test) == sorted(100 * species + place for species in SPECIES for place in range(TRAIN, TRAIN + TEST))
    everything = [number for files in source.roles.values() for number in numbers(files)]
    assert len(everything) == len(set(everything)) == len(SPECIES) * (TRAIN + TEST)
    for files in source.roles.values():
        assert [list(SPECIES)[label] for label in files.labels] == [number // 100 for number in numbers(files)]
    assert source.notes[0] == "The copy has 4 of 200 species: 56 images, 40 train, 16 test."
    assert source.left_out is None


def test_each_species_gives_its_share_of_its_train_images(birds):
    source = cub(birds, validation=0.1, calibration=0.3)
    for role, count in {"train": 6, "validation": 1, "calibration": 3, "test": TEST}.items():
        assert Counter(source.roles[role].labels.tolist()) == dict.fromkeys(range(4), count)
    again, other = cub(birds, validation=0.1, calibration=0.3), cub(birds, validation=0.1, calibration=0.3, seed=1)
    assert numbers(again.roles["calibration"]) == numbers(source.roles["calibration"])
    assert numbers(other.roles["calibration"]) != numbers(source.roles["calibration"])


def test_a_share_may_be_nothing_and_train_keeps_an_image(birds):
    assert len(cub(birds, validation=0.0).roles["validation"]) == 0
    greedy = cub(birds, validation=0.5, calibration=0.499).roles
    assert Counter(greedy["train"].labels.tolist()) == dict.fromkeys(range(4), 1)
    assert Counter(greedy["calibration"].labels.tolist()) == dict.fromkeys(range(4), 5)


def test_twins_stay_together(birds):
    folder = birds / "CUB_200_2011" / "images" / SPECIES[5]
    for place in range(2, TRAIN):  # two different files, five times each
        shutil.copy(folder / f"{500 + place % 2}.jpg", folder / f"{500 + place}.jpg")
    source = cub(birds, calibration=0.5)
    assert leaks(source.roles) == []
    assert Counter(source.roles["calibration"].labels.tolist())[1] == 5


def test_boxes_and_parts_follow_their_images(birds):
    files = cub(birds).roles["test"]
    for number, box, parts in zip(numbers(files), files.boxes.tolist(), files.parts.tolist(), strict=True):
        assert box == [1.5, 2, 1.5 + number % 100, 5]
        assert parts == [[number, 0.5, 0], [number, 0.5, 1]]
    assert files.part_names == ("back", "left eye")


@pytest.mark.parametrize("labels", ["hard", "soft"])
def test_images_have_the_attributes_of_their_species(birds, labels):
    source = cub(birds, labels=labels)
    rows = {species: HARD[species] if labels == "hard" else [p / 100 for p in PERCENT[species]] for species in SPECIES}
    assert source.spec.attributes == ATTRIBUTES
    assert [list(row) for row in source.spec.class_attributes] == list(rows.values())
    files = source.roles["train"]
    torch.testing.assert_close(
        files.attributes, torch.tensor([rows[number // 100] for number in numbers(files)]).float()
    )


def test_groups_are_questions_and_the_single_choices_among_them_exclude(birds):
    spec = cub(birds).spec
    assert spec.groups == ((0, 1), (2, 3))
    assert spec.at_most_one == ((0, 1),)
    assert spec.exclusive == ()


def test_attributes_that_do_not_vary_may_go(birds):
    spec = cub(birds, species=("3", "5", "10"), only_varying=True).spec
    assert spec.attributes == ("has_size::small", "has_size::large", "has_eye_color::blue")
    assert spec.class_attributes == ((1, 0, 1), (0, 1, 0), (0, 0, 0))
    assert (spec.groups, spec.at_most_one) == (((0, 1),), ((0, 1),))


def test_each_image_has_its_own_attributes_where_the_copy_has_them(birds):
    table = birds / "CUB_200_2011" / "attributes" / "image_attribute_labels.txt"
    with pytest.raises(DataError, match=r"attributes/image_attribute_labels\.txt is missing"):
        cub(birds, attributes="image")
    # the official file has a time in the last column, and in some rows one column too many
    images = [100 * species + place for species in SPECIES for place in range(TRAIN + TEST)]
    table.write_text(lines(*((n, a, (n + a) % 2, 3, *[1.5] * (1 + (n == 305))) for a in range(1, 6) for n in images)))
    for files in cub(birds).roles.values():
        assert files.attributes.tolist() == [[(number + a) % 2 for a in range(1, 6)] for number in numbers(files)]
    assert cub(birds).spec.class_attributes[0] == tuple(HARD[3])
    assert cub(birds, attributes="class").roles["test"].attributes[-1].tolist() in HARD.values()
    varying = cub(birds, species=("3", "5", "10"), only_varying=True).roles["test"]
    assert varying.attributes.tolist() == [[(number + a) % 2 for a in (1, 2, 4)] for number in numbers(varying)]


@pytest.mark.parametrize("name", ["005", "5", "005.Crested_Auklet", "Crested Auklet"])
def test_a_species_is_kept_out_by_number_or_name(birds, name):
    source = cub(birds, leave_out=(name,))
    assert source.spec.classes == ("Sooty Albatross", "Red winged Blackbird", "Wren")
    assert [list(row) for row in source.spec.class_attributes] == [HARD[3], HARD[10], HARD[200]]
    assert all(number // 100 != 5 for files in source.roles.values() for number in numbers(files))
    assert sorted(numbers(source.left_out)) == [510, 511, 512, 513]
    assert source.left_out.attributes.tolist() == [HARD[5]] * TEST
    assert source.left_out.labels.tolist() == [0] * TEST
    assert not source.left_out.labels_known
    assert all(files.labels_known for files in source.roles.values())


def test_species_may_be_chosen(birds):
    source = cub(birds, species=("Wren", "005", "003"), leave_out=("003",))
    assert source.spec.classes == ("Crested Auklet", "Wren")
    assert {number // 100 for number in numbers(source.left_out)} == {3}


# where it lies


def pack(birds: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(birds.rglob("*")):
            archive.write(file, file.relative_to(birds))
    return target


@pytest.fixture(params=["itself", "holder", "zip", "folder of a zip", "zip without a folder"])
def place(request, birds, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    zipfile.ZipFile(other / "unrelated.zip", "w").close()
    match request.param:
        case "itself":
            return birds / "CUB_200_2011"
        case "zip":
            return pack(birds, other / "birds.zip")
        case "folder of a zip":
            return pack(birds, other / "birds.zip").parent
        case "zip without a folder":
            return pack(birds / "CUB_200_2011", other / "birds.zip")
    return birds


def test_it_opens_from_where_it_lies(place, birds):
    source = cub(place, size=(6, 9))
    files, by_hand = source.roles["test"], cub(birds, size=(6, 9)).roles["test"]
    assert numbers(files) == numbers(by_hand)
    assert torch.equal(files.images([0, 5]), by_hand.images([0, 5]))
    first = birds / "CUB_200_2011" / "images" / SPECIES[numbers(files)[0] // 100] / f"{numbers(files)[0]}.jpg"
    assert torch.equal(files.images([0])[0], load_image(first, source.preprocessing))


@pytest.mark.parametrize("packed", [False, True])
def test_attribute_names_may_lie_beside_the_folder(birds, packed, tmp_path_factory):
    (birds / "CUB_200_2011" / "attributes" / "attributes.txt").rename(birds / "attributes.txt")
    assert cub(pack(birds, tmp_path_factory.mktemp("zip") / "a.zip") if packed else birds).spec.attributes == ATTRIBUTES


# what is refused


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        cub(path, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    return message


def test_what_is_no_copy_is_refused(tmp_path):
    assert "there is no such file or folder; give the folder CUB_200_2011" in refusal(tmp_path / "none")
    assert "this is no CUB-200-2011" in refusal(tmp_path)
    (tmp_path / "CUB_200_2011.tgz").write_bytes(b"")
    for path in (tmp_path, tmp_path / "CUB_200_2011.tgz"):
        assert "CUB_200_2011.tgz: images are not read from this archive; unpack it" in refusal(path)
    for name in ("a.zip", "b.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("images.txt", "1 a/b.jpg\n")
    assert "it holds 2 zips of CUB-200-2011" in refusal(tmp_path)
    assert "a.zip: image_class_labels.txt is missing" in refusal(tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("name", "change", "what"),
    [
        ("classes.txt", None, "classes.txt is missing"),
        ("images.txt", "", "images.txt: the file is empty"),
        ("images.txt", "one two\n", "images.txt: each line holds a number and a name (invalid literal"),
        ("images.txt", "1\n", "images.txt: each line holds a number and a name"),
        ("images.txt", "399 003.Sooty_Albatross/399.jpg\n", "there is no number for image 399"),
        ("bounding_boxes.txt", "300 1 2 3 four\n", "this is not a table of numbers (could not convert string 'four'"),
        ("bounding_boxes.txt", "300 1 2 3\n", "bounding_boxes.txt: this is not a table of numbers"),
        ("parts/part_locs.txt", "300 1 2 3 1\n", "part_locs.txt: there is no number for image 300, number 2 of 2"),
        ("parts/part_locs.txt", "300 3 2 3 1\n", "part_locs.txt: numbers from 1 to 2 are needed in column 2; got 3"),
        ("attributes/attributes.txt", "1 has_size::small\n", "of 1 attributes are needed; got 200 of 5"),
        ("attributes/class_attribute_labels_continuous.txt", "1 2 3 4 5\n", "are needed; got 1 of 5"),
        ("attributes/class_attribute_labels_continuous.txt", "0 1 0 1 0\n" * 200, "needed, 0 to 100; got 0 to 1"),
        ("attributes/class_attribute_labels_continuous.txt", "0 1 0 1 101\n" * 200, "got 0 to 101"),
    ],
)
def test_a_damaged_copy_is_refused(birds, name, change, what):
    file = birds / "CUB_200_2011" / name
    file.unlink() if change is None else file.write_text(change)
    message = refusal(birds)
    assert message.startswith(str(birds))
    assert what in message


def test_a_missing_image_is_named(birds):
    (birds / "CUB_200_2011" / "images" / SPECIES[5] / "503.jpg").unlink()
    assert f"images/{SPECIES[5]}/503.jpg is missing, the first of 1 that images.txt lists" in refusal(birds)
    assert len(cub(birds, species=("003", "010")).roles["test"]) == 2 * TEST


def test_an_unknown_species_is_refused(birds):
    assert "no images of a species 'Crested Auklett'. Did you mean 'Crested Auklet'?" in refusal(
        birds, species=("Crested Auklett",)
    )
    assert "no images of a species '007'" in refusal(birds, leave_out=("007",))
    assert "two or more species; 1 of 4 are kept" in refusal(birds, species=("003",))


@pytest.mark.parametrize("shares", [(-0.1, 0.1), (0.5, 0.5), (float("nan"), 0.1)])
def test_shares_that_leave_no_train_are_refused(birds, shares):
    assert "shares, 0 or more, that leave train some" in refusal(birds, validation=shares[0], calibration=shares[1])


# the real set

REAL = Path(os.environ.get("ANTEHOC_DATA", "/nowhere")) / "cub-200-2011-subset50"
needs_birds = pytest.mark.skipif(not REAL.is_dir(), reason="needs $ANTEHOC_DATA/cub-200-2011-subset50")


@needs_birds
def test_the_fifty_species_open():
    source = cub(REAL, only_varying=True)
    assert len(source.spec.classes) == 50
    assert len(source.spec.attributes) == 156  # those with a hard label in 1 to 49 of the rows, counted by hand
    assert source.notes[0] == "The copy has 50 of 200 species: 2,927 images, 1,499 train, 1,428 test."
    assert len(source.roles["test"]) == 1428
    assert sum(map(len, source.roles.values())) == 2927
    assert all((source.roles[role].labels.bincount(minlength=50) > 0).all() for role in ("train", "calibration"))
    assert leaks(source.roles) == []
    files = source.roles["test"]
    left, top, right, bottom = files.boxes.T
    x, y, visible = files.parts[..., 0], files.parts[..., 1], files.parts[..., 2] == 1
    inside = (x > left[:, None] - 4) & (x < right[:, None] + 4) & (y > top[:, None] - 4) & (y < bottom[:, None] + 4)
    assert inside[visible].float().mean() > 0.99, "visible parts lie in the box"


@needs_birds
def test_the_known_facts_of_all_two_hundred_species_hold():
    with zipfile.ZipFile(next(REAL.glob("*.zip"))) as archive:
        rows = archive.read("CUB_200_2011/attributes/class_attribute_labels_continuous.txt").decode().split()
        names = [
            line.split()[1] for line in archive.read("CUB_200_2011/attributes/attributes.txt").decode().splitlines()
        ]
        birds = archive.read("CUB_200_2011/classes_all_200.txt").decode().splitlines()
    matrix = np.array(rows, float).reshape(200, 312) / 100
    assert matrix.mean() == pytest.approx(0.114, abs=5e-4)  # the originals' matrix: 11.4 %
    assert len({name.split(".")[1] for name in birds}) == 200, "names stay different without their numbers"
    questions: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        questions.setdefault(name.split("::")[0], []).append(number)
    assert len(questions) == 28
    sums = {question: matrix[:, group].sum(1) for question, group in questions.items()}
    assert {question for question, total in sums.items() if total.max() < 1 + 1e-6} == set(SINGLE_CHOICE)
    assert all(sums[question].min() > 1 - 1e-6 for question in SINGLE_CHOICE)
    spec = cub(REAL).spec
    assert spec.groups == tuple(map(tuple, questions.values()))
    assert spec.at_most_one == tuple(tuple(questions[question]) for question in questions if question in SINGLE_CHOICE)


def test_the_counts_of_a_copy_of_all_species_are_compared(birds):
    top = birds / "CUB_200_2011"
    extra = [number for number in range(1, 201) if number not in SPECIES]
    for name, row in {
        "classes.txt": lambda n: (n, f"{n:03}.Bird_{n}"),
        "images.txt": lambda n: (100 * n, f"{SPECIES[3]}/300.jpg"),
        "image_class_labels.txt": lambda n: (100 * n, n),
        "train_test_split.txt": lambda n: (100 * n, 1),
    }.items():
        with (top / name).open("a") as file:
            file.write(lines(*map(row, extra)))
    note = cub(birds, species=("003", "005")).notes[0]
    assert note == (
        "The copy has all 200 species: 252 images, 236 train, 16 test, where the full set has 11,788 images, "
        "5,994 train, 5,794 test."
    )


def test_a_copy_out_of_reach_is_refused(tmp_path, monkeypatch):
    assert refusal(tmp_path / ("long" * 999)).endswith(
        "it cannot be opened (File name too long); check the path and its permissions."
    )

    def locked(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", locked)
    assert "it cannot be listed (Permission denied); give a folder of images." in refusal(tmp_path)
