"""`antehoc explain`: every format and mode is decided alike, and a bad image is named without stopping the others."""

import json
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

import antehoc
from antehoc.data import Preprocessing
from antehoc.data.sets.shapes import draw
from antehoc.explanations import SaliencyMask
from antehoc.model import Model, build_system, load
from antehoc.model.folder import sha256
from antehoc.runs.rows import to_row
from antehoc.types import DataSpec, Decision


def explained(call, model, *images):
    """The decisions on images, read back from JSON."""
    path = Path(images[0]).parent / "out.json"
    code, _, _ = call("explain", model, *images, "--json", path, "--device", "cpu")
    return code, json.loads(path.read_text())["images"]


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
    plain = json.loads(json.dumps(decision.to_plain()))
    card = plain.pop("card")
    assert rows == [{"kind": "decision", "path": str(png), **plain}]
    assert {"label", "probabilities", "explanations", "doubts", "verdict"} <= set(rows[0])
    record = json.loads((png.parent / "out.json").read_text())["model"]
    assert record["card"] == card, "of all decisions, once"
    assert record["sha256"] == sha256(tiny_run.model / "config.json")
    assert record["weights_sha256"] == sha256(tiny_run.model / "model.safetensors")
    assert (record["antehoc"], record["threshold"]) == (antehoc.__version__, decision.verdict.threshold)


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
    "gray": lambda image: image.convert("L"),
    "rgb": lambda image: image.convert("RGB"),
    "palette": lambda image: image.convert("RGB").quantize(64),
    "rgba": lambda image: image.convert("RGBA"),
    "gray-alpha": lambda image: image.convert("LA"),
    "cmyk": lambda image: image.convert("CMYK"),
    "16-bit": sixteen,
    "one-bit": lambda image: image.convert("1"),
}
FORMATS = {
    "png": ("gray", "rgb", "palette", "rgba", "gray-alpha", "16-bit", "one-bit"),
    "jpg": ("gray", "rgb", "cmyk"),
    "webp": ("rgb", "rgba"),
    "bmp": ("gray", "rgb", "palette", "one-bit"),
    "tif": ("gray", "rgb", "palette", "rgba", "cmyk", "16-bit", "one-bit"),
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
        # one bit has no soft edge; a palette and a JPEG move single gray levels: the decision's probability moves by
        # some hundredths, while an image that came out dark, clipped or turned would be another one altogether
        assert row["probabilities"][wanted.label] == pytest.approx(wanted.probabilities[wanted.label], abs=0.2), row[
            "path"
        ]
    exact = [row for row in rows if re.search(r"(gray|rgb|rgba|16-bit)\.(png|bmp|tif|webp)", row["path"])]
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
    decision = Decision("cat", {"cat": 0.8, "fox": 0.2}, (mask,))
    row = json.loads(json.dumps(to_row(Path("a.png"), decision)))
    assert row["explanations"][0]["kind"] == "mask"
    assert Decision.from_plain(row) == decision


def test_explain_writes_the_masks_of_a_model_that_has_them_at_the_images_pixels(call, png, tmp_path):
    torch.manual_seed(0)
    spec = DataSpec(("cat", "fox"), 1, 16, 16)
    arguments = {"name": "joint", "backbone": "tiny", "explainer": {"filters": [4, 8]}}
    Model(build_system(spec, arguments, "test").eval(), arguments, Preprocessing(1, 16, 16)).save(tmp_path / "model")
    out, page = tmp_path / "masks", tmp_path / "e.html"
    code, printed, _ = call("explain", tmp_path / "model", png, "--masks", out, "--html", page, "--device", "cpu")
    assert code == 0
    assert "the mask shows" in printed
    assert sorted(path.name for path in out.iterdir()) == ["square.mask.png", "square.overlay.png"]
    for path in out.iterdir():
        with Image.open(path) as picture:
            assert picture.size == (96, 64)
    assert "the mask shows" in page.read_text()


def test_masks_of_a_model_that_has_none_are_refused(refused, tiny_run, png, tmp_path):
    said = refused("explain", tiny_run.model, png, "--masks", tmp_path / "masks", "--device", "cpu")
    assert "--masks: this model's explanations have no place in the image; leave the option out." in said
    assert not (tmp_path / "masks").exists()


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
    "folder.png": "this folder holds no image; give one with PNG, JPEG, WebP, BMP or TIFF images.",
    "bomb.png": "pixels, as a decompression bomb would; make it smaller.",
    "nan.tif": "the image holds NaN pixels; gray levels must be numbers.",
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_bad_image_is_named_with_what_is_wrong(call, tiny_run, square, tmp_path, kind):
    path = tmp_path / kind
    damaged(kind, path, square)
    code, printed, complaint = call("explain", tiny_run.model, path, "--device", "cpu")
    first, *last = complaint.splitlines()
    assert (code, printed) == (2, "")
    assert first.startswith(f"antehoc: {path}: ")
    assert DAMAGED[kind] in first
    skipped = ["antehoc: 1 of 1 images were skipped; the lines above say why."]
    assert last == ([] if kind == "missing.png" else skipped)  # no path exists: refused before torch is loaded


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
    rows = json.loads(path.read_text())["images"]
    assert [row["path"] for row in rows] == [str(each) for each in paths]
    assert {number for number, row in enumerate(rows) if "error" in row} == set(bad)
    good = [each for number, each in enumerate(paths) if number not in bad]
    alone = load(tiny_run.model).decide(good)
    assert [row["label"] for row in rows if "label" in row] == [decision.label for decision in alone]
    assert all(f"{each}  " in printed for each in good)
    assert "truncated.png" in page.read_text()


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
