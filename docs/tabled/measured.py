"""The measured runs in docs/measured/: read, averaged, judged by their targets, taken in."""

import json
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from antehoc.recipe import read_recipe
from antehoc.targets import Bound, met, read_target, value_of
from tabled.chosen import SAYS, VARIANTS
from tabled.markdown import number

MEASURED = Path(__file__).parent.parent / "measured"
SEEDS = (0, 1, 2)
PLACES = {  # what a recipe needs from the user's disk, on its command line
    "birds": " --data CUB --weights FILE --ood imagenet=PATH --ood cue=PATH --ood coco=PATH",
    "cue-conflict": " --data CUE --weights FILE",
}
Runs = list[dict[str, Any]]


def runs(recipe: str, scale: str) -> Runs:
    """The measured runs of a recipe at a scale, by seed."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in MEASURED.glob(f"{recipe}-{scale}-seed*.json")]
    return sorted(found, key=lambda run: int(run["seed"]))


def command(recipe: str, scale: str, seed: int) -> str:
    """What makes a measured run."""
    own = ("" if scale == "small" else f" --scale {scale}") + PLACES.get(recipe, "")
    return f"antehoc reproduce {recipe}{own} --seed {seed} --json run.json && python docs/tables.py --add run.json"


def missing(recipe: str, scale: str, seeds: Iterable[int]) -> str:
    """What stands in the place of a run that was not made yet."""
    lines = "\n".join(command(recipe, scale, seed) for seed in seeds)
    return f"Not measured yet. From the repository's folder these make it:\n\n```sh\n{lines}\n```"


def made_by(found: Runs) -> str:
    """With what the runs were made, where they say so."""
    known = [run["environment"] for run in found if run.get("environment")]
    if not known:
        return ""
    parts = {
        key: sorted({str(one[key]) for one in known if key in one})
        for key in ("torch", "python", "machine", "instructions", "threads")
    }
    words = {
        "torch": "torch {}", "python": "Python {}", "machine": "on {}", "instructions": "{} instructions",
        "threads": "{} threads",
    }  # fmt: skip
    made = ", ".join(words[key].format(" and ".join(own)) for key, own in parts.items() if own)
    return f"Made with {made}.{'' if timed(found) == found else f' Seconds: {setting(timed(found)[0])}.'}"


def setting(run: Mapping[str, Any]) -> str:
    """Which of the processor's instructions a run used, and on how many threads."""
    own = run.get("environment", {})
    return f"{own.get('instructions', 'native')} instructions, {own.get('threads', '?')} threads"


def timed(found: Runs) -> Runs:
    """The runs whose seconds count: on the most threads, and not held back to the plainest instructions."""
    threads = max((int(run.get("environment", {}).get("threads", 0)) for run in found), default=0)
    fast = [
        run
        for run in found
        if int(run.get("environment", {}).get("threads", 0)) == threads
        and run.get("environment", {}).get("instructions") != "DEFAULT"
    ]
    return fast or found


def said(name: str, found: Runs) -> str:
    """What the runs themselves say that a figure is; empty where none says it."""
    return next((run["meanings"][name] for run in found if run.get("meanings", {}).get(name)), "")


def prefixes(found: Runs) -> list[str]:
    """What the names of figures begin with: nothing for the recipe itself, then each variant."""
    names = {name for run in found for name in run["figures"]}
    variants = sorted(name.removesuffix("verdict_auroc") for name in names if re.fullmatch(r"\w+_verdict_auroc", name))
    return ["", *variants]


def named(name: str, found: Runs) -> str:
    """A figure's name, with its meaning in words."""
    prefix = max((p for p in prefixes(found) if name.startswith(p)), key=len)
    bare = name.removeprefix(prefix)
    words = SAYS.get(name) or SAYS.get(bare) or said(name, found) or said(bare, found)
    words += f": {VARIANTS[prefix]}" if words and prefix in VARIANTS and name not in SAYS else ""
    return f"`{name}`<br>{words}" if words else f"`{name}`"


def of(run: Mapping[str, Any], name: str) -> float | None:
    """A figure of a run, its seconds, or the lower end of an interval."""
    return value_of(name, run["figures"], run["intervals"], run["seconds"])


def mean(name: str, found: Runs) -> float | None:
    """Over the runs that have the figure."""
    known = timed(found) if name == "seconds" else found
    return mean_of([value for run in known if (value := of(run, name)) is not None])


def mean_of(known: Sequence[float]) -> float | None:
    """The mean, or None of nothing."""
    return statistics.fmean(known) if known else None


def mean_and_range(name: str, found: Runs) -> str:
    """Such as `0.9950 (0.9941 to 0.9957)`."""
    known = [value for run in (timed(found) if name == "seconds" else found) if (value := of(run, name)) is not None]
    if not known:
        return "-"

    def write(value: float) -> str:
        return f"{value:.0f}" if name == "seconds" else number(value, name)

    middle, low, high = (write(value) for value in (statistics.fmean(known), min(known), max(known)))
    return middle if low == high else f"{middle} ({low} to {high})"


@cache
def targets(recipe: str) -> dict[str, tuple[Bound, ...]]:
    """What the figures of a recipe's small scale are meant to reach."""
    return {name: read_target(text) for name, text in read_recipe(recipe)[0].targets.items()}


def reached(recipe: str, name: str, found: Runs) -> str:
    """What is to be reached, and where it is missed: by the mean, or else by single seeds."""
    bounds = targets(recipe).get(name, ())
    if not bounds:
        return ""
    text = " and ".join(map(written, bounds))
    if not holds(bounds, name, found):
        return f"{text} **missed**"
    undefined = sorted({run["seed"] for run in found if of(run, name) is None})
    judged = timed(found) if name == "seconds" else found
    single = sorted({run["seed"] for run in judged if of(run, name) is not None and not holds(bounds, name, [run])})
    words = [
        f"{verb} seed {', '.join(map(str, seeds))}"
        for verb, seeds in {"missed by": single, "undefined on": undefined}.items()
        if seeds
    ]
    return text + (f" ({'; '.join(words)})" if words else "")


def written(bound: Bound) -> str:
    """A bound in Markdown."""
    if bound.figure is None:
        return str(bound)
    return str(bound).replace(" * ", " x ").replace(bound.figure, f"`{bound.figure}`")


def holds(bounds: Sequence[Bound], name: str, found: Runs) -> bool:
    """Whether the mean of a figure keeps every bound; one that is undefined keeps none."""
    return met(bounds, mean(name, found), lambda other: mean(other, found)) is True


def gridded(recipe: str) -> Runs:
    """The measured comparisons of a recipe's model, with AOPC by every patch and perturbation."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(MEASURED.glob(f"compare-{recipe}-*.json"))]


def add(path: Path) -> Path:
    """Take a measured run into docs/measured/, without names and folders of the machine that made it.

    Benchmarks replace those of the same names, so that some can be measured again by themselves.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if "benchmarks" in content:
        cpu = content.get("machine_info", {}).get("cpu", {})
        kept = ("name", "params", "extra_info", "stats")
        content = {
            "machine_info": {"cpu": {key: cpu[key] for key in ("count", "arch") if key in cpu}},
            "benchmarks": [
                {key: bench[key] for key in kept if key in bench}
                | {"stats": {key: value for key, value in bench["stats"].items() if key != "data"}}
                for bench in content["benchmarks"]
            ],
        }
        target = MEASURED / "benchmarks.json"
        known = json.loads(target.read_text(encoding="utf-8"))["benchmarks"] if target.exists() else []
        measured = {bench["name"] for bench in content["benchmarks"]}
        content["benchmarks"] += [bench for bench in known if bench["name"] not in measured]
    elif "aopc_grid" in content:
        rows = [{key: row[key] for key in ("name", "kind", "valid")} for row in content["rows"]]
        content = {key: content[key] for key in ("data", "seed", "images", "notes", "aopc_grid")} | {"rows": rows}
        target = MEASURED / f"compare-{Path(content['data']).stem}-seed{content['seed']}.json"
    else:
        recipe = Path(content["recipe"]).stem
        stem = f"{recipe}-{content['scale']}-seed{content['seed']}"
        target = MEASURED / f"{stem}.json"
        if target.exists() and setting(json.loads(target.read_text(encoding="utf-8"))) != setting(content):
            own = content["environment"]
            target = MEASURED / f"{stem}-{own['instructions'].lower()}-{own['threads']}.json"
    MEASURED.mkdir(exist_ok=True)
    target.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return target
