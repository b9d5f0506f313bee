"""Split and cross-conformal thresholds over 100 draws of 480 photographs, each with networks of its own.

python -m benchmarks.generalize.thresholds --data DATA --weights FILE --out OUT.json

Eight classes of Tiny-ImageNet, 80 photographs each; a draw takes 60 of each class and tests on the rest. The network is
a dense layer on the frozen features of MobileNetV2, so that each draw can train its own: a quarter of the 480
calibrates, the others train, and five more are trained without a fifth of these. The score is maximum softmax times
`neighbors`.
"""

import argparse
import json
import random
import statistics
import zipfile
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import timm
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from antehoc.calibration import Decisions, Policy, calibrate_products, cross_conformal
from antehoc.doubts import TrainingImages
from antehoc.doubts.neighbors import neighbors
from benchmarks.generalize.sets import tiny_classes


class Rows(NamedTuple):
    """Decisions of one dense layer."""

    doubts: dict[str, Tensor]
    wrong: Tensor


def features(data: Path, weights: Path) -> tuple[Tensor, Tensor]:
    """(640, 1280) features of the frozen network, and (640,) labels."""
    network = timm.create_model("mobilenetv2_100", num_classes=0, pad_type="same").eval()
    network.load_state_dict({k: v for k, v in load_file(weights).items() if "classifier" not in k}, strict=False)
    label = {wnid: number for number, wnid in enumerate(tiny_classes("tiny-8").values())}
    images, labels = [], []
    with zipfile.ZipFile(data / "tiny-imagenet-subset/tiny_imagenet_subset.zip") as archive:
        for name in sorted(archive.namelist()):
            parts = name.split("/")
            if len(parts) == 3 and parts[1] in label:
                image = (
                    Image.open(BytesIO(archive.read(name))).convert("RGB").resize((96, 96), Image.Resampling.BICUBIC)
                )
                images.append(torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).reshape(96, 96, 3))
                labels.append(label[parts[1]])
    pixels = torch.stack(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        return torch.cat([network(batch) for batch in pixels.split(64)]), torch.tensor(labels)


def trained(x: Tensor, y: Tensor) -> torch.nn.Linear:
    """A dense layer, fitted by gradient descent with weight decay."""
    layer = torch.nn.Linear(x.shape[1], 8)
    optimizer = torch.optim.AdamW(layer.parameters(), 3e-3, weight_decay=0.05)
    for _ in range(100):
        optimizer.zero_grad()
        F.cross_entropy(layer(x), y).backward()
        optimizer.step()
    return layer


@torch.no_grad()
def decided(layer: torch.nn.Linear, seen: tuple[Tensor, Tensor], x: Tensor, y: Tensor) -> Rows:
    """Decisions on some images by a layer that was trained on others."""
    logits = layer(x)
    known = TrainingImages()
    known.fit(seen[0], seen[1])
    alike = F.normalize(x, dim=1) @ F.normalize(seen[0], dim=1).T
    confidence = (1 - logits.double().softmax(1).amax(1)).clamp(min=1e-15).log()
    return Rows(
        {"confidence": confidence, "neighbors": neighbors(alike, seen[1], logits.argmax(1))}, logits.argmax(1) != y
    )


def draw(x: Tensor, y: Tensor, seed: int, alpha: float) -> dict[str, tuple[float, float]]:
    """Shares of correct and of wrong test decisions questioned, by either threshold."""
    chance = random.Random(seed)
    torch.manual_seed(seed)
    own = [chance.sample((y == label).nonzero()[:, 0].tolist(), 80) for label in range(8)]
    train = torch.tensor([row for rows in own for row in rows[:45]])
    held = torch.tensor([row for rows in own for row in rows[45:60]])
    test = torch.tensor([row for rows in own for row in rows[60:]])
    seen = x[train], y[train]
    layer = trained(*seen)
    calibration, tested = decided(layer, seen, x[held], y[held]), decided(layer, seen, x[test], y[test])
    fold = torch.arange(len(train)) % 5
    parts = []
    for number in range(5):
        others = x[train[fold != number]], y[train[fold != number]]
        parts.append(decided(trained(*others), others, x[train[fold == number]], y[train[fold == number]]))
    out = Rows(
        {name: torch.cat([part.doubts[name] for part in parts]) for name in calibration.doubts},
        torch.cat([part.wrong for part in parts]),
    )
    half = torch.randperm(len(held))
    first, second = ({name: v[rows] for name, v in calibration.doubts.items()} for rows in half.split(60))
    split = _policy(Rows(first, calibration.wrong[half[:60]]), Rows(second, calibration.wrong[half[60:]]), alpha)
    every = Decisions(
        {name: torch.cat([calibration.doubts[name], out.doubts[name]]) for name in out.doubts},
        torch.cat([calibration.wrong, out.wrong]),
        torch.cat([torch.full((len(held),), -1), fold.sort().values]),
    )

    def refit(kept: Tensor) -> Policy:
        return _policy(Rows({name: v[kept] for name, v in every.doubts.items()}, every.wrong[kept]), calibration, alpha)

    cross = cross_conformal(refit(every.fold >= 0), refit, every, alpha)
    return {"split": _questioned(split, tested), "cross": _questioned(cross, tested)}


def _policy(fit: Rows, rows: Rows, alpha: float) -> Policy:
    return calibrate_products(rows.doubts, rows.wrong, fit=fit, names=["neighbors"], alpha=alpha)


def _questioned(policy: Policy, rows: Rows) -> tuple[float, float]:
    above = (policy.score(rows.doubts) > policy.threshold).double()
    return float(above[~rows.wrong].mean()), float(above[rows.wrong].mean())


def main() -> None:
    """All draws, their means and standard errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=100)
    asked = parser.parse_args()
    x, y = features(asked.data, asked.weights)
    found: dict[str, dict[str, float]] = {}
    for alpha in (0.05, 0.1):
        draws = [draw(x, y, seed, alpha) for seed in range(asked.draws)]
        for kind in ("split", "cross"):
            for place, what in enumerate(("correct", "wrong")):
                values = [one[kind][place] for one in draws if one[kind][place] == one[kind][place]]
                found.setdefault(f"{kind} {alpha}", {}).update(
                    {what: statistics.fmean(values), f"{what}_deviation": statistics.stdev(values),
                     f"{what}_error": statistics.stdev(values) / len(values) ** 0.5}
                )  # fmt: skip
    asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
