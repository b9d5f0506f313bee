"""The command line: what goes well, and for each bad input exit code 2 and one sentence that names the place."""

import dataclasses
import json
import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from antehoc.cli import _row, main
from antehoc.data import Preprocessing
from antehoc.data.drawn import draw
from antehoc.model import Model, build_system, load
from antehoc.types import DataSpec, Decision, SaliencyMask


@pytest.fixture(scope="module")
def square():
    """A grey square of 96x64 pixels, larger than the model's images and not as high as wide."""
    image = draw("square", seed=3, count=1, side=64).image[0]
    return Image.fromarray(np.pad(image, ((0, 0), (16, 16)), constant_values=255))


@pytest.fixture
def png(square, tmp_path):
    square.save(tmp_path / "square.png")
    return tmp_path / "square.png"


@pytest.fixture
def call(capsys):
    """Run a command; its exit code, what it printed, and what it complained of."""

    def call(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse ends the program itself
            code = stop.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def refused(call):
    """Run a command that must be refused; the one sentence that says why."""

    def refused(*arguments):
        code, _, complaint = call(*arguments)
        assert code == 2, complaint
        assert "Traceback" not in complaint
        lines = complaint.splitlines()
        assert lines[-1].startswith("antehoc"), complaint
        if not lines[0].startswith("usage:"):
            assert len(lines) == 1, "one sentence"
            assert lines[0].endswith("."), "a whole one"
        return lines[-1]

    return refused


def explained(call, model, *images):
    """The decisions on images, read back from JSON."""
    path = Path(images[0]).parent / "out.json"
    code, _, _ = call("explain", model, *images, "--json", path, "--device", "cpu")
    return code, json.loads(path.read_text())


# what goes well


def test_explain_prints_a_decision_and_its_reasons(call, tiny_run, png):
    code, printed, complaint = call("explain", tiny_run.model, png, "--device", "cpu")
    decision = load(tiny_run.model).decide([png])[0]
    assert (code, complaint) == (0, "")
    assert printed.startswith(f"{png}  {decision.label} {decision.probabilities[decision.label]:.2f}  ")
    assert ("QUESTIONED" in printed) == (decision.verdict.outcome == "questioned")
    assert decision.verdict.reasons[0].text in printed


def test_explain_writes_json_that_says_the_same_as_python(call, tiny_run, png):
    code, rows = explained(call, tiny_run.model, png)
    (decision,) = load(tiny_run.model).decide([png])
    assert code == 0
    assert rows == [{"path": str(png), **json.loads(json.dumps(dataclasses.asdict(decision)))}]
    assert {"label", "probabilities", "explanans", "doubt", "verdict", "card"} <= set(rows[0])


def test_explain_writes_one_page_that_needs_nothing_else(call, tiny_run, png, tmp_path):
    page = tmp_path / "page.html"
    assert call("explain", tiny_run.model, png, "--html", page, "--device", "cpu")[0] == 0
    text = page.read_text(encoding="utf-8")
    assert png.name in text
    assert "data:image/png;base64," in text
    assert load(tiny_run.model).decide([png])[0].label in text
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text), "nothing is fetched"
    assert "<script" not in text


def sixteen(image):
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


MODES = {
    "grey": lambda image: image.convert("L"),
    "rgb": lambda image: image.convert("RGB"),
    "palette": lambda image: image.convert("RGB").quantize(64),
    "rgba": lambda image: image.convert("RGBA"),
    "grey-alpha": lambda image: image.convert("LA"),
    "cmyk": lambda image: image.convert("CMYK"),
    "16-bit": sixteen,
    "one-bit": lambda image: image.convert("1"),
}
FORMATS = {
    "png": ("grey", "rgb", "palette", "rgba", "grey-alpha", "16-bit", "one-bit"),
    "jpg": ("grey", "rgb", "cmyk"),
    "webp": ("rgb", "rgba"),
    "bmp": ("grey", "rgb", "palette", "one-bit"),
    "tif": ("grey", "rgb", "palette", "rgba", "cmyk", "16-bit", "one-bit"),
}


def test_images_of_every_format_and_mode_are_decided_alike(call, tiny_run, square, tmp_path):
    paths = []
    for suffix, modes in FORMATS.items():
        for mode in modes:
            paths.append(tmp_path / f"{mode}.{suffix}")
            given = {"lossless": True} if suffix == "webp" else {"quality": 95} if suffix == "jpg" else {}
            MODES[mode](square).save(paths[-1], **given)
    code, rows = explained(call, tiny_run.model, *paths)
    assert code == 0
    assert [row["path"] for row in rows] == [str(path) for path in paths]
    wanted = load(tiny_run.model).decide([paths[0]])[0]
    for row in rows:
        # one bit has no soft edge; a palette and a JPEG move single grey levels: the decision's probability moves by
        # some hundredths, while an image that came out dark, clipped or turned would be another one altogether
        assert row["probabilities"][wanted.label] == pytest.approx(wanted.probabilities[wanted.label], abs=0.2), row[
            "path"
        ]
    exact = [row for row in rows if re.search(r"(grey|rgb|rgba|16-bit)\.(png|bmp|tif|webp)", row["path"])]
    assert len(exact) > 8
    for row in exact:
        assert row["probabilities"] == pytest.approx(wanted.probabilities, abs=1e-6), row["path"]


def test_a_photograph_taken_upright_is_decided_upright(call, tiny_run, tmp_path):
    image = Image.fromarray(draw("triangle", seed=1, count=1, side=64).image[0])
    image.save(tmp_path / "upright.png")
    paths = [tmp_path / "upright.png"]
    for orientation, undo in (
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_90),
        (8, Image.Transpose.ROTATE_270),
    ):
        exif = Image.Exif()
        exif[0x0112] = orientation
        paths.append(tmp_path / f"{orientation}.png")
        image.transpose(undo).save(paths[-1], exif=exif)
    _, rows = explained(call, tiny_run.model, *paths)
    assert all(row["probabilities"] == rows[0]["probabilities"] for row in rows)
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "unmarked.png")
    _, (turned,) = explained(call, tiny_run.model, tmp_path / "unmarked.png")
    assert turned["probabilities"] != rows[0]["probabilities"], "the test above could fail"


def test_a_mask_survives_json():
    mask = SaliencyMask.of(torch.tensor([[0.0, 0.2, 1.0]]))
    row = json.loads(json.dumps(_row(Path("a.png"), Decision("cat", {"cat": 0.8, "fox": 0.2}, mask))))
    assert row["explanans"]["kind"] == "mask"
    assert SaliencyMask(**row["explanans"]).values()[0].tolist() == pytest.approx([0.0, 0.2, 1.0])


def test_explain_writes_the_masks_of_a_model_that_has_them_at_the_images_pixels(call, png, tmp_path):
    torch.manual_seed(0)
    spec = DataSpec(("cat", "fox"), 1, 16, 16)
    arguments = {"name": "joint", "classifier": "tiny", "filters": [4, 8]}
    Model(build_system(spec, arguments, "test").eval(), arguments, Preprocessing(1, 16, 16)).save(tmp_path / "model")
    out, page = tmp_path / "masks", tmp_path / "e.html"
    code, printed, _ = call("explain", tmp_path / "model", png, "--masks", out, "--html", page, "--device", "cpu")
    assert code == 0
    assert "the mask shows" in printed
    assert sorted(path.name for path in out.iterdir()) == ["square.mask.png", "square.overlay.png"]
    for path in out.iterdir():
        with Image.open(path) as picture:
            assert picture.size == (96, 64)
    assert "mask over the image" in page.read_text()


def test_masks_of_a_model_that_has_none_are_refused(refused, tiny_run, png, tmp_path):
    said = refused("explain", tiny_run.model, png, "--masks", tmp_path / "masks", "--device", "cpu")
    assert "--masks: this model explains by attributes, not by a mask; leave the option out." in said
    assert not (tmp_path / "masks").exists()


def test_evaluate_repeats_the_figures_of_the_run(call, tiny_run, tmp_path):
    path, page = tmp_path / "figures.json", tmp_path / "page.html"
    code, printed, complaint = call("evaluate", tiny_run.model, "--json", path, "--html", page, "--device", "cpu")
    assert (code, complaint) == (0, "")
    written = json.loads(path.read_text())
    assert set(written) == {"figures", "intervals", "notes"}
    assert written["figures"] == {name: tiny_run.result.figures[name] for name in written["figures"]}
    assert f"{written['figures']['accuracy']:.4f}" in printed
    assert page.read_text().startswith("<!doctype html>")


def test_evaluate_takes_images_of_no_known_class_from_disk(call, tiny_run, square, tmp_path):
    folder = tmp_path / "strange"
    folder.mkdir()
    for number in range(3):
        square.rotate(20 * number).save(folder / f"{number}.png")
    code, printed, _ = call(
        "evaluate", tiny_run.model, "--ood", f"mine={folder}", "--json", tmp_path / "f.json", "--device", "cpu"
    )
    assert code == 0
    assert "mine" in printed
    assert {"ood_mine_questioned", "ood_mine_auroc"} <= set(json.loads((tmp_path / "f.json").read_text())["figures"])


def test_evaluate_takes_changes_to_the_recorded_recipe(call, tiny_run, tmp_path):
    path = tmp_path / "f.json"
    changes = ("--set", "unknown.kinds=[noise]", "--set", "data.test=40")
    assert call("evaluate", tiny_run.model, *changes, "--json", path, "--device", "cpu")[0] == 0
    assert not any("star" in name for name in json.loads(path.read_text())["figures"])


def test_compare_sets_every_explanation_of_a_model_on_one_table(call, tiny_run, tmp_path):
    path, page = tmp_path / "c.json", tmp_path / "c.html"
    code, printed, _ = call(
        "compare", tiny_run.model, "--methods", "saliency,input-x-gradient", "--count", 2, "--seed", 4, "--json", path,
        "--html", page, "--device", "cpu", "--quiet", "--aopc-grid",
    )  # fmt: skip
    assert code == 0
    written = json.loads(path.read_text())
    assert set(written["aopc_grid"]["uniform 1/56"]) == {"saliency", "input-x-gradient", "random"}
    assert [row["name"] for row in written["rows"] if row["kind"] == "post hoc"] == ["saliency", "input-x-gradient"]
    assert (written["images"], written["seed"]) == (2, 4)
    assert {line.split()[0] for line in printed.splitlines() if line} >= {"saliency", "input-x-gradient", "random"}
    assert page.read_text().startswith("<!doctype html>")


def test_compare_refuses_what_cannot_be(refused, tiny_run):
    said = refused("compare", tiny_run.model, "--methods", "salency", "--device", "cpu")
    assert "no post-hoc method is called 'salency'. Did you mean 'saliency'?" in said
    said = refused("compare", tiny_run.model, "--set", "data.side=64", "--device", "cpu")
    assert "its classes or images are not the model's" in said
    assert "--count and --chunk are 1 or more" in refused("compare", tiny_run.model, "--count", 0, "--device", "cpu")


ONE_EPOCH = (
    "--set", "data={name: shapes, side: 32, train: 120, validation: 20, calibration: 300, test: 40}",
    "--set", "phases=[{train: [main, mirror], epochs: 1, learning_rate: 0.01}]", "--device", "cpu", "--quiet",
)  # fmt: skip


def test_train_makes_a_model_that_explains(call, tiny_run, png, tmp_path):
    path = tmp_path / "t.json"
    code, printed, complaint = call("train", tiny_run.recipe, "--out", tmp_path / "t", "--json", path, *ONE_EPOCH)
    assert (code, complaint) == (0, "")
    written = json.loads(path.read_text())
    assert written["model"] == str(tmp_path / "t" / "model")
    assert len(written["history"]) == 1
    assert "phase 1: 1 epochs" in printed
    assert call("explain", written["model"], png, "--device", "cpu")[0] == 0


def test_reproduce_writes_figures_report_and_model(call, tiny_run, tmp_path):
    path, page, out = tmp_path / "r.json", tmp_path / "r.html", tmp_path / "r"
    code, printed, complaint = call(
        "reproduce", tiny_run.recipe, "--seed", 5, "--out", out, "--json", path, "--html", page, *ONE_EPOCH,
        "--set", "unknown.count=20",
    )  # fmt: skip
    assert (code, complaint) == (0, "")
    written = json.loads(path.read_text())
    assert {"recipe", "scale", "seed", "seconds", "figures", "published"} <= set(written)
    assert (written["seed"], written["scale"]) == (5, "small")
    assert json.loads((out / "figures.json").read_text()) == written
    assert page.read_text() == (out / "report.html").read_text()
    assert str(out / "main" / "model") in printed
    assert load(out / "main" / "model").about["seed"] == 5


def test_the_path_of_data_reaches_the_recipe_as_it_is(refused, tiny_run, tmp_path):
    text = tiny_run.recipe.read_text()
    start = text.index("data: ")
    recipe = tmp_path / "m.yaml"
    recipe.write_text(text[:start] + "data: {name: manifest}\n" + text[text.index("system: ") :])
    name = tmp_path / "with: colon #and a hash.csv"
    said = refused("train", recipe, "--data", name, "--out", tmp_path / "out", "--device", "cpu")
    assert str(name) in said


# what goes wrong


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("system.widht=8", "tiny.yaml, system: no key 'widht'. Did you mean 'width'?"),
        ("system.width=wide", "tiny.yaml, system.width: got 'wide', needs int."),
        ("system.name=miror", "tiny.yaml, system.name: no system is called 'miror'. Did you mean 'mirror'?"),
        ("system.backbone=smal", "no backbone is called 'smal'. Did you mean 'small'?"),
        ("data.trian=8", "tiny.yaml, data: no key 'trian'. Did you mean 'train'?"),
        ("data.name=shape", "tiny.yaml, data.name: no data set is called 'shape'. Did you mean 'shapes'?"),
        ("data.train=2020-01-02", "tiny.yaml, data.train: got datetime.date(2020, 1, 2), needs int."),
        ("verdict.alpha=2", "tiny.yaml.verdict: alpha lies between 0 and 1; got 2.0."),
        ("verdic.alpha=0.1", "tiny.yaml: no key 'verdic'. Did you mean 'verdict'?"),
        ("seed=-1", "tiny.yaml: a seed lies in 0..2**63 - 1; got -1."),
        ("seed=true", "tiny.yaml.seed: got True, needs int."),
        ("phases=[{train: [nose], epochs: 1}]", "the system has no part 'nose' to train. Known: main, mirror."),
        ("phases=[{train: [main], epochs: 1, weights: {x: 1}}]", "phase 1: no loss term is called 'x'"),
        ("phases=[{train: [main], epochs: 1, monitor: acuracy}]", "no figure is called 'acuracy'. Did you mean"),
        (
            "phases=[{train: [main], epochs: 1, cache: true}]",
            "no frozen part whose activations could be cached; leave `cache` out.",
        ),
        ("data.calibration=20", "tiny.yaml: calibration has 20 images; give 80 or more"),
        ("seed", "--set seed: needs KEY=VALUE, such as data.train=2000."),
        ("seed=[1", "--set seed=[1: the value is not YAML."),
    ],
)
def test_a_wrong_recipe_is_refused(refused, tiny_run, tmp_path, change, message):
    said = refused(
        "reproduce", tiny_run.recipe, "--set", change, "--out", tmp_path / "out", "--device", "cpu", "--quiet"
    )
    assert message in said


def test_an_unknown_doubt_is_refused(refused, tiny_run, tmp_path):
    said = refused("train", tiny_run.recipe, *ONE_EPOCH, "--set", "verdict.doubts=[margn]", "--out", tmp_path / "o")
    assert "no doubt is called 'margn'" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("reproduce", "shape"), "no recipe is called 'shape'. Did you mean 'shapes'?"),
        (("reproduce", "none.yaml"), "none.yaml: the recipe cannot be read (No such file or directory)"),
        (("reproduce", "shapes", "--scale", "papers"), "shapes.yaml: has no scale 'papers'; it has small, paper."),
        (("train", "shapes", "--device", "tpu"), "--device tpu: is none of auto, cpu, cuda, mps."),
        (("train", "shapes", "--devices", "0"), "--devices 0: needs 1 or more."),
        (("train", "shapes", "--resume", "--out", "none"), "none: there is no run to resume here"),
        (("reproduce", "shapes", "--seed", "-1"), "argument --seed: needs a whole number from 0"),
        (("reproduce", "shapes", "--seed", "one"), "argument --seed: needs a whole number from 0"),
        (("reproduce", "shapes", "--seed", "1.5"), "argument --seed: needs a whole number from 0"),
        (("reproduce", "shapes", "--seed", "9" * 30), "argument --seed: needs a whole number from 0"),
        (("reproduce", "shapes", "--ood", "mnist"), "--ood mnist: needs NAME=PATH, such as mnist=data/mnist."),
        (("reproduce", "shapes", "--ood", "mnist=none"), "--ood mnist=none: there is nothing at none; name a folder"),
        (("reproduce", "shapes", "--ood", "a=.", "--ood", "a=."), "--ood a=.: the name 'a' came twice"),
        (("reproduce",), "the following arguments are required: recipe"),
        (("explain", "model"), "the following arguments are required: IMAGE"),
        (("explain", "model", "image.png"), "model: no such model folder; name one that holds README.md"),
        (("evaluate", "model"), "model: no such model folder"),
        (("improve",), "invalid choice: 'improve'"),
        ((), "the following arguments are required: COMMAND"),
    ],
)
def test_a_wrong_word_is_refused(refused, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(*arguments)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused(refused, tiny_run, png):
    assert refused("explain", tiny_run.model, png, "--device", "cuda") == (
        "antehoc: --device cuda: this machine has none; use cpu."
    )


def bomb() -> bytes:
    """A PNG of a few bytes that claims 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def damaged(kind: str, path: Path, square: Image.Image) -> None:
    if kind == "missing.png":
        return
    if kind == "folder.png":
        path.mkdir()
    elif kind == "nan.tif":
        level = np.asarray(square, np.float32) / 255
        level[5, 5] = np.nan
        Image.fromarray(level).save(path)
    else:
        square.save(path, format="JPEG" if kind.endswith("jpg") else "PNG")
        whole = path.read_bytes()
        path.write_bytes(
            {"empty.png": b"", "bomb.png": bomb(), "text.png": b"not an image at all"}.get(
                kind, whole[: len(whole) // 2]
            )
        )


DAMAGED = {
    "missing.png": "there is no such file; give the path of an image.",
    "truncated.png": "this PNG file is truncated, damaged or of an unknown kind",
    "truncated.jpg": "this JPEG file is truncated, damaged or of an unknown kind",
    "empty.png": "the file is empty (0 bytes); give a PNG, JPEG, WebP, BMP or TIFF image.",
    "text.png": "this is not an image",
    "folder.png": "this is a folder, and one image file is needed.",
    "bomb.png": "pixels, as a decompression bomb would; make it smaller.",
    "nan.tif": "the image holds NaN pixels; grey levels must be numbers.",
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_bad_image_is_named_with_what_is_wrong(call, tiny_run, square, tmp_path, kind):
    path = tmp_path / kind
    damaged(kind, path, square)
    code, printed, complaint = call("explain", tiny_run.model, path, "--device", "cpu")
    first, last = complaint.splitlines()
    assert (code, printed) == (2, "")
    assert first.startswith(f"antehoc: {path}: ")
    assert DAMAGED[kind] in first
    assert last == "antehoc: 1 of 1 images were skipped; the lines above say why."


def test_bad_images_among_good_ones_are_skipped_and_the_others_come_out(call, tiny_run, square, tmp_path):
    paths = []
    for number in range(50):
        paths.append(tmp_path / f"{number}.png")
        square.rotate(3 * number, fillcolor=255).save(paths[-1])
    bad = {7: "truncated.png", 20: "missing.png", 49: "folder.png"}
    for number, kind in bad.items():
        paths[number] = tmp_path / kind
        damaged(kind, paths[number], square)
    page, path = tmp_path / "page.html", tmp_path / "out.json"
    code, printed, complaint = call(
        "explain", tiny_run.model, *paths, "--json", path, "--html", page, "--device", "cpu"
    )
    assert code == 2
    lines = complaint.splitlines()
    assert [line.split(": ")[1] for line in lines[:-1]] == [str(paths[number]) for number in bad]
    assert lines[-1] == "antehoc: 3 of 50 images were skipped; the lines above say why."
    rows = json.loads(path.read_text())
    assert [row["path"] for row in rows] == [str(each) for each in paths]
    assert {number for number, row in enumerate(rows) if "error" in row} == set(bad)
    good = [each for number, each in enumerate(paths) if number not in bad]
    alone = load(tiny_run.model).decide(good)
    assert [row["label"] for row in rows if "label" in row] == [decision.label for decision in alone]
    assert all(f"{each}  " in printed for each in good)
    assert "truncated.png" in page.read_text()


def table(folder: Path, *, labels: tuple[str, ...], attributes: tuple[str, ...], test_label: str | None = None) -> Path:
    """A manifest of drawn shapes and a recipe for it, at the tiny model's size."""
    lines = ["path,label,split" + "".join(f",attribute:{name}" for name in attributes)]
    for split in ("train", "validation", "calibration", "test"):
        for number, label in enumerate(labels):
            name = f"{split}-{number}.png"
            Image.fromarray(draw("circle", seed=len(lines), count=1, side=32).image[0]).save(folder / name)
            shown = test_label if test_label and split == "test" and number == 0 else label
            lines.append(f"{name},{shown},{split}" + "".join(f",{(number + i) % 2}" for i in range(len(attributes))))
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    recipe = folder / "mine.yaml"
    recipe.write_text(
        f"data: {{name: manifest, path: {folder / 'table.csv'}, size: 32, channels: 1}}\n"
        "system: {name: mirror, backbone: tiny}\nphases: [{train: [main, mirror], epochs: 1}]\n"
    )
    return recipe


CLASSES = ("circle", "rectangle", "square", "triangle")


def test_labels_outside_the_models_classes_are_refused(refused, tiny_run, tmp_path):
    recipe = table(tmp_path, labels=(*CLASSES[:3], "hexagon"), attributes=("a", "b"))
    said = refused("evaluate", tiny_run.model, "--recipe", recipe, "--device", "cpu")
    assert said.startswith(f"antehoc: {recipe}: its classes or attributes are not the model's (circle, rectangle")


def test_a_label_that_was_never_trained_is_refused(refused, tmp_path):
    recipe = table(tmp_path, labels=CLASSES, attributes=("a", "b"), test_label="hexagon")
    said = refused("train", recipe, "--out", tmp_path / "out", "--device", "cpu")
    assert "table.csv" in said
    assert "hexagon" in said


@pytest.mark.parametrize("attributes", [("a", "b"), ()])
def test_attribute_columns_that_do_not_match_the_model_are_refused(refused, tiny_run, tmp_path, attributes):
    recipe = table(tmp_path, labels=CLASSES, attributes=attributes)
    said = refused("evaluate", tiny_run.model, "--recipe", recipe, "--device", "cpu")
    assert said.startswith(f"antehoc: {recipe}: its classes or attributes are not the model's")


def test_a_table_without_attributes_cannot_train_a_mirror(refused, tmp_path):
    recipe = table(tmp_path, labels=CLASSES * 3, attributes=())
    said = refused("train", recipe, "--set", "verdict.alpha=0.2", "--out", tmp_path / "out", "--device", "cpu")
    assert "attributes" in said
    assert "add attribute columns" in said


def test_an_attribute_that_is_no_share_is_refused_with_its_row(refused, tmp_path):
    recipe = table(tmp_path, labels=CLASSES, attributes=("a", "b"))
    path = tmp_path / "table.csv"
    path.write_text(path.read_text().replace("train-1.png,rectangle,train,1,", "train-1.png,rectangle,train,7,"))
    said = refused("train", recipe, "--out", tmp_path / "out", "--device", "cpu")
    assert "table.csv, line 3, attribute:a: an attribute is 0, 1 or between; got '7'" in said


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_an_output_that_cannot_be_written_is_refused_before_the_work(refused, tiny_run, png, tmp_path, option):
    (tmp_path / "file").write_text("")
    for place, message in (
        (tmp_path / "none" / "out", "its folder does not exist; make it, or name another place."),
        (tmp_path, "is a folder; name a file."),
        (tmp_path / "file" / "out", "its folder does not exist"),
        (tmp_path / ("long" * 100), "cannot be written (File name too long); name another place."),
    ):
        said = refused("explain", tiny_run.model, png, option, place, "--device", "cpu")
        assert said.startswith(f"antehoc: {place}: ")
        assert message in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_output_is_refused(refused, tiny_run, png, tmp_path):
    path = tmp_path / "out.json"
    path.touch(mode=0o400)
    said = refused("explain", tiny_run.model, png, "--json", path, "--device", "cpu")
    assert said == f"antehoc: {path}: cannot be written (Permission denied); name another place."


def test_a_disk_that_is_full_is_said(refused, tiny_run, png):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    said = refused("explain", tiny_run.model, png, "--json", "/dev/full", "--device", "cpu")
    assert said == "antehoc: /dev/full: cannot be written (No space left on device); name another place."


def test_a_run_folder_that_cannot_be_made_is_refused(refused, tiny_run, tmp_path):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "run"
    said = refused("train", tiny_run.recipe, "--out", out, "--device", "cpu")
    assert said == f"antehoc: {out}: cannot be written (Not a directory); name another place with --out."


def test_a_damaged_model_is_refused(refused, tiny_run, png, tmp_path):
    model = load(tiny_run.model)
    Model(model.system, model.arguments, model.preprocessing, model.policy, model.about).save(tmp_path / "m")
    with (tmp_path / "m" / "model.safetensors").open("ab") as file:
        file.write(b"x")
    said = refused("explain", tmp_path / "m", png, "--device", "cpu")
    assert said.startswith(f"antehoc: {tmp_path / 'm'}/model.safetensors: its hash is ")


def test_an_uncalibrated_model_explains_and_is_not_evaluated(call, refused, tiny_run, png, tmp_path):
    model = load(tiny_run.model)
    Model(model.system, model.arguments, model.preprocessing, None, model.about).save(tmp_path / "m")
    code, printed, _ = call("explain", tmp_path / "m", png, "--device", "cpu")
    assert code == 0
    assert "not calibrated" in printed
    said = refused("evaluate", tmp_path / "m", "--device", "cpu")
    assert said.startswith("antehoc: the model was never calibrated")


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "antehoc.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_in_a_process_of_its_own_a_truncated_image_ends_with_2(tiny_run, square, tmp_path):
    path = tmp_path / "truncated.png"
    damaged("truncated.png", path, square)
    done = process("explain", tiny_run.model, path, "--device", "cpu")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0].startswith(f"antehoc: {path}: this PNG file is truncated")
    assert len(done.stderr.splitlines()) == 2


def test_a_stopped_command_says_how_to_go_on(call, tiny_run, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("antehoc.runs.reproduce", stop)
    code, _, complaint = call("reproduce", tiny_run.recipe, "--out", tmp_path / "out", "--device", "cpu")
    assert (code, complaint) == (130, "antehoc: stopped; a training run goes on with --resume.\n")
