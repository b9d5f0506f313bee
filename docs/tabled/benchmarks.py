"""The tables of benchmarks."""

import json
import re
from collections.abc import Mapping
from typing import Any

from antehoc.posthoc import METHODS
from antehoc.targets import read_target
from tabled import measured
from tabled.markdown import markdown

COSTS: dict[str, str] = {
    "whole-resnet18-light": "<= 1.20",
    "whole-resnet18-full": "<= 2.1",
    "test_epoch_over_bare_loop": "<= 1.20",
}
EXPLANATIONS = "quantus|several_maps|road|" + "|".join(rf"\[{re.escape(name)}\]" for name in METHODS)  # in names


def benchmarks(*, explanations: bool = False) -> str:
    """Every benchmark but those of explanations, or these: median, fastest, and what it says beside."""
    path = measured.MEASURED / "benchmarks.json"
    if not path.exists():
        lines = "make bench\npython docs/tables.py --add benchmarks.json"
        return f"Not measured yet. From the repository's folder these make it:\n\n```sh\n{lines}\n```"
    content = json.loads(path.read_text(encoding="utf-8"))
    rows = [
        [f"`{bench['name']}`", *(seconds(bench["stats"][key]) for key in ("median", "min")), *beside(bench)]
        for bench in sorted(content["benchmarks"], key=lambda bench: str(bench["name"]))
        if explanations == bool(re.search(EXPLANATIONS, bench["name"]))
    ]
    cpu = content.get("machine_info", {}).get("cpu", {})
    about = f"On {cpu['count']} cores ({cpu.get('arch', 'unknown')})." if cpu.get("count") else ""
    return "\n".join([markdown(["benchmark", "median", "fastest", "beside", "to reach"], rows), "", about]).rstrip()


def beside(bench: Mapping[str, Any]) -> tuple[str, str]:
    """A benchmark's further figures, and what is to be reached."""
    extra = bench.get("extra_info", {})
    words = [said(key, value) for key, value in extra.items() if not isinstance(value, dict)]
    words += [
        f"{key} {plain(value)}" if name == "options" else f"{key} {plain(value)} s"
        for name, own in extra.items()
        if isinstance(own, dict)
        for key, value in own.items()
    ]
    case = re.sub(r".*\[(.*)\]", r"\1", str(bench["name"]))
    if case not in COSTS:
        return ", ".join(words), ""
    (bound,) = read_target(COSTS[case])
    met = bound.holds(extra.get("ratio_to_bare"), {}.get)
    return ", ".join(words), f"ratio {bound.sign} {bound.plus:.2f}{'' if met else ' **missed**'}"


def said(key: str, value: object) -> str:
    """A figure beside a benchmark; a ratio is that of two medians which the row shows."""
    if key.endswith("_seconds") and isinstance(value, float):
        return f"{key.removesuffix('_seconds')} {seconds(value)}"
    return f"{key.replace('_', ' ')} {plain(value)}"


def plain(value: object) -> str:
    """A number without superfluous digits."""
    return (
        f"{value:,.0f}"
        if isinstance(value, float) and value >= 100
        else f"{value:.3g}"
        if isinstance(value, float)
        else f"{value}"
    )


def seconds(value: float) -> str:
    """A duration in a unit that suits it."""
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.2f} ms" if value >= 1e-3 else f"{value * 1e6:.0f} µs"


def recalibrated() -> str:
    """What `recalibrate` does to `shapes` on images with hard edges, a row for each seed."""
    path = measured.MEASURED / "benchmarks.json"
    known = json.loads(path.read_text(encoding="utf-8"))["benchmarks"] if path.exists() else []
    found = {bench["name"]: bench["extra_info"] for bench in known if "test_recalibrate_shapes" in bench["name"]}
    if not found:
        return "Not measured yet."
    rows = [
        [
            re.sub(r".*\[(.*)\]", r"\1", name),
            *(f"{own[key]:.3f}" for key in ("accuracy", "questioned_correct_before")),
            f"{own['questioned_correct']:.4f} ± {own['standard_error']:.4f}",
            f"{own['questioned_correct_over_draws']:.4f}",
            "yes" if own["questioned_correct"] <= own["alpha"] + 2 * own["standard_error"] else "**no**",
            f"{own['questioned_wrong_before']:.2f}, {own['questioned_wrong']:.2f}",
            f"`{own['differs_most']}`, {own['statistic']:.2f}",
        ]
        for name, own in sorted(found.items())
    ]
    head = [
        "seed", "accuracy", "correct questioned before", "after, with its standard error", "after, mean over 200 draws",
        "at most alpha + 2 standard errors", "wrong questioned before, after", "differs most, statistic",
    ]  # fmt: skip
    return markdown(head, rows)
