"""The figures of `generalize` over all sets and seeds, from the files that `run` wrote, as one JSON for the docs.

python -m benchmarks.generalize.summary FOLDER OUT.json
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.generalize.sets import DESIGN, HELD_OUT

KEPT = (
    "accuracy", "plain_accuracy", "verdict_auroc", "msp_auroc", "neighbors_auroc", "verdict_augrc", "msp_augrc",
    "verdict_questioned_wrong_at_15", "msp_questioned_wrong_at_15", "verdict_questioned_wrong",
    "verdict_questioned_correct", "msp_questioned_wrong", "msp_questioned_correct", "contradicted_wrong",
    "contradicted_correct",
)  # fmt: skip
_PAIRS = (
    ("verdict_auroc", "msp_auroc"), ("verdict_augrc", "msp_augrc"), ("unknown_auroc", "msp_unknown_auroc"),
    ("noise_auroc", "msp_noise_auroc"), ("accuracy", "plain_accuracy"),
)  # fmt: skip


def row(file: Path) -> dict[str, Any]:
    """What is kept of one run; `unknown` is the mean over its sets of photographs and drawings, noise apart."""
    run = json.loads(file.read_text())
    figures = run["figures"]
    name, seed = file.stem.rsplit("-seed", 1)
    sets = sorted(key[4:-6] for key in figures if key.startswith("ood_") and key.endswith("_auroc"))
    unknown = [one for one in sets if one != "noise"]
    kept = {key: figures.get(key) for key in KEPT}
    for measure in ("auroc", "questioned"):
        for prefix in ("", "msp_", "peer_"):
            own = [figures.get(f"{prefix}ood_{one}_{measure}") for one in unknown]
            noise = figures.get(f"{prefix}ood_noise_{measure}")
            if noise is not None and None not in own:
                kept |= {f"{prefix}unknown_{measure}": statistics.fmean(own), f"{prefix}noise_{measure}": noise}
    chosen = next((note for note in run["notes"] if note.startswith("verdict:")), "")
    return {"set": name, "seed": int(seed), "seconds": run["seconds"], "rule": chosen, "figures": kept}


def main() -> None:
    """Write the summary, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    order = [*DESIGN, *HELD_OUT, "animals"]
    files = sorted(asked.folder.glob("*-seed*.json"), key=lambda file: (order.index(file.stem[:-6]), file.stem))
    rows = [row(file) for file in files]
    asked.out.write_text(json.dumps({"design": DESIGN, "held_out": HELD_OUT, "runs": rows}, indent=1) + "\n")
    for one in rows:
        print(
            f"{one['set']:13s} {one['seed']}", *(f"{one['figures'][a]:.3f}/{one['figures'][b]:.3f}" for a, b in _PAIRS)
        )


if __name__ == "__main__":
    main()
