"""The tables of the study `failures` on the models of `benchmarks/generalize`."""

import json
import statistics
from collections import defaultdict
from typing import Any

from tabled import measured
from tabled.markdown import markdown

_KINDS = ("clean", "corrupted", "unknown", "together")
_SHOWN = 12  # scores of the table
_MADE = "python -m benchmarks.generalize.failures --data DATA --folder FOLDER --out docs/measured/failures.json"


def ranks() -> str:
    """Mean rank by AUGRC over runs and kinds of failure, and the mean AUROC of each kind; the best scores."""
    runs = _read()
    if not runs:
        return f"Not measured yet. From the repository's folder this makes it:\n\n```sh\n{_MADE}\n```"
    place: dict[str, list[float]] = defaultdict(list)
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for score, rank in run["mean_ranks"].items():
            place[score].append(rank)
        for row in run["rows"]:
            found[row["score"]][row["kind"]].append(row["auroc"])
    complete = [score for score in place if len(place[score]) == len(runs)]
    best = sorted(complete, key=lambda score: statistics.fmean(place[score]))
    rows = [
        [score, f"{statistics.fmean(place[score]):.1f}", *(_mean(found[score][kind]) for kind in _KINDS)]
        for score in best[:_SHOWN]
    ]
    return markdown(["score", f"mean rank of {len(complete)}", *(f"AUROC, {kind}" for kind in _KINDS)], rows)


def headline() -> list[list[str]]:
    """A row for README.md: the mean rank of the verdict, beside the next best score."""
    runs = _read()
    if not runs:
        return []
    place: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        for score, rank in run["mean_ranks"].items():
            place[score].append(rank)
    means = {score: statistics.fmean(own) for score, own in place.items() if len(own) == len(runs)}
    best = min((score for score in means if score != "verdict"), key=means.__getitem__)
    words = f"mean rank among {len(means)} scores for failures (AUGRC; lower is better)"
    return [[f"{len(runs)} runs", words, f"{means['verdict']:.1f}", f"{means[best]:.1f} {best}"]]


def ensemble() -> str:
    """The deep ensemble of five on its own decisions beside the verdict of one network on its own."""
    runs = [run for run in _read() if run["ensemble"]]
    if not runs:
        return "Not measured yet."
    rows = []
    for number, kind in enumerate(_KINDS):
        both = [run["ensemble"]["beside"][number] for run in runs]
        assert all(row["kind"] == kind for row in both)
        cells = [_mean([row[side]["auroc"] for row in both]) for side in ("verdict", "ensemble")]
        rows.append([kind, *cells, "; ".join(_interval(row["verdict_minus"]["auroc"]) for row in both)])
    accuracy = (_mean([run["ensemble"][name] for run in runs]) for name in ("single_accuracy", "accuracy"))
    rows.append(["accuracy", *accuracy, ""])
    return markdown(["", "verdict, one network", "ensemble of five", "difference by seed, with 95 % interval"], rows)


def at_alpha() -> str:
    """Shares questioned at the same alpha, mean over all runs; the ensemble where it was trained."""
    runs = _read()
    if not runs:
        return "Not measured yet."
    found: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for row in run["questioned"]:
            for name in ("correct", "wrong", "corrupted", "unknown"):
                if row[name] is not None:
                    found[("all runs", row["score"])][name].append(row[name])
                    if run["ensemble"]:
                        found[(f"{run['set']} alone", row["score"])][name].append(row[name])
    rows = [
        [runs_, score, *(_mean(own[name]) for name in ("correct", "wrong", "corrupted", "unknown"))]
        for (runs_, score), own in found.items()
        if not (runs_ == "all runs" and score == "ensemble")
    ]
    return markdown(["", "score", "correct", "wrong", "wrong, corrupted", "unknown"], rows)


def _read() -> list[dict[str, Any]]:
    path = measured.MEASURED / "failures.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []  # type: ignore[no-any-return]


def _mean(values: list[float]) -> str:
    return f"{statistics.fmean(values):.3f}" if values else "-"


def _interval(found: dict[str, float] | None) -> str:
    return f"{found['value']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})" if found else "-"
