"""Tables of measured recipes: figures beside published ones and targets, and what runs recorded beside them."""

from collections.abc import Mapping, Sequence
from typing import Any

from antehoc.comparison import RANKED
from tabled.chosen import CORE, FAULTS, FIGURES, PUBLISHED_AOPC, UNKNOWN, UNKNOWN_BIRDS
from tabled.markdown import markdown, number
from tabled.measured import (
    SEEDS,
    Runs,
    gridded,
    made_by,
    mean_and_range,
    mean_of,
    missing,
    named,
    prefixes,
    reached,
    runs,
    targets,
)

GRIDDED = """```sh
antehoc compare FOLDER/main/model --methods saliency,grad-cam,occlusion --count 50 --aopc-grid --json grid.json
python docs/tables.py --add grid.json
```"""


def small(recipe: str, only: Sequence[str] = (), seeds: Sequence[int] = SEEDS) -> str:
    """The table of a recipe's small scale: published, mean and range over seeds, what is to be reached."""
    found = runs(recipe, "small")
    if not found:
        return missing(recipe, "small", seeds)
    names = only or FIGURES.get(recipe) or [*(prefix + name for prefix in prefixes(found) for name in CORE), "seconds"]
    names = [name for name in names if name in targets(recipe) or any(name in run["figures"] for run in found)]
    published = found[0]["published"]
    head = ["figure", *(["published"] if published else []), "mean (range)", "to reach"]
    rows = []
    for name in names:
        cells = [number(published.get(name)) if name in published else ""] if published else []
        rows.append([named(name, found), *cells, mean_and_range(name, found), reached(recipe, name, found)])
    own = sorted({int(run["seed"]) for run in found})
    over = f"seed{'s' if len(own) > 1 else ''} {', '.join(map(str, own))}"
    over += f" and settings of the processor, {len(found)} runs" if len(found) > len(own) else ""
    lines = [markdown(head, rows), "", f"Mean and range over {over}. {made_by(found)}"]
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


def aopc() -> str:
    """The published AOPC beside ours, which is about another task; ours by the same patches and perturbations."""
    found = gridded("triangles")
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
