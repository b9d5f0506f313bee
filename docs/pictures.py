"""The pictures of README.md: drawn from recorded decisions by the package's own report code.

`python docs/pictures.py` draws docs/images/NAME.png from docs/pictures/NAME.json for every record; `--check` writes
nothing and exits with 1 if a picture is out of date. `--record NAME RUN` first decides test images and unknown images
with the model of a finished run of `antehoc train` or `antehoc reproduce`, and records two of the decisions: a correct
one that is accepted, and one that is questioned.
"""

import argparse
import base64
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

import antehoc
from antehoc.evaluation import Shown
from antehoc.recipe import build_recipe
from antehoc.report.overview import overview
from antehoc.runs.sources import load_source
from antehoc.schema import build
from antehoc.spec import DataSpec
from antehoc.types import Decision

HERE = Path(__file__).parent
TOLERANCE = 12  # blocks that may differ: other hinting of the same letters changes up to 9


def record(name: str, run: Path, *, count: int = 6000) -> Path:
    """Decide the first test images and unknown images of a run's recipe, and keep two of the decisions."""
    model = antehoc.load(
        next(place for place in (run / "main/model", run / "model", run) if (place / "config.json").exists())
    )
    values = yaml.safe_load(model.about["values"])
    name_of, seed = model.about["recipe"], int(model.about["seed"])
    source, _ = load_source(build_recipe(values, name_of), name_of, seed)
    test = source.roles["test"]
    test = test.select(range(0, len(test), max(1, len(test) // count)))  # they may be sorted by class
    images = test.batch(range(len(test))).image
    truths: list[str | None] = [model.spec.classes[int(label)] for label in test.labels]
    if "star" in source.unknown:
        images = torch.cat([images, source.unknown["star"](20, seed).batch(range(20)).image])
        truths += [None] * 20
    cases = [
        Shown("", image, decision, truth)
        for image, decision, truth in zip(images, model.decide(images), truths, strict=True)
    ]
    kept = [accepted(cases), questioned(cases)]
    content = {
        "model": {
            key: model.about[key] for key in ("recipe", "scale", "seed", "antehoc", "torch") if key in model.about
        },
        "spec": asdict(model.spec),
        "cases": [
            {"image": written(case.image), "truth": case.truth, "decision": case.decision.to_plain()} for case in kept
        ],
    }
    place = HERE / "pictures" / f"{name}.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return place


def accepted(cases: Sequence[Shown]) -> Shown:
    """The correct, accepted decision with the median score."""
    found = [case for case in cases if case.truth == case.decision.label and verdict(case) == "accepted"]
    return sorted(found, key=score)[len(found) // 2]


def questioned(cases: Sequence[Shown]) -> Shown:
    """A questioned decision: the most telling kind that there is, of its cases the one with the median score.

    Wrong decisions whose attributes fit another class tell most, then other wrong ones, then those on unknown images.
    """
    found = [case for case in cases if verdict(case) == "questioned"]
    wrong = [case for case in found if case.truth not in (None, case.decision.label)]
    contradicted = [case for case in wrong if "fits-another-class" in codes(case)]
    found = contradicted or wrong or [case for case in found if case.truth is None]
    return sorted(found, key=score)[len(found) // 2]


def codes(case: Shown) -> list[str]:
    return [reason.code for reason in case.decision.verdict.reasons] if case.decision.verdict else []


def verdict(case: Shown) -> str | None:
    return None if case.decision.verdict is None else case.decision.verdict.outcome


def score(case: Shown) -> float:
    assert case.decision.verdict is not None
    return case.decision.verdict.score


def written(image: torch.Tensor) -> str:
    """An image (C, H, W) in 0..1 as PNG in base64."""
    values = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    file = BytesIO()
    Image.fromarray(values[..., 0] if values.shape[2] == 1 else values).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def read(path: Path) -> tuple[list[Shown], DataSpec]:
    """The recorded cases, and what the model knew of its data."""
    content = json.loads(path.read_text(encoding="utf-8"))
    spec = build(DataSpec, content["spec"], f"{path.name}, spec")
    cases = []
    for case in content["cases"]:
        with Image.open(BytesIO(base64.b64decode(case["image"]))) as picture:
            values = torch.from_numpy(np.array(picture))
        image = (values[None] if values.ndim == 2 else values.permute(2, 0, 1)).float() / 255
        cases.append(Shown("", image, Decision.from_plain(case["decision"], path.name), case["truth"]))
    return cases, spec


def records() -> list[Path]:
    return sorted((HERE / "pictures").glob("*.json"))


def drawn(path: Path) -> bytes:
    """The picture of a record, as PNG."""
    cases, spec = read(path)
    return overview(cases, spec, rows=1)


def picture(path: Path) -> Path:
    """Where the picture of a record is kept."""
    return HERE / "images" / f"{path.stem}.png"


def stale() -> Iterator[Path]:
    """The records whose pictures are missing, or differ from what would be drawn today."""
    for path in records():
        if not picture(path).exists() or difference(picture(path).read_bytes(), drawn(path)) > TOLERANCE:
            yield path


def difference(first: bytes, second: bytes) -> float:
    """How many blocks of 8 x 8 pixels differ by a tenth of the gray levels; infinite for pictures of two sizes.

    Another version of the font library shifts the edges of letters, which changes a few blocks.
    """
    one, other = (np.asarray(Image.open(BytesIO(png)).convert("L").reduce(8)).astype(float) for png in (first, second))
    return float((np.abs(one - other) > 25).sum()) if one.shape == other.shape else float("inf")


def main(options: Sequence[str] | None = None) -> int:
    """Draw the pictures, or say which are out of date."""
    parser = argparse.ArgumentParser(description="Draw the pictures of README.md from recorded decisions.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 where a picture is out of date"
    )
    parser.add_argument("--record", nargs=2, metavar=("NAME", "RUN"), help="record decisions of a finished run first")
    chosen = parser.parse_args(options)
    if chosen.record:
        print(f"recorded: {record(chosen.record[0], Path(chosen.record[1])).relative_to(HERE.parent)}")
    found = list(stale())
    for path in found:
        if not chosen.check:
            picture(path).write_bytes(drawn(path))
        print(f"{'out of date' if chosen.check else 'drawn'}: {picture(path).relative_to(HERE.parent)}")
    return 1 if found and chosen.check else 0


if __name__ == "__main__":
    sys.exit(main())
