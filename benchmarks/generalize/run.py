"""Train and measure every data set of `generalize`, and print how the verdict compares with maximum softmax.

python -m benchmarks.generalize.run --data DATA --weights FILE --out FOLDER [--sets NAME ...] [--seeds 0 1 2]
"""

import argparse
import json
import logging
from pathlib import Path
from typing import Any

import yaml

from antehoc.runs.reproduce import reproduce
from benchmarks.generalize.sets import DESIGN, HELD_OUT, SIZES, write_set, write_unknown

HERE = Path(__file__).parent
FEW = 400  #: training images below which the out-of-fold scores of five folds set the threshold too


def values(name: str, folder: Path, weights: Path) -> dict[str, Any]:
    """The recipe of one data set."""
    text = (HERE / "recipe.yaml").read_text().replace("PATH", str(folder)).replace("WEIGHTS", str(weights))
    recipe: dict[str, Any] = yaml.safe_load(text)
    size, resize = SIZES.get(name, (96, 112))
    recipe["data"] |= {"size": size, "resize": resize}
    if sum(1 for _ in folder.glob("train/*/*")) < FEW:
        recipe["verdict"] |= {"threshold": "cross", "folds": 5}
    return recipe


def measure(name: str, seed: int, data: Path, weights: Path, out: Path) -> Path:
    """One run; what was measured before is kept. Returns the file with its figures."""
    file = out / f"{name}-seed{seed}.json"
    if not file.exists():
        folder = write_set(name, data, out / "sets", seed)
        recipe = out / f"{name}-seed{seed}.yaml"
        recipe.write_text(yaml.safe_dump(values(name, folder, weights), sort_keys=False))
        ood = write_unknown(name, data, out / "sets")
        result = reproduce(str(recipe), seed=seed, out=out / f"{name}-seed{seed}", ood=ood)
        file.write_text(json.dumps(result.summary(), indent=1))
    return file


def main() -> None:
    """Run the chosen sets and seeds, one after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=[*DESIGN, *HELD_OUT])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for seed in asked.seeds:
        for name in asked.sets:
            measure(name, seed, asked.data, asked.weights, asked.out)


if __name__ == "__main__":
    main()
