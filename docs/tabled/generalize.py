"""The tables of `benchmarks/generalize`: one recipe on data sets that it was not made for."""

import json
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from tabled import measured
from tabled.markdown import markdown, number

_COLUMNS = {  # heading: figure, baseline
    "accuracy": ("accuracy", "plain_accuracy"),
    "AUROC, errors": ("verdict_auroc", "msp_auroc"),
    "AUGRC x 100": ("verdict_augrc", "msp_augrc"),
    "wrong questioned at .15": ("verdict_questioned_wrong_at_15", "msp_questioned_wrong_at_15"),
    "AUROC, unknown": ("unknown_auroc", "msp_unknown_auroc"),
    "AUROC, noise": ("noise_auroc", "msp_noise_auroc"),
}
_SEED = "python -m benchmarks.generalize.run --data DATA --weights FILE --out FOLDER"
_SUM = "python -m benchmarks.generalize.summary FOLDER docs/measured/generalize.json"
_STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36}  # t of 95 %, by how many means
Row = dict[str, Any]


def generalize() -> str:
    """Means over seeds of each set, beside maximum softmax; accuracy: beside the same network without attributes."""
    found = _read()
    if not found:
        return f"Not measured yet. From the repository's folder these make it:\n\n```sh\n{_SEED}\n{_SUM}\n```"
    rows = []
    for name in dict.fromkeys(run["set"] for run in found["runs"]):
        own = [run["figures"] for run in found["runs"] if run["set"] == name]
        marked = f"{name} (held out)" if name in found["held_out"] else name
        cells = [f"{_mean(own, a)} / {_mean(own, b)}" for a, b in _COLUMNS.values()]
        rows.append([marked, str(len(own)), *cells])
    return markdown(["data set", "seeds", *_COLUMNS], rows)


def gains() -> str:
    """Mean gains over data sets, a set counting once, with 95 % intervals, and how often the verdict is worse."""
    found = _read()
    if not found:
        return "Not measured yet."
    rows = []
    groups = {"designed on": found["design"], "held out": found["held_out"]}
    for words, names in {**groups, "all": [*found["design"], *found["held_out"]]}.items():
        own = [{**run["figures"], "set": run["set"]} for run in found["runs"] if run["set"] in names]
        if not own:
            continue
        rows.append(
            [
                words,
                str(len(own)),
                *(_gain(own, *_COLUMNS[column]) for column in _COLUMNS if column != "AUGRC x 100"),
                str(_count(own, lambda f: f["verdict_auroc"] < f["msp_auroc"] - 0.005)),
                str(_count(own, lambda f: f["verdict_augrc"] > 1.02 * f["msp_augrc"])),
            ]
        )
    heads = [column for column in _COLUMNS if column != "AUGRC x 100"]
    return markdown(["sets", "runs", *heads, "worse by AUROC", "worse by AUGRC"], rows)


def contradictions() -> str:
    """How often an explanation names another class than the label, among correct and among wrong decisions."""
    rows = []
    for name in dict.fromkeys(run["set"] for run in _read().get("runs", [])):
        own = [run["figures"] for run in _read()["runs"] if run["set"] == name]
        share = [
            wrong / (wrong + right) if wrong + right else 0.0
            for row in own
            for wrong, right in [
                (
                    row["contradicted_wrong"] * (1 - row["accuracy"]),
                    row["contradicted_correct"] * row["accuracy"],
                )
            ]
        ]
        cells = [_mean(own, "contradicted_correct"), _mean(own, "contradicted_wrong")]
        rows.append([name, *cells, f"{statistics.fmean(share):.2f}"])
    return markdown(["data set", "of correct", "of wrong", "share of the contradicted that is wrong"], rows)


def headline() -> list[list[str]]:
    """Rows for README.md: the verdict on the errors of all data sets, beside maximum softmax."""
    own = [run["figures"] for run in _read().get("runs", []) if run["set"] in _read()["design"] + _read()["held_out"]]
    if not own:
        return []
    rows = []
    for words, column in (
        ("AUROC of the verdict on wrong decisions", "AUROC, errors"),
        ("wrong decisions found where 15 % of the correct ones are questioned", "wrong questioned at .15"),
    ):
        cells = [f"{statistics.fmean([row[name] for row in own]):.4f}" for name in _COLUMNS[column]]
        sets = len({run["set"] for run in _read()["runs"]} & {*_read()["design"], *_read()["held_out"]})
        rows.append([f"{sets} data sets, {len(own)} runs", words, cells[0], f"{cells[1]} maximum softmax"])
    return rows


def thresholds() -> str:
    """Shares questioned by split and cross-conformal thresholds, mean over draws with its standard error."""
    found = json.loads((measured.MEASURED / "thresholds.json").read_text(encoding="utf-8"))
    rows = []
    for name, own in found.items():
        kind, alpha = name.split()
        cells = [f"{own[what]:.3f} ± {own[f'{what}_error']:.3f}" for what in ("correct", "wrong")]
        rows.append([alpha, kind, cells[0], f"{own['correct_deviation']:.3f}", cells[1]])
    head = ["alpha", "threshold", "correct questioned", "its deviation over draws", "wrong questioned"]
    return markdown(head, rows)


def _read() -> dict[str, Any]:
    path = measured.MEASURED / "generalize.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}  # type: ignore[no-any-return]


def _mean(rows: Sequence[Row], name: str) -> str:
    known = [row[name] for row in rows if row.get(name) is not None]
    scale = 100 if name.endswith("augrc") else 1
    return f"{scale * statistics.fmean(known):.3f}".removeprefix("0") if known else "-"


def _gain(rows: Sequence[Row], own: str, rival: str) -> str:
    pairs: dict[str, list[float]] = {}
    for row in rows:
        if row.get(own) is not None and row.get(rival) is not None:
            pairs.setdefault(row["set"], []).append(row[own] - row[rival])
    means = [statistics.fmean(values) for values in pairs.values()]
    middle = statistics.fmean(means)
    if len(means) < 2:
        return number(middle, "_minus_msp")
    half = _STUDENT[len(means)] * statistics.stdev(means) / len(means) ** 0.5
    return f"{number(middle, '_minus_msp')} ({middle - half:+.3f} to {middle + half:+.3f})"


def _count(rows: Sequence[Row], worse: Callable[[Row], bool]) -> int:
    return sum(worse(row) for row in rows)
