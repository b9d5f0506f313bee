"""The tables of README.md and docs/: rewritten from measured runs and from the code, never by hand.

`python docs/tables.py` rewrites what stands between `<!-- table: NAME -->` and `<!-- end -->`; `--check` writes nothing
and exits with 1 where a file is out of date; `--add FILE...` takes what `antehoc reproduce --json` or
`pytest benchmarks -n 0 --benchmark-json` wrote into docs/measured/, without what it says of the machine's name and
folders.
"""

import argparse
import dataclasses
import inspect
import json
import re
import statistics
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import yaml

from antehoc import cli
from antehoc.comparison import RANKED
from antehoc.data import DATASETS
from antehoc.metrics import OF_DECISIONS, OF_MAPS, Measure, of_groups
from antehoc.posthoc import METHODS
from antehoc.recipe import Recipe, Unknown, Verdicts
from antehoc.report.meanings import meaning, number
from antehoc.systems import SYSTEMS
from antehoc.training.phases import Phase

HERE = Path(__file__).parent
MEASURED = HERE / "measured"
BLOCK = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
SEEDS = (0, 1, 2)


class Line(NamedTuple):
    """A bound that hangs on another figure: so many times that figure, and so much more."""

    figure: str
    times: float = 1.0
    plus: float = 0.0

    def __str__(self) -> str:
        times = f"{self.times:g} x `{self.figure}`" if self.times != 1 else f"`{self.figure}`"
        return f"{times} {'+' if self.plus > 0 else '-'} {abs(self.plus):g}" if self.plus else times


Rule = tuple[Literal[">=", "<="], float | str | Line]  # a number, or the figure to be compared with
TARGETS: dict[str, dict[str, tuple[Rule, ...]]] = {  # what the recipes' small scale is meant to reach
    "shapes": {
        "accuracy": ((">=", 0.995),),
        "attribute_accuracy": ((">=", 0.9985),),
        "attribute_exact": ((">=", 0.994),),
        "verdict_questioned_wrong": ((">=", 0.85),),
        "verdict_questioned_correct": (("<=", 0.0125),),
        "verdict_auroc": ((">=", "msp_auroc"),),
        "ood_noise_questioned": ((">=", 0.99),),
        "ood_shapes_auroc": ((">=", 0.85), (">=", "msp_ood_shapes_auroc")),
        "seconds": (("<=", 180),),
    },
    "shapes-free": {
        "default_accuracy": ((">=", 0.99),),
        "default_verdict_auroc": ((">=", "default_msp_auroc"),),
        "default_ood_shapes_auroc": ((">=", "default_msp_ood_shapes_auroc"),),
        "default_ood_noise_questioned": ((">=", 0.99),),
        "seconds": (("<=", 600),),
    },
    "birds": {
        "accuracy": ((">=", 0.80),),
        "attribute_map": ((">=", 0.82),),
        "attribute_accuracy": ((">=", "all_zeros_accuracy"), (">=", "majority_accuracy")),
        "verdict_questioned_wrong_at_1506": ((">=", 0.72), (">=", Line("msp_questioned_wrong_at_1506", plus=0.06))),
        "verdict_auroc": ((">=", Line("msp_auroc", plus=0.02)),),
        "verdict_auroc_minus_msp_low": ((">=", 0.0),),
        "verdict_aurc": (("<=", Line("msp_aurc", times=0.9)),),
        "ood_near_auroc": ((">=", "msp_ood_near_auroc"), (">=", "peer_ood_near_auroc")),
        "ood_far_auroc": ((">=", "msp_ood_far_auroc"), (">=", "peer_ood_far_auroc")),
        "verdict_questioned_correct_over_draws": (
            ("<=", Line("verdict_questioned_correct_over_draws_standard_error", times=2, plus=0.05)),
        ),
        "seconds": (("<=", 1800),),
    },
    "triangles": {
        "accuracy": ((">=", Line("plain_accuracy", plus=-0.005)),),
        "pointing": ((">=", 0.90),),
        "energy": ((">=", 0.5),),
        "iou": ((">=", 0.4),),
        "compared_pointing": ((">=", "posthoc_pointing"),),
        "compared_energy": ((">=", "posthoc_energy"),),
        "compared_iou": ((">=", "posthoc_iou"),),
        "compared_pompom": (("<=", "posthoc_pompom"),),
        "hybrid_pointing": ((">=", "pointing"),),
        "hybrid_energy": ((">=", "energy"),),
        "hybrid_iou": ((">=", 0.6), (">=", "iou")),
        "hybrid_pompom": (("<=", "pompom"),),
        "aopc_coarse_blur": ((">=", "posthoc_aopc_coarse_blur"),),
        "aopc_fine_gray": ((">=", "posthoc_aopc_fine_gray"),),
        "verdict_auroc": ((">=", "msp_auroc"),),
        "verdict_aurc": (("<=", "msp_aurc"),),
        "ood_noise_auroc": ((">=", "msp_ood_noise_auroc"),),
        "ood_shapes_auroc": ((">=", "msp_ood_shapes_auroc"),),
        "cost_ratio_light": (("<=", 1.3),),
        "seconds": (("<=", 1200),),
    },
    "cue-conflict": {},
}
COSTS: dict[str, tuple[Literal[">=", "<="], float]] = {
    "whole-resnet18-light": ("<=", 1.20),
    "whole-resnet18-full": ("<=", 2.1),
}

CORE = (  # the figures of a table, in the order of reading
    "accuracy", "attribute_accuracy", "attribute_exact", "argmax_agreement",
    "support_questioned_wrong", "support_questioned_correct",
    "verdict_questioned_wrong", "msp_questioned_wrong", "verdict_questioned_correct", "msp_questioned_correct",
    "verdict_auroc", "msp_auroc", "verdict_auroc_minus_msp",
    "ood_noise_questioned", "msp_ood_noise_questioned", "ood_noise_support_questioned",
    "ood_shapes_auroc", "msp_ood_shapes_auroc", "twins_across_roles",
)  # fmt: skip
BIRDS = (  # those of birds, of which README shows the first ones
    "accuracy", "attribute_map", "attribute_accuracy", "all_zeros_accuracy", "majority_accuracy",
    "verdict_questioned_wrong_at_1506", "msp_questioned_wrong_at_1506",
    "verdict_auroc", "msp_auroc", "verdict_auroc_minus_msp_low", "verdict_aurc", "msp_aurc",
    "ood_near_auroc", "msp_ood_near_auroc", "peer_ood_near_auroc",
    "ood_far_auroc", "msp_ood_far_auroc", "peer_ood_far_auroc",
    "verdict_questioned_correct_over_draws", "seconds",
)  # fmt: skip
MORE_OF_BIRDS = (
    "attribute_balanced_accuracy", "attribute_f1", "attribute_group_accuracy", "class_repeat_map",
    "topn_questioned_wrong", "topn_questioned_correct",
    "topn_centred_questioned_wrong", "topn_centred_questioned_correct",
    "verdict_questioned_wrong", "msp_questioned_wrong", "verdict_questioned_correct", "msp_questioned_correct",
    "verdict_questioned_correct_over_draws_standard_error", "near_accuracy", "twins_across_roles",
)  # fmt: skip
_PLACED = ("pointing", "energy", "iou", "pompom")
_AOPC = ("aopc_coarse_blur", "aopc_fine_gray")
_STRANGE = ("noise", "pentagon", "hexagon", "star", "ellipse", "shapes")
COMPARED = "compared_"  # the own mask on the images on which post-hoc methods are measured
TRIANGLES = (
    "accuracy", "plain_accuracy", "object_share", "mask_area",
    *(f"{own}{name}" for own in ("", COMPARED, "posthoc_", "hybrid_", "cue_", "paper_", "paper_awake_")
      for name in _PLACED),
    *(f"{prefix}{name}_band" for prefix in ("", "paper_", "paper_awake_") for name in ("pointing", "energy")),
    "band_share",
    *(f"{prefix}{name}" for name in _AOPC for prefix in ("", "posthoc_")),
    *(f"{name}mask_area" for name in ("lambda_none_", "lambda_mean_1e_6_", "lambda_mean_1e_4_", "lambda_sum_1e_6_",
                                       "lambda_sum_1e_4_", "lambda_sum_1e_4_as_224_")),
    "verdict_auroc", "msp_auroc", "verdict_aurc", "msp_aurc",
    *(f"{prefix}ood_{kind}_auroc" for kind in _STRANGE for prefix in ("", "msp_")),
    "cost_ratio_paper", "cost_ratio_half", "cost_ratio_light", "seconds",
)  # fmt: skip
TRIANGLES_FIRST = (  # those that README shows
    "accuracy", "plain_accuracy", "object_share",
    *(f"{prefix}{name}" for name in _PLACED for prefix in ("", "hybrid_", "paper_", COMPARED, "posthoc_")),
    *(f"{prefix}{name}" for name in _AOPC for prefix in ("", "posthoc_")), "seconds",
)  # fmt: skip
CUE_CONFLICT = (
    "accuracy", "plain_accuracy", "shape_bias", "plain_shape_bias", "pretrained_shape_bias",
    "pretrained_shape_bias_all", "mask_area", "verdict_auroc", "msp_auroc", "seconds",
)  # fmt: skip
FIGURES = {
    "birds": (*BIRDS[:-1], *MORE_OF_BIRDS, "seconds"), "triangles": TRIANGLES, "cue-conflict": CUE_CONFLICT,
}  # fmt: skip
SAYS = {  # what the report does not say of a figure
    "seconds": "everything included",
    "object_share": "of the image that the object covers: what a mask of ones has as its energy",
    "band_share": "of the image that a band of 3 pixels around the outline covers",
    "pointing_band": "maps whose highest value lies on that band",
    "energy_band": "share of the map that lies on that band",
    "verdict_auroc_minus_msp_low": "the verdict less maximum softmax: lower end of the 95 % interval",
}
VARIANTS = {  # what a figure of a variant is about
    "plain_": "the classifier without explainer",
    COMPARED: "on the images on which post-hoc methods are measured",
    "hybrid_": "trained with object masks",
    "cue_": "the triangle is red",
    "paper_": "the paper's loss and settings",
    "paper_awake_": "the paper's loss, with batch norm in the explainer and a start that is not saturated",
    "lambda_none_": "no budget",
    "lambda_mean_1e_6_": "budget on the mean, lambda 1e-6",
    "lambda_mean_1e_4_": "budget on the mean, lambda 1e-4",
    "lambda_sum_1e_6_": "budget on the sum, lambda 1e-6",
    "lambda_sum_1e_4_": "budget on the sum, lambda 1e-4",
    "lambda_sum_1e_4_as_224_": "budget on the sum, lambda 1e-4 with the weight that it has on 224 pixels",
}
PUBLISHED_AOPC = {  # read off a plot (+-0.005), by patch in pixels of 224: hybrid, unsupervised, best other
    "black": {4: (0.130, 0.098, 0.040), 8: (0.217, 0.185, 0.150), 16: (0.320, 0.308, 0.315), 32: (0.342, 0.345, 0.345)},
    "blur": {4: (0.135, 0.122, 0.045), 8: (0.208, 0.210, 0.098), 16: (0.303, 0.310, 0.210), 32: (0.340, 0.350, 0.217)},
    "gray": {4: (0.126, 0.110, -0.007), 8: (0.203, 0.199, 0.033), 16: (0.325, 0.330, 0.040),
             32: (0.365, 0.370, -0.01)},
    "uniform": {4: (0.127, 0.117, 0.017), 8: (0.171, 0.185, 0.020), 16: (0.285, 0.326, 0.152),
                32: (0.350, 0.397, 0.295)},
    "white": {4: (0.129, 0.111, 0.011), 8: (0.201, 0.198, 0.072), 16: (0.312, 0.318, 0.145),
              32: (0.345, 0.352, 0.095)},
}  # fmt: skip
GRIDDED = """```sh
antehoc compare FOLDER/main/model --methods saliency,grad-cam,occlusion --count 50 --aopc-grid --json grid.json
python docs/tables.py --add grid.json
```"""
EXPLANATIONS = "quantus|several_maps|" + "|".join(rf"\[{re.escape(name)}\]" for name in METHODS)  # in names
PLACES = {  # what a recipe needs from the user's disk, on its command line
    "birds": " --data CUB --weights FILE --ood imagenet=PATH --ood cue=PATH --ood coco=PATH",
    "cue-conflict": " --data CUE --weights FILE",
}
TRAINED = {"small": "one step, the mirror does not teach", "two-step": "two steps", "joint": "one step, it teaches"}
CLASSIFIERS = {"small": "small convolutional", "small-vgg": "VGG-like", "small-resnet18": "ResNet-18"}
EXPLAINERS = {"small": "the recipe's light explainer", "small-full": "one of full size"}
VERDICTS = (
    "verdict_auroc", "msp_auroc", "ood_noise_auroc", "msp_ood_noise_auroc", "ood_shapes_auroc", "msp_ood_shapes_auroc",
)  # fmt: skip
OF_CLASSIFIERS = (
    "accuracy", "plain_accuracy", "mask_area", *(f"{own}{name}" for name in _PLACED for own in ("", "hybrid_")),
    *VERDICTS,
)  # fmt: skip
OF_EXPLAINERS = ("accuracy", "mask_area", *_PLACED, *VERDICTS)
UNKNOWN = ("noise", "pentagon", "hexagon", "star", "ellipse", "parallelogram", "mnist", "fashion-mnist")
UNKNOWN_BIRDS = {
    "near_": ("left_out",),
    "": ("imagenet", "cue", "coco", "noise", "blurred", "dark", "cropped", "rotated"),
}
FAULTS: dict[str, tuple[str, ...]] = {  # blocks of docs/results.md: the effect of each fault, paper scale
    "fault-noise": ("ood_noise_support_questioned", "ood_noise_support_questioned_paired", "ood_noise_questioned"),
    "fault-argmax": ("argmax_agreement", "attribute_accuracy", "attribute_exact", "all_zeros_accuracy"),
    "fault-pair": ("accuracy", "support_questioned_wrong", "support_questioned_correct"),
    "fault-twins": ("twins_across_roles", "accuracy"),
    "fault-support": ("support_questioned_wrong", "verdict_questioned_wrong", "msp_questioned_wrong"),
}

KEYS = {  # what the docstrings do not say of a key
    "data": "the data set's `name` and what it takes; see below",
    "system": "the system's `name` and what it takes; see below",
    "phases": "the stages of training, one after the other; see below",
    "verdict": "how decisions are questioned; see below",
    "unknown": "images of no known class that a run is tried on; see below",
    "seed": "of data, weights, order of images and split; `--seed` goes before it",
    "kinds": "`noise`, or a strange shape: `pentagon`, `hexagon`, `star`, `ellipse`, `parallelogram`",
    "count": "images of each kind",
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


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells may hold any text; the first column to the left, those of numbers to the right."""
    right = [cell in _NUMERIC for cell in head]
    lines = [list(head), ["---:" if at_right else "---" for at_right in right], *map(list, rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


_NUMERIC = {
    "published",
    "measured",
    "as coded",
    "to reach",
    "median",
    "fastest",
    "verdict",
    "maximum softmax",
    "seconds",
}


def small(recipe: str, only: Sequence[str] = (), seeds: Sequence[int] = SEEDS) -> str:
    """The table of a recipe's small scale: published, mean and range over seeds, what is to be reached."""
    found = runs(recipe, "small")
    if not found:
        return missing(recipe, "small", seeds)
    names = only or FIGURES.get(recipe) or [*(prefix + name for prefix in prefixes(found) for name in CORE), "seconds"]
    names = [name for name in names if name in TARGETS[recipe] or any(name in run["figures"] for run in found)]
    published = found[0]["published"]
    head = ["figure", *(["published"] if published else []), "mean (range)", "to reach"]
    rows = []
    for name in names:
        cells = [number(published.get(name)) if name in published else ""] if published else []
        rows.append([named(name, found), *cells, mean_and_range(name, found), reached(recipe, name, found)])
    measured = ", ".join(str(run["seed"]) for run in found)
    lines = [
        markdown(head, rows),
        "",
        f"Mean and range over seed{'s' if len(found) > 1 else ''} {measured}. {made_by(found)}",
    ]
    if absent := [seed for seed in seeds if seed not in {run["seed"] for run in found}]:
        lines += ["", missing(recipe, "small", absent)]
    return "\n".join(lines)


def paper(recipe: str) -> str:
    """The table of a recipe's paper scale: published, measured, and measured with the originals' faults."""
    found = runs(recipe, "paper")
    if not found:
        return missing(recipe, "paper", (0,))
    run = found[0]
    coded = "as_coded_" in prefixes(found)
    head = ["figure", "published", "measured", *(["as coded"] if coded else [])]
    names = [name for name in FIGURES.get(recipe, CORE) if name in run["figures"] or name in run["published"]]
    rows = [
        [named(name, found), *values(run, name, coded=coded)]
        for name in [*names, "ood_noise_support_questioned_paired"]
    ]
    about = f"Seed {run['seed']}. {made_by([run])}".rstrip()
    return "\n".join(
        [markdown(head, [row for row in rows if any(cell not in ("", "-") for cell in row[1:])]), "", about]
    )


def values(run: Mapping[str, Any], name: str, *, coded: bool) -> list[str]:
    """Published, measured and, where there is one, as coded."""
    figures = run["figures"]
    cells = [number(run["published"][name]) if name in run["published"] else "", number(figures.get(name), name)]
    return [*cells, *([number(figures.get(f"as_coded_{name}"), name)] if coded else [])]


def fault(name: str) -> str:
    """A fault's effect, as far as it was measured."""
    found = runs("shapes", "paper")
    if not found:
        return missing("shapes", "paper", (0,))
    run = found[0]
    coded = "as_coded_" in prefixes(found)
    head = ["figure", "published", "measured", *(["as coded"] if coded else [])]
    own = [figure for figure in FAULTS[name] if figure in run["figures"]]
    return markdown(head, [[named(figure, found), *values(run, figure, coded=coded)] for figure in own])


def unknown(recipe: str, prefix: str) -> str:
    """Each set of unknown images beside maximum softmax, mean over the seeds of the small scale."""
    found = runs(recipe, "small")
    if not found:
        return missing(recipe, "small", SEEDS)
    rows = []
    for kind in UNKNOWN:
        if any(f"{prefix}ood_{kind}_auroc" in run["figures"] for run in found):
            cells = [
                mean_and_range(f"{prefix}{own}ood_{kind}_{what}", found)
                for what in ("questioned", "auroc")
                for own in ("", "msp_")
            ]
            rows.append([kind, *cells])
    head = ["unknown images", "questioned", "by maximum softmax", "AUROC against test images", "of maximum softmax"]
    return markdown(head, rows)


def unknown_birds() -> str:
    """Each set of unknown images: the verdict beside maximum softmax and the best other detector, by seed means."""
    found = runs("birds", "small")
    if not found:
        return missing("birds", "small", SEEDS)
    rows = []
    for prefix, sets in UNKNOWN_BIRDS.items():
        for name in sets:
            if any(f"{prefix}ood_{name}_auroc" in run["figures"] for run in found):
                figures = (f"{prefix}{own}ood_{name}_auroc" for own in ("", "msp_", "peer_"))
                questioned = mean_and_range(f"{prefix}ood_{name}_questioned", found)
                best = " and ".join(sorted({best_peer(run, prefix, name) for run in found} - {""}))
                rows.append([name.replace("_", " "), questioned, *(mean_and_range(f, found) for f in figures), best])
    head = [
        "unknown images",
        "questioned",
        "AUROC against test images",
        "of maximum softmax",
        "of the best peer",
        "which",
    ]
    return markdown(head, rows)


def side_by_side(recipe: str, scales: Mapping[str, str], names: Sequence[str]) -> str:
    """Scales of a recipe, one to a column, on the seeds that all have; one not measured yet has its command below."""
    found = {scale: runs(recipe, scale) for scale in scales}
    shared = set.intersection(*({run["seed"] for run in own} for own in found.values() if own), set(SEEDS))
    found = {scale: [run for run in own if run["seed"] in shared] for scale, own in found.items()}
    head = ["figure", *(f"{words} (seed{'s' * (len(found[scale]) > 1)} "
                        f"{', '.join(str(run['seed']) for run in found[scale])})"
                        for scale, words in scales.items() if found[scale])]  # fmt: skip
    known = [own for own in found.values() if own]
    rows = [[named(name, known[0]), *(mean_and_range(name, own) for own in known)] for name in names] if known else []
    absent = [missing(recipe, scale, (0,)) for scale, own in found.items() if not own]
    return "\n\n".join(([markdown(head, rows)] if rows else []) + absent)


def aopc() -> str:
    """The published AOPC beside ours, which is about another task; ours by the same patches and perturbations."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(MEASURED.glob("compare-triangles-*.json"))]
    head = ["replaced by", "patch, of the side", "published: hybrid", "published: unsupervised",
            "published: best other", "triangles: own mask", "triangles: best post-hoc", "which"]  # fmt: skip
    rows = [
        [
            kind,
            f"1/{224 // patch}",
            *(f"{value:.3f}" for value in published),
            *our_aopc(f"{kind} 1/{224 // patch}", found),
        ]
        for kind, own in PUBLISHED_AOPC.items()
        for patch, published in own.items()
    ]
    if not found:
        return markdown(head, rows) + "\n\n" + missing("triangles", "small", SEEDS) + f"\n\nand then\n\n{GRIDDED}"
    ours = "; ".join(
        f"{run['images']} test scenes of seed {run['seed']}"
        + "".join(f" ({note})" for note in run["notes"] if note.startswith("all rows"))
        for run in found
    )
    return markdown(head, rows) + f"\n\nOurs: {ours}. Made after the run itself by\n\n{GRIDDED}"


def our_aopc(kind: str, found: Runs) -> list[str]:
    """Own mask, best post-hoc method of which half of the maps are valid, and its name; empty where not measured."""
    own, best, names = [], [], []
    for run in found:
        methods = [row["name"] for row in run["rows"] if row["kind"] == "post hoc" and row["valid"] >= RANKED]
        values = run["aopc_grid"][kind]
        own.append(values["own mask"])
        best.append(max(values[name] for name in methods))
        names.append(max(methods, key=values.__getitem__))
    return [
        "" if not own else number(mean_of(own)),
        "" if not best else number(mean_of(best)),
        ", ".join(dict.fromkeys(names)),
    ]


def compared() -> str:
    """Every explanation of the classifier of triangles on one table: means over the seeds."""
    found = runs("triangles", "small")
    if not found:
        return missing("triangles", "small", SEEDS)
    tables = [run["studies"][run["recipe"]]["compare"]["table"] for run in found]
    measures = tables[0]["measures"]
    rows: dict[str, Runs] = {}
    for row in (row for table in tables for row in table["rows"]):
        rows.setdefault(row["name"], []).append(row)

    def means(own: Runs) -> list[str]:
        values = [[row["values"][name]["estimate"] for row in own if row["values"][name]] for name in measures]
        values += [[row[name] for row in own if row[name] is not None] for name in ("valid", "forward")]
        return [number(mean_of(known)) for known in values]

    head = [f"{name.replace('_', ' ')} ({measure['direction']})" for name, measure in measures.items()]
    return markdown(
        ["explanation", "kind", *head, "valid", "forward passes"],
        [[name, own[0]["kind"], *means(own)] for name, own in rows.items()],
    )


def biases() -> str:
    """How often each classifier goes by shape on cue conflicts, with the interval that so few images leave."""
    found = runs("cue-conflict", "small")
    if not found:
        return missing("cue-conflict", "small", SEEDS)
    rows = [
        [f"`{figure}`" if name == run["recipe"] else f"`{name}_{figure}`", f"{run['seed']}", f"{row['images']}",
         f"{row['decided']}", number(row["shape_bias"]), " to ".join(number(end) for end in row["interval"] or ()),
         number(row["accuracy_shape"]), number(row["accuracy_texture"])]
        for run in found
        for name, study in run["studies"].items()
        for part in study.values()
        for figure, row in part.get("rows", {}).items()
        if run is found[0] or not figure.endswith("_all")  # which no seed changes
    ]  # fmt: skip
    rows.sort(key=lambda row: row[0])
    head = ["figure", "seed", "stimuli", "decided by shape or texture", "of these by shape", "95 % interval",
            "of all by shape", "of all by texture"]  # fmt: skip
    return markdown(head, rows)


def mean_of(known: Sequence[float]) -> float | None:
    """The mean, or None of nothing."""
    return statistics.fmean(known) if known else None


def best_peer(run: Mapping[str, Any], prefix: str, name: str) -> str:
    """The detector of pytorch-ood with the highest AUROC on a set."""
    table = run.get("peers", {}).get(prefix.removesuffix("_") or run["recipe"], {})
    return max(table, key=lambda detector: table[detector].get(name, 0.0), default="")


def studied(recipe: str) -> str:
    """What the studies of the finished models found, as far as it is one number."""
    found = runs(recipe, "small")
    if not found:
        return missing(recipe, "small", SEEDS)
    flat = [
        run | {"figures": {
            f"{study}, {name.replace('_', ' ')}": value
            for study, content in run.get("studies", {}).get(recipe, {}).items()
            for name, value in content.items()
            if isinstance(value, float)
        }}
        for run in found
    ]  # fmt: skip
    names = dict.fromkeys(name for run in flat for name in run["figures"])
    return markdown(["study", "mean (range)"], [[name, mean_and_range(name, flat)] for name in names])


def named(name: str, found: Runs) -> str:
    """A figure's name, with its meaning in words."""
    prefix = max((p for p in (*prefixes(found), COMPARED) if name.startswith(p)), key=len)
    bare = name.removeprefix(prefix)
    words = SAYS.get(name) or SAYS.get(bare) or meaning(bare)
    words += f": {VARIANTS[prefix]}" if words and prefix in VARIANTS and name not in SAYS else ""
    return f"`{name}`<br>{words}" if words else f"`{name}`"


def prefixes(found: Runs) -> list[str]:
    """What the names of figures begin with: nothing for the recipe itself, then each variant."""
    names = {name for run in found for name in run["figures"]}
    variants = sorted(name.removesuffix("verdict_auroc") for name in names if re.fullmatch(r"\w+_verdict_auroc", name))
    return ["", *variants]


def of(run: Mapping[str, Any], name: str) -> float | None:
    """A figure of a run; the seconds are one too, the lower end of an interval, and what a comparison found."""
    if name.startswith(COMPARED):
        own: dict[str, float | None] = run["studies"].get(run["recipe"], {}).get("compare", {}).get("own", {})
        return own.get(name.removeprefix(COMPARED))
    low = run["intervals"].get(name.removesuffix("_low"), [None])[0] if name.endswith("_low") else None
    value = run["seconds"] if name == "seconds" else run["figures"].get(name, low)
    return None if value is None else float(value)


def mean(name: str, found: Runs) -> float | None:
    """Over the runs that have the figure."""
    return mean_of([value for run in found if (value := of(run, name)) is not None])


def mean_and_range(name: str, found: Runs) -> str:
    """Such as `0.9950 (0.9941 to 0.9957)`."""
    known = [value for run in found if (value := of(run, name)) is not None]
    if not known:
        return "-"

    def write(value: float) -> str:
        return f"{value:.0f}" if name == "seconds" else number(value, name)

    middle, low, high = (write(value) for value in (statistics.fmean(known), min(known), max(known)))
    return middle if low == high else f"{middle} ({low} to {high})"


def reached(recipe: str, name: str, found: Runs) -> str:
    """What is to be reached, and where it is missed: by the mean, or else by single seeds."""
    rules = TARGETS.get(recipe, {}).get(name, ())
    text = " and ".join(
        f"{sign} {f'{bound:g}' if isinstance(bound, float | int) else line(bound)}" for sign, bound in rules
    )
    if not rules:
        return ""
    if not all(holds(rule, mean(name, found), found) for rule in rules):
        return f"{text} **missed**"
    single = [run["seed"] for run in found if not all(holds(rule, of(run, name), [run]) for rule in rules)]
    undefined = [run["seed"] for run in found if of(run, name) is None]
    said = {"missed by": [seed for seed in single if seed not in undefined], "undefined on": undefined}
    words = [f"{verb} seed {', '.join(map(str, seeds))}" for verb, seeds in said.items() if seeds]
    return text + (f" ({'; '.join(words)})" if words else "")


def holds(rule: Rule, value: float | None, found: Runs) -> bool:
    """Whether a value keeps a rule; a null keeps none."""
    sign, bound = rule
    if isinstance(bound, float | int):
        limit: float = bound
    else:
        other = mean(line(bound).figure, found)
        if other is None:
            return False
        limit = line(bound).times * other + line(bound).plus
    if value is None:
        return False
    return value >= limit if sign == ">=" else value <= limit


def line(bound: str | Line) -> Line:
    """A bound by another figure; its mere name stands for that figure itself."""
    return Line(bound) if isinstance(bound, str) else bound


def missing(recipe: str, scale: str, seeds: Iterable[int]) -> str:
    """What stands in the place of a run that nobody made yet."""
    lines = "\n".join(command(recipe, scale, seed) for seed in seeds)
    return f"Not measured yet. From the repository's folder these make it:\n\n```sh\n{lines}\n```"


def made_by(found: Runs) -> str:
    """With what the runs were made, where they say so."""
    known = [run["environment"] for run in found if run.get("environment")]
    if not known:
        return ""
    parts = {
        key: sorted({str(one[key]) for one in known if key in one}) for key in ("torch", "python", "machine", "threads")
    }
    words = {"torch": "torch {}", "python": "Python {}", "machine": "on {}", "threads": "{} threads"}
    return "Made with " + ", ".join(words[key].format(" and ".join(own)) for key, own in parts.items() if own) + "."


def benchmarks(*, explanations: bool = False) -> str:
    """Every benchmark but those of explanations, or these: median, fastest, and what it says beside."""
    path = MEASURED / "benchmarks.json"
    if not path.exists():
        lines = (
            "pytest benchmarks -n 0 --benchmark-only --benchmark-json run.json\npython docs/tables.py --add run.json"
        )
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
    words = [f"{key.replace('_', ' ')} {plain(value)}" for key, value in extra.items() if not isinstance(value, dict)]
    words += [
        f"{key} {plain(value)}" if name == "options" else f"{key} {plain(value)} s"
        for name, own in extra.items()
        if isinstance(own, dict)
        for key, value in own.items()
    ]
    case = re.sub(r".*\[(.*)\]", r"\1", str(bench["name"]))
    rule = COSTS.get(case)
    if rule is None:
        return ", ".join(words), ""
    met = holds(rule, extra.get("ratio_to_bare"), [])
    return ", ".join(words), f"ratio {rule[0]} {float(rule[1]):.2f}{'' if met else ' **missed**'}"


def plain(value: object) -> str:
    """A number without digits that nobody reads."""
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


def metrics(table: Mapping[str, Measure]) -> str:
    """A table of measures, with the better direction of each."""
    rows = [
        [f"`{name}`", measure.group, measure.says, measure.direction, f"`metrics.{measure.family}`"]
        for name, measure in table.items()
    ]
    return markdown(["measure", "group", "what it tells", "better", "file"], rows)


def first_line(documented: object) -> str:
    """A docstring's first sentence."""
    return (inspect.getdoc(documented) or "").partition("\n\n")[0].replace("\n", " ")


def cli_help() -> str:
    """What every command takes, in a form that is the same under every version of Python."""
    parser = cli._parser()
    commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return "\n\n".join(_command(name, sub) for name, sub in commands.choices.items())


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    rows = [("-h, --help", "show this and stop")]
    usage = f"antehoc {name}"
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        value = (
            ""
            if action.nargs == 0
            else str(action.metavar or (action.choices and "|".join(action.choices)) or action.dest.upper())
        )
        if not action.option_strings:
            usage += f" {value}" + (" ..." if action.nargs == "+" else "")
        default = (
            f" (default: {action.default})" if action.option_strings and action.default not in (None, False, []) else ""
        )
        rows.append((" ".join([*action.option_strings, value]).strip(), (action.help or "") + default))
    rows.sort(key=lambda row: row[0].startswith("-"))
    width = max(len(left) for left, _ in rows)
    lines = [f"usage: {usage} [options]", "", f"{parser.description}", ""]
    lines += [f"  {left:<{width}}  {right}".rstrip() for left, right in rows]
    return f"### `antehoc {name}`\n\n```text\n" + "\n".join(lines) + "\n```"


def recipe_keys() -> str:
    """Every key of a recipe, of its sections, of each data set and of each system."""
    parts: list[tuple[str, Callable[..., object], Sequence[str]]] = [
        ("### The recipe", Recipe, ()),
        ("### A phase, in `phases`", Phase, ()),
        ("### `verdict`", Verdicts, ()),
        ("### `unknown`", Unknown, ()),
        *((f"### `data: {{name: {name}}}`", make, ("seed",)) for name, make in DATASETS.items()),
        *((f"### `system: {{name: {name}}}`", kind, ("spec",)) for name, kind in SYSTEMS.items()),
    ]
    head = ["key", "takes", "default", "meaning"]
    return "\n\n".join(f"{title}\n\n{markdown(head, keys(target, without))}" for title, target, without in parts)


def keys(target: Callable[..., object], without: Sequence[str] = ()) -> list[list[str]]:
    """A row for each parameter: name, type in words, default, meaning."""
    is_class = isinstance(target, type) and not dataclasses.is_dataclass(target)
    hints = get_type_hints(target.__init__ if is_class else target)
    said = {**KEYS, **comments(target), **arguments(inspect.getdoc(target) or "")}
    rows = []
    for name, parameter in inspect.signature(target).parameters.items():
        if name not in without:
            rows.append(
                [f"`{name}`", words(hints[name]), default(target, name, parameter), said.get(name, "").rstrip(".")]
            )
    return rows


def default(target: object, name: str, parameter: inspect.Parameter) -> str:
    """A default as YAML writes it."""
    value = parameter.default
    if dataclasses.is_dataclass(target):
        own = next(field for field in dataclasses.fields(target) if field.name == name)
        if own.default_factory is not dataclasses.MISSING:
            value = own.default_factory()
    if value is inspect.Parameter.empty:
        return "none: must be given"
    if dataclasses.is_dataclass(value):
        return "its own defaults"
    if isinstance(value, tuple):
        value = list(value)
    return f"`{yaml.safe_dump(value, default_flow_style=True).removesuffix('...' + chr(10)).strip()}`"


def words(hint: Any) -> str:
    """A type as a person who writes YAML calls it."""
    plain_words = {
        int: "whole number", float: "number", str: "text", Path: "path",
        bool: "`true` or `false`", type(None): "`null`",
    }  # fmt: skip
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(
            dict.fromkeys("path" if one in (str, Path) and Path in inner else words(one) for one in inner)
        )
    if origin is tuple or (isinstance(origin, type) and issubclass(origin, Sequence)):
        return f"list of {words(inner[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "keys and values"
    return plain_words.get(hint) or "keys and values"


def arguments(documentation: str) -> dict[str, str]:
    """What the section `Args` says of each name; several names may share a line."""
    found: dict[str, str] = {}
    section = re.search(r"^(?:Args|Attributes):\n((?:[ ]{4}.*\n?|\n)+)", documentation, re.MULTILINE)
    for names, text in re.findall(r"^ {4}([\w, ]+): (.*(?:\n {8}.*)*)", section[1] if section else "", re.MULTILINE):
        found |= {name.strip(): re.sub(r"\s+", " ", text) for name in names.split(",")}
    return found


def comments(target: object) -> dict[str, str]:
    """What `#:` says behind a dataclass's fields."""
    if not dataclasses.is_dataclass(target):
        return {}
    lines = inspect.getsource(target).splitlines()  # type: ignore[arg-type]
    return {found[1]: found[2] for line in lines if (found := re.match(r" {4}(\w+): .*#: (.*)", line))}


TABLES: dict[str, Callable[[], str]] = {
    "shapes-small": lambda: small("shapes"),
    "shapes-free-small": lambda: small("shapes-free"),
    "shapes-paper": lambda: paper("shapes"),
    "shapes-unknown": lambda: unknown("shapes", ""),
    "shapes-free-unknown": lambda: unknown("shapes-free", "default_"),
    "birds-main": lambda: small("birds", BIRDS),
    "birds-small": lambda: small("birds"),
    "birds-paper": lambda: paper("birds"),
    "birds-unknown": unknown_birds,
    "birds-training": lambda: side_by_side("birds", TRAINED, BIRDS),
    "birds-studies": lambda: studied("birds"),
    "triangles-main": lambda: small("triangles", TRIANGLES_FIRST),
    "triangles-small": lambda: small("triangles"),
    "triangles-classifiers": lambda: side_by_side("triangles", CLASSIFIERS, OF_CLASSIFIERS),
    "triangles-explainers": lambda: side_by_side("triangles", EXPLAINERS, OF_EXPLAINERS),
    "triangles-aopc": aopc,
    "triangles-compare": compared,
    "cue-conflict-small": lambda: small("cue-conflict"),
    "cue-conflict-bias": biases,
    "benchmarks": benchmarks,
    "benchmarks-explanations": lambda: benchmarks(explanations=True),
    "cli-help": cli_help,
    "recipe-keys": recipe_keys,
    "metrics": lambda: metrics(of_groups(*OF_DECISIONS)),
    "map-metrics": lambda: metrics(of_groups(*OF_MAPS)),
    **{name: (lambda name=name: fault(name)) for name in FAULTS},  # type: ignore[misc]
}


def filled(text: str, where: str) -> str:
    """A file's text with every block made anew.

    Raises:
        SystemExit: for a block whose name nobody knows.
    """

    def fill(block: re.Match[str]) -> str:
        if block[2] not in TABLES:
            raise SystemExit(f"{where}: no table is called {block[2]!r}; known: {', '.join(TABLES)}.")
        return f"{block[1]}\n{TABLES[block[2]]()}\n\n{block[3]}"

    return BLOCK.sub(fill, text)


def files() -> list[Path]:
    """Whatever may hold a block."""
    return [HERE.parent / "README.md", *sorted(HERE.rglob("*.md"))]


def add(path: Path) -> Path:
    """Take a measured run into docs/measured/, without names and folders of the machine that made it.

    Benchmarks replace those of the same names, so that some can be measured anew by themselves.
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
        target = MEASURED / f"{recipe}-{content['scale']}-seed{content['seed']}.json"
    MEASURED.mkdir(exist_ok=True)
    target.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return target


def main(options: Sequence[str] | None = None) -> int:
    """Rewrite the tables, or say which are out of date."""
    parser = argparse.ArgumentParser(description="Rewrite the tables of README.md and docs/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a file is out of date")
    parser.add_argument(
        "--add", nargs="+", type=Path, default=[], metavar="FILE", help="measured runs to take in first"
    )
    chosen = parser.parse_args(options)
    for path in chosen.add:
        print(f"taken in: {add(path).relative_to(HERE.parent)}")
    stale = []
    for path in files():
        old = path.read_text(encoding="utf-8")
        new = filled(old, str(path.relative_to(HERE.parent)))
        if new != old:
            stale.append(path)
            if not chosen.check:
                path.write_text(new, encoding="utf-8")
    for path in stale:
        print(f"{'out of date' if chosen.check else 'rewritten'}: {path.relative_to(HERE.parent)}")
    if stale and chosen.check:
        print("python docs/tables.py brings them up to date.")
    return 1 if stale and chosen.check else 0


if __name__ == "__main__":
    sys.exit(main())
