"""Rows of decisions in a file: whatever a kill leaves, the next run ends with one row for each image."""

import csv
import io
import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from antehoc.data.sets.shapes import draw
from antehoc.errors import OutputError
from antehoc.model import load
from antehoc.runs.explain import batch_size, explain, explain_to_file, explain_to_stream, format_of
from antehoc.runs.rowfile import opened, record_beside
from antehoc.runs.rows import COLUMNS, model_record
from antehoc.types import Decision

COUNT = 30
BAD = 'b,"ad\n.png'  # a name that a careless table breaks at


@pytest.fixture(scope="module")
def model(tiny_run):
    return load(tiny_run.model)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    place = tmp_path_factory.mktemp("photos")
    drawing = draw("triangle", seed=2, count=COUNT, side=32).image
    for number, image in enumerate(drawing):
        Image.fromarray(image).save(place / f"{number:02}.png")
    (place / BAD).write_bytes(b"no image")
    return place


@pytest.fixture(scope="module", params=["jsonl", "csv"])
def whole(request, model, photos, tmp_path_factory):
    """A file that was written at once."""
    out = tmp_path_factory.mktemp("out") / f"d.{request.param}"
    done = explain_to_file(model, photos, out)
    assert (done.images, done.errors, done.before) == (COUNT + 1, 1, 0)
    return out


def rows(path: Path) -> list[dict]:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    return [json.loads(line) for line in path.read_text().splitlines()][1:]


def copied(whole: Path, place: Path) -> Path:
    for path in (whole, record_beside(whole)):
        if path.exists():
            shutil.copy(path, place)
    return place / whole.name


def test_each_image_has_a_row_that_says_what_python_says(whole, model, photos):
    found = {row["path"]: row for row in rows(whole)}
    assert sorted(found) == sorted(str(path) for path in photos.iterdir())
    for name, item in explain(model, [photos]):
        row = found[str(name)]
        if not isinstance(item, Decision):
            assert row["error"] == " ".join(str(item).split())
        elif whole.suffix == ".csv":
            assert (row["label"], row["verdict"]) == (item.label, item.verdict.outcome)
            assert float(row["rank"]) == pytest.approx(item.verdict.rank, abs=1e-5)
            assert row["driven_by"] == (item.verdict.driven_by or "")
        else:
            again = Decision.from_plain(row)
            assert (again.label, again.doubts) == (item.label, pytest.approx(item.doubts, abs=1e-5))
            assert again.verdict.driven_by == item.verdict.driven_by
            assert again.card is None, "it is in the record of the model"


def test_the_record_of_the_model_is_there_once(whole, model):
    text = (record_beside(whole) if whole.suffix == ".csv" else whole).read_text()
    wanted = json.loads(json.dumps(model_record(model)))
    if whole.suffix == ".csv":
        assert json.loads(text) == wanted
        assert whole.read_text().splitlines()[0].split(",") == list(COLUMNS)
    else:
        assert json.loads(text.splitlines()[0]) == wanted
        assert text.count(wanted["sha256"]) == 1


@pytest.mark.parametrize("cut", [1, 2, 3, 10, 100, 1000, 5000, 10**9])
def test_a_file_cut_anywhere_is_completed_without_a_row_lost_or_twice(whole, model, photos, tmp_path, cut):
    out = copied(whole, tmp_path)
    size = out.stat().st_size
    os.truncate(out, max(0, size - cut))
    done = explain_to_file(model, photos, out)
    assert done.errors == 1, "an earlier run's count too"
    assert done.before + done.images == COUNT + 1
    assert done.images > 0
    assert [row["path"] for row in rows(out)] == [row["path"] for row in rows(whole)]


def test_every_cut_within_the_bad_names_row_is_mended(whole, model, photos, tmp_path):
    out = copied(whole, tmp_path)
    content = out.read_bytes()
    start = content.index(b"ad")
    for end in range(start - 5, start + 40, 3):
        out.write_bytes(content[:end])
        with opened(out, format_of(out), model_record(model)) as (_, done):
            known = len(done)
        kept = out.read_bytes()
        assert content.startswith(kept), "whole rows are kept"
        assert known == len(rows(out))


def test_a_finished_run_writes_nothing_and_new_images_alone_are_decided(whole, model, photos, tmp_path):
    out = copied(whole, tmp_path)
    before = out.read_bytes()
    assert explain_to_file(model, photos, out) == (0, 1, COUNT + 1)
    assert out.read_bytes() == before
    Image.new("L", (32, 32), 99).save(tmp_path / "new.png")
    assert explain_to_file(model, [photos, tmp_path / "new.png"], out).images == 1
    assert out.read_bytes().startswith(before)
    assert rows(out)[-1]["path"] == str(tmp_path / "new.png")


def test_an_image_given_twice_has_one_row(model, photos, tmp_path):
    image = photos / "00.png"
    assert explain_to_file(model, [image, photos / "01.png", image], tmp_path / "d.jsonl").images == 2


def test_decisions_of_another_model_are_not_added_to(whole, model, photos, tmp_path):
    out = copied(whole, tmp_path)
    before = out.read_bytes()
    other = model.__class__(model.system, model.arguments, model.preprocessing, None, model.about)
    with pytest.raises(OutputError, match="holds decisions of another model"):
        explain_to_file(other, photos, out)
    assert out.read_bytes() == before
    done = explain_to_file(other, photos, out, overwrite=True)
    assert done.images == COUNT + 1
    assert len(rows(out)) == COUNT + 1


@pytest.mark.parametrize(
    "content", ["hello", "hello\n", "{}\n", '{"kind": "model"}\n', "path,label\n", "[1]\n", "\0" * 50]
)
@pytest.mark.parametrize("name", ["d.jsonl", "d.csv"])
def test_a_file_of_something_else_is_left_as_it_is(model, photos, tmp_path, content, name):
    (tmp_path / name).write_text(content)
    with pytest.raises(OutputError, match=r"is not a file of decisions|holds decisions of another model"):
        explain_to_file(model, photos, tmp_path / name)
    assert (tmp_path / name).read_text() == content


def test_a_row_that_is_none_is_named(whole, model, photos, tmp_path):
    out = copied(whole, tmp_path)
    lines = out.read_text().split("\n")
    out.write_text("\n".join([*lines[:3], "5", *lines[3:]]))
    with pytest.raises(OutputError, match="row 4: is not a decision"):
        explain_to_file(model, photos, out)


def test_two_runs_do_not_write_to_one_file(model, photos, tmp_path):
    pytest.importorskip("fcntl")
    out = tmp_path / "d.jsonl"
    with (
        opened(out, "jsonl", model_record(model)),
        pytest.raises(OutputError, match="another run is writing to this file"),
    ):
        explain_to_file(model, photos, out)


def test_a_stream_gets_the_same_rows(whole, model, photos):
    stream = io.StringIO()
    done = explain_to_stream(model, photos, stream, format_of(whole))
    assert (done.images, done.errors) == (COUNT + 1, 1)
    assert stream.getvalue() == whole.read_text()


@pytest.mark.parametrize(
    ("out", "format"), [("-", "jsonl"), ("a.JSONL", "jsonl"), ("a.ndjson", "jsonl"), ("a.csv", "csv")]
)
def test_the_name_of_a_file_says_its_format(out, format):
    assert format_of(out) == format
    assert format_of("a.txt", format) == format
    with pytest.raises(OutputError, match=r"its name must end in \.jsonl or \.csv"):
        format_of("a.txt")


def test_images_are_taken_a_few_batches_ahead_and_rows_appear_as_they_are_decided(model, photos, tmp_path):
    size, out, seen = batch_size(model), tmp_path / "d.jsonl", []

    def paths():
        for number in range(5 * size):
            seen.append(len(out.read_text().splitlines()) if out.exists() else 0)
            yield Image.new("L", (32, 32), number % 256)

    explain_to_file(model, paths(), out)
    assert len(rows(out)) == 5 * size
    assert seen[-1] > 2 * size, "most rows are in the file before the last image is taken"
    assert min(number - written for number, written in enumerate(seen)) >= -1
    assert max(number - written for number, written in enumerate(seen)) <= 2 * size, "and no image waits long"
