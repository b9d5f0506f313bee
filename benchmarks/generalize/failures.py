"""Study `failures` on the models that `run` trained, with a deep ensemble of five where it is asked for.

python -m benchmarks.generalize.failures --data DATA --folder FOLDER --out OUT.json [--ensemble NAME ...]

The other networks of an ensemble are the classifier alone, as in the variant `plain`: attributes do not teach it.
"""

import argparse
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from antehoc.model import load
from antehoc.recipe import build_recipe, variant
from antehoc.runs.job import Job
from antehoc.runs.phases import train_system
from antehoc.runs.sources import load_source
from antehoc.runs.unknown import unknown_sets
from antehoc.studies.base import Context
from antehoc.studies.failures import run
from antehoc.systems import System
from benchmarks.generalize.sets import write_unknown

_FURTHER = 1_000  # numbers of the streams that further networks are trained with


def study(file: Path, data: Path, ensemble: bool) -> dict[str, Any]:
    """The study of one saved run; what was measured before is kept."""
    kept = file.with_suffix(".failures")
    if not kept.exists():
        name, seed = file.stem.rsplit("-seed", 1)
        values = yaml.safe_load(file.read_text())
        recipe, plain = build_recipe(values, str(file)), variant(values, "plain", str(file))[0]
        source, _ = load_source(recipe, str(file), int(seed))
        unknown = unknown_sets(recipe, source, str(file), int(seed), write_unknown(name, data, file.parent / "sets"))
        job = Job(str(file), file.parent / f"{file.stem}-further", int(seed))

        def train(number: int) -> System[Any]:
            own = replace(job, folder=job.folder / f"network-{number}")
            return train_system(plain, source, source.roles, own, fold=_FURTHER + number)[0]

        model = load(file.parent / file.stem / "main" / "model")
        found = run(
            model, source, seed=int(seed), context=Context(unknown, train), images=100, ensemble=5 if ensemble else 0
        )
        kept.write_text(json.dumps({"set": name, "seed": int(seed), **found.to_plain()}) + "\n")
    return json.loads(kept.read_text())  # type: ignore[no-any-return]


def kept(found: dict[str, Any]) -> dict[str, Any]:
    """What the docs show of a study."""
    rows = [
        {"score": row["score"], "kind": row["kind"], **{name: row["values"][name] for name in ("augrc", "auroc")}}
        for row in found["rows"]
    ]
    rest = ("set", "seed", "counts", "mean_ranks", "questioned", "ensemble")
    return {name: found[name] for name in rest} | {"rows": rows}


def main() -> None:
    """Every run of the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ensemble", nargs="*", default=["animals"])
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    found = []
    for file in sorted(asked.folder.glob("*-seed*.yaml")):
        if (asked.folder / file.stem / "main" / "model").exists():
            found.append(study(file, asked.data, file.stem.rsplit("-seed", 1)[0] in asked.ensemble))
    asked.out.write_text(json.dumps([kept(one) for one in found]) + "\n")


if __name__ == "__main__":
    main()
