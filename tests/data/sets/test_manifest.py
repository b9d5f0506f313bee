import csv
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from antehoc.data.sets.manifest import manifest
from antehoc.data.splits import leaks
from antehoc.errors import DataError, ImageError
from damaged import ODD, said

Row = dict[str, Any]


@pytest.fixture
def rows(tmp_path) -> list[Row]:
    """60 images of two labels, with boxes, masks and attributes, split 30, 10, 10, 10."""
    (tmp_path / "images").mkdir()
    rows = []
    for number in range(60):
        Image.new("RGB", (6, 5), (number, 255, 7)).save(tmp_path / "images" / f"{number}.png")
        fox = number % 2
        rows.append(
            {
                "path": f"images/{number}.png",
                "label": "fox" if fox else "cat",
                "split": ["train", "train", "train", "val", "calibration", "test"][number // 10],
                "x0": 0,
                "y0": 1,
                "x1": 2.5,
                "y1": 1 + number % 4 + 1,
                "mask": f"images/{59 - number}.png",
                "attribute:coat::red": fox,
                "attribute:coat::gray": 1 - fox,
                "attribute:tail::long": 1,
                "attribute:tail::short": int(number == 7),
                "attribute:old": (number % 10) / 10,
            }
        )
    return rows


def write(path: Path, rows: list[Row]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_parquet(path: Path, rows: list[Row]) -> Path:
    pyarrow = pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def refusal(path: Path, kind: type[DataError] = DataError) -> str:
    with pytest.raises(kind) as caught:
        manifest(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    assert message.startswith(str(path))
    return message


def without(rows: list[Row], *columns: str) -> list[Row]:
    return [{name: value for name, value in row.items() if name not in columns} for row in rows]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_becomes_four_roles(kind, rows, tmp_path):
    source = manifest((write if kind == "csv" else write_parquet)(tmp_path / f"table.{kind}", rows), size=8)
    spec = source.spec
    assert spec.classes == ("cat", "fox")
    assert spec.attributes == ("coat::red", "coat::gray", "tail::long", "tail::short", "old")
    assert spec.exclusive == ((0, 1),)  # image 7 has two tails
    assert spec.groups == ((0, 1), (2, 3))
    assert {role: len(files) for role, files in source.roles.items()} == {
        "train": 30,
        "validation": 10,
        "calibration": 10,
        "test": 10,
    }
    # by hand: cats have even numbers 0, 2, ..., 28 in train; `old` repeats 0, .2, .4, .6, .8
    assert spec.class_attributes[0] == pytest.approx((0, 1, 1, 0, 0.4))
    assert spec.class_attributes[1] == pytest.approx((1, 0, 1, 1 / 15, 0.5))
    assert source.seed is None
    assert source.notes == ()
    test = source.roles["test"]
    batch = test.batch([0, 3])
    assert batch.image.shape == (2, 3, 8, 8)
    assert test.names([0, 3]) == [str(tmp_path / "images/50.png"), str(tmp_path / "images/53.png")]
    assert batch.label.tolist() == [0, 1]
    assert torch.allclose(batch.attributes[1], torch.tensor([1, 0, 1, 0, 0.3]))
    assert test.boxes[3].tolist() == [0, 1, 2.5, 3]
    assert test.objects([3]) == [[((0, 1, 2.5, 3), tmp_path / "images/6.png", test.labels[3])]]


def test_path_and_label_are_enough(rows, tmp_path):
    table = write(tmp_path / "table.csv", [{"path": row["path"], "label": row["label"]} for row in rows])
    source = manifest(table, seed=3)
    assert sum(map(len, source.roles.values())) == 60
    assert leaks(source.roles) == []
    assert source.seed == 3
    assert "drawn" in source.notes[0]
    train = source.roles["train"]
    assert (train.boxes, train.object_masks([0]), train.attributes.shape[1]) == (None, None, 0)
    assert source.spec.class_attributes == ()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_images_of_a_group_share_a_role(kind, rows, tmp_path):
    for number, row in enumerate(without(rows, "split")):
        rows[number] = {**row, "group": f"animal {number // 4}" if number < 56 else ""}
    source = manifest((write if kind == "csv" else write_parquet)(tmp_path / f"table.{kind}", rows))
    held = [{group for group in files.groups if group} for files in source.roles.values()]
    assert sum(map(len, held)) == len(set().union(*held)) == 14
    assert "from 60 images in 14 groups" in source.notes[0]


def test_a_group_in_two_roles_is_refused(rows, tmp_path):
    rows = [{**row, "group": number % 30} for number, row in enumerate(rows)]
    message = refusal(write(tmp_path / "table.csv", rows))
    assert "the group '0' has images in train and in validation; keep a group in one role" in message


def test_a_role_without_rows_is_taken_from_train(rows, tmp_path):
    for row in rows:
        row["split"] = "train" if row["split"] in ("val", "calibration") else row["split"]
    source = manifest(write(tmp_path / "table.csv", rows))
    assert len(source.roles["test"]) == 10
    assert sum(len(source.roles[role]) for role in ("train", "validation", "calibration")) == 50
    assert min(map(len, source.roles.values())) > 0
    assert source.seed == 0
    train = source.roles["train"]
    mean = train.attributes[train.labels == 1].mean(0).tolist()
    assert source.spec.class_attributes[1] == pytest.approx(mean)  # of the rows that are left in train


def test_labels_that_are_numbers_are_names(rows, tmp_path):
    for row in rows:
        row["label"] = 3 if row["label"] == "fox" else 11
    for path in (write(tmp_path / "t.csv", rows), write_parquet(tmp_path / "t.parquet", rows)):
        assert manifest(path).spec.classes == ("11", "3")


def test_other_columns_are_noted(rows, tmp_path):
    table = write(tmp_path / "t.csv", [row | {"photographer": "me", "year": 2020} for row in rows])
    assert manifest(table).notes == ("Columns that were not used: photographer, year.",)


def test_a_constant_attribute_is_fine(rows, tmp_path):
    for row in rows:
        row["attribute:old"] = 0
    assert manifest(write(tmp_path / "t.csv", rows)).spec.class_attributes[0][-1] == 0


def test_absolute_paths_and_a_byte_order_mark_are_fine(rows, tmp_path):
    for row in rows:
        row["path"] = str(tmp_path / row["path"])
    text = write(tmp_path / "t.csv", rows).read_text()
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "t.csv").write_text(text.replace(",images/", ",../images/"), encoding="utf-8-sig")
    assert len(manifest(tmp_path / "deeper" / "t.csv").roles["test"]) == 10


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"label": ""}, "line 12, label: it must not be empty"),
        ({"path": " "}, "line 12, path: it must not be empty"),
        ({"split": "tset"}, "line 12: no split is called 'tset'. Did you mean 'test'?"),
        ({"split": ""}, "line 12, split: it must not be empty"),
        ({"path": "images/none.png"}, "line 12, path: there is no such file"),
        ({"path": "images"}, "line 12, path: this is a folder, not an image"),
        ({"mask": "images/none.png"}, "line 12, mask: there is no such file"),
        ({"mask": ""}, "line 12, mask: it must not be empty"),
        ({"path": "images/59.png"}, "59.png is in two splits, 'train' (line 12) and 'test'"),
        ({"path": "./images/../images/59.png"}, "59.png is in two splits"),
        ({"path": "images/11.png"}, "11.png is in two labels, 'cat' (line 12) and 'fox'"),
        ({"attribute:old": "yes"}, "line 12, attribute:old: a number is needed; got 'yes'"),
        ({"attribute:old": ""}, "line 12, attribute:old: a number is needed; got ''"),
        ({"attribute:old": "nan"}, "line 12, attribute:old: a number is needed; got 'nan'"),
        ({"attribute:old": 1.5}, "line 12, attribute:old: an attribute is 0, 1 or between; got '1.5'"),
        ({"attribute:old": -1}, "line 12, attribute:old: an attribute is 0, 1 or between; got '-1'"),
        ({"x0": "left"}, "line 12, x0: a number is needed; got 'left'"),
        ({"x0": ""}, "line 12, x0: a number is needed; got ''"),
        ({"x0": -1}, "line 12, x0: a box begins at 0 or later; got '-1'"),
        ({"x0": 5}, "line 12, x1: a box has a size, so x1 is above x0; got '2.5'"),
        ({"y1": 1}, "line 12, y1: a box has a size, so y1 is above y0; got '1'"),
    ],
)
def test_a_bad_row_is_named(rows, tmp_path, change, what):
    rows[10] |= change
    assert what in refusal(write(tmp_path / "table.csv", rows))


def test_a_bad_row_of_parquet_is_named(rows, tmp_path):
    rows[10]["attribute:old"] = None
    assert "row 11, attribute:old: a number is needed; got ''" in refusal(write_parquet(tmp_path / "t.parquet", rows))


def test_a_label_outside_train_is_named(rows, tmp_path):
    rows[55]["label"] = "foxx"
    message = refusal(write(tmp_path / "t.csv", rows))
    assert "the label 'foxx' (line 57, role test) has no image in train" in message
    assert "Did you mean 'fox'?" in message


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        (("path",), "the column 'path' is missing"),
        (("label",), "the column 'label' is missing"),
        (("x1", "y1"), "a box needs the four columns x0, y0, x1, y1; found x0, y0."),
    ],
)
def test_a_missing_column_is_named(rows, tmp_path, columns, what):
    assert what in refusal(write(tmp_path / "t.csv", without(rows, *columns)))


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("mask", "masks", "Did you mean 'mask'?"),
        ("split", "Split", "Did you mean 'split'?"),
        ("attribute:old", "attributes:old", "Did you mean 'attribute:old'?"),
        ("attribute:old", "attribute_old", "Did you mean 'attribute:old'?"),
        ("attribute:old", "Attribute: old", "Did you mean 'attribute:old'?"),
        ("label", "labels", "the column 'label' is missing. Is it 'labels'?"),
    ],
)
def test_a_misspelt_column_is_named(rows, tmp_path, old, new, hint):
    text = write(tmp_path / "t.csv", rows).read_text()
    (tmp_path / "t.csv").write_text(text.replace(old, new, 1))
    assert hint in refusal(tmp_path / "t.csv")


def test_attribute_columns_need_names_of_their_own(rows, tmp_path):
    text = write(tmp_path / "t.csv", rows).read_text()
    (tmp_path / "t.csv").write_text(text.replace("attribute:old", "attribute:", 1))
    assert "an attribute column has no name" in refusal(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text(text.replace("attribute:old", "attribute:coat::red", 1))
    assert "two columns are called 'attribute:coat::red'" in refusal(tmp_path / "t.csv")


def test_one_label_is_too_few(rows, tmp_path):
    for row in rows:
        row["label"] = "cat"
    assert "two or more labels; found ['cat']" in refusal(write(tmp_path / "t.csv", rows))


def test_no_training_rows_are_too_few(rows, tmp_path):
    for row in rows:
        row["split"] = "test"
    assert "no image in the role train" in refusal(write(tmp_path / "t.csv", rows))


@pytest.mark.parametrize("text", ["", "path,label\n", "\n\n"])
def test_an_empty_table_is_refused(text, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    assert "this table is empty" in refusal(tmp_path / "t.csv")


def test_an_empty_parquet_table_is_refused(rows, tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"path": pyarrow.array([], pyarrow.string())}), tmp_path / "t.parquet")
    assert "this table is empty" in refusal(tmp_path / "t.parquet")


def test_what_is_no_table_is_refused(tmp_path, rows):
    pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    assert "cannot be read (No such file" in refusal(tmp_path / "none.csv")
    assert "cannot be read (No such file" in refusal(tmp_path / "none.parquet")
    assert "cannot be read (Is a directory)" in refusal(tmp_path)
    (tmp_path / "t.csv").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert "not a CSV table in UTF-8" in refusal(tmp_path / "t.csv")
    (tmp_path / "t.parquet").write_bytes(b"hello")
    assert "this Parquet table cannot be read" in refusal(tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text("path,label\na.png\n")
    assert "line 2: the row has 1 fields, and the header has 2" in refusal(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("path;label\na.png;cat\n")
    assert "fields are separated by commas" in refusal(tmp_path / "t.csv")


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as where it is not installed
    (tmp_path / "t.parquet").touch()
    assert "Parquet needs pyarrow; install the extra `parquet`" in refusal(tmp_path / "t.parquet")


def test_a_truncated_image_is_named_when_it_is_fetched(rows, tmp_path):
    source = manifest(write(tmp_path / "t.csv", rows))
    content = (tmp_path / "images/50.png").read_bytes()
    (tmp_path / "images/50.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match=r"50\.png: this PNG file is truncated"):
        source.roles["test"].batch([0])


CELLS = ["", " ", "\n", "nan", "inf", "-1", "1e999", "x,y", '"', "..", "/", "\0", "a\0b", "9" * 5000, "fox", "val", "~"]


@st.composite
def damaged_rows(draw, rows: list[Row], cells: list[Any]) -> list[Row]:
    """Rows with one or two things wrong: a cell or a whole column, a row or a column too many or too few."""
    rows = [dict(row) for row in rows]
    for _ in range(draw(st.integers(1, 2))):
        column, cell = draw(st.sampled_from(sorted(rows[0]))), draw(st.sampled_from(cells))
        row = draw(st.integers(0, len(rows) - 1))
        match draw(st.sampled_from(["cell", "cell", "all", "missing", "renamed", "twice", "gone"])):
            case "cell":
                rows[row][column] = cell
            case "all":
                rows = [{**each, column: cell} for each in rows]
            case "missing":
                rows = [{key: each[key] for key in each if key != column} for each in rows]
            case "renamed":
                new = draw(
                    st.sampled_from([f"{column}s", column.upper(), "", "\n", "attribute:", "attribute:::", "path"])
                )
                rows = [{new if key == column else key: value for key, value in each.items()} for each in rows]
            case "twice":
                rows.append({**rows[row], column: cell} if draw(st.booleans()) else dict(rows[row]))
            case "gone":
                del rows[row]
    return rows


@pytest.mark.parametrize(("form", "examples"), [("csv", 120), ("parquet", 80)])
def test_a_damaged_table_is_refused_in_a_sentence_or_gives_its_images(rows, tmp_path, form, examples):
    if form == "parquet":
        pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    few = [row for n, row in enumerate(rows) if n % 10 < 4]
    cells = CELLS if form == "csv" else [*CELLS, *ODD]

    @settings(max_examples=examples, suppress_health_check=[HealthCheck.nested_given])
    @given(damaged_rows(few, cells))
    def check(changed):
        table = tmp_path / f"table.{form}"
        try:
            (write if form == "csv" else write_parquet)(table, changed)
        except (ValueError, TypeError, OverflowError, csv.Error):  # the writer's: a column cannot hold such values
            return
        said(lambda: [part.batch(range(len(part))) for part in manifest(table, size=8).roles.values()])

    check()


def test_a_name_of_several_lines_stays_on_one_line_of_the_message(rows, tmp_path):
    renamed = [{"\n" if key == "path" else key: value for key, value in row.items()} for row in rows]
    assert "'path' is missing" in refusal(write_parquet(tmp_path / "table.parquet", renamed))
