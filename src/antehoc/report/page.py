"""Results as one self-contained HTML page: pictures inline, nothing fetched, no script."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml
from PIL import Image

from antehoc.data.images import read_image
from antehoc.errors import AntehocError
from antehoc.evaluation import Evaluation
from antehoc.figure import intervals, values
from antehoc.model import Model
from antehoc.report import cases, figures, masks, sections, studies
from antehoc.report.document import document, kicker
from antehoc.report.html import Html, join, table, tag
from antehoc.report.meanings import by_variant, grouped
from antehoc.runs import Reproduction
from antehoc.types import Decision

_THUMBNAIL_PX, _FULL_SIZE = 320, 40  # beyond so many images thumbnails shrink, so that a page can still be opened


def reproduction(result: Reproduction) -> str:
    """The whole report of a run: figures beside the published ones, and what they are made of."""
    name = Path(result.recipe).stem
    main = result.evaluations[result.recipe]
    tables = _figures(result)
    parts: list[tuple[str, Html]] = [("Figures", join([tables.pop(result.recipe), _notes(result.notes)]))]
    for label, evaluation in result.evaluations.items():
        body = sections.evaluation_sections(evaluation, result.models[label], Path(label).stem)
        if label == result.recipe:
            parts.append(("What it does", body))
        else:
            head = [sections.headline(evaluation), tag("h3", "Figures"), tables[label]]
            parts.append((f"Variant {label}", join([*head, body])))
        if evaluation.studies:
            title = "Studies" if label == result.recipe else f"Studies of variant {label}"
            parts.append((title, studies.section(evaluation.studies, Path(label).stem)))
    parts.append(("Training", _training(result)))
    parts.append(("Explanation card", sections.card(result.models[result.recipe].system.card)))
    recipe = str(result.models[result.recipe].about.get("values", ""))
    parts.append(("The recipe as it ran", tag("pre", recipe)))
    return document(
        f"{name}: report", [kicker("report of a run"), tag("h1", name), sections.headline(main), _ran(result)], parts
    )


def evaluation(evaluation: Evaluation, model: Model) -> str:
    """A saved model's evaluation."""
    groups = grouped(values(evaluation.figures), intervals(evaluation.figures))
    name = f"{model.arguments['name']}: {_few(model.spec.classes)}"
    about = [(key, str(value)) for key, value in model.about.items() if key not in ("values", "figures")]
    parts = [
        ("Figures", join([sections.figure_table(groups, published=False), _notes(evaluation.notes)])),
        ("Evaluation", sections.evaluation_sections(evaluation, model)),
        ("Explanation card", sections.card(model.system.card)),
    ]
    head = [
        kicker("evaluation of a saved model"),
        tag("h1", name),
        sections.headline(evaluation),
        sections.pairs(about),
    ]
    return document(f"{name}: evaluation", head, parts)


def decisions(results: Sequence[tuple[Path, Decision | AntehocError]], model: Model) -> str:
    """Images with their decisions, reasons and verdicts; a file that could not be read with its error."""
    outcomes = [_outcome(item) for _, item in results]
    counts = {name: outcomes.count(name) for name in ("accepted", "questioned", "not calibrated", "skipped")}
    said = ", ".join(f"{number} {name}" for name, number in counts.items() if number) or "none"
    side = int(min(_THUMBNAIL_PX, max(64, _THUMBNAIL_PX * (_FULL_SIZE / max(len(results), 1)) ** 0.5)))
    listed = join(_decided(path, item, model, side) for path, item in results)
    parts = [
        ("Images", join([_legend(results, model), listed])),
        (
            "How to read this",
            join([sections.reading(model), tag("h3", "Explanation card"), sections.card(model.system.card)]),
        ),
    ]
    images = "1 image" if len(results) == 1 else f"{len(results):,} images"
    head = [
        kicker(f"{model.arguments['name']}: {_few(model.spec.classes)}"),
        tag("h1", "Decisions and their reasons"),
        tag("p", f"{images}: {said}.", class_="headline"),
    ]
    return document("Decisions and their reasons", head, parts)


def _legend(results: Sequence[tuple[Path, Decision | AntehocError]], model: Model) -> Html:
    kinds = [item.explanations[0].kind for _, item in results if isinstance(item, Decision)]
    nothing = not kinds or (kinds[0] == "attributes" and not model.spec.attributes)
    return Html("") if nothing else cases.legend(kinds[0], truth=False)


def _outcome(item: Decision | AntehocError) -> str:
    if isinstance(item, AntehocError):
        return "skipped"
    return item.verdict.outcome if item.verdict else "not calibrated"


def _decided(path: Path, item: Decision | AntehocError, model: Model, side: int) -> Html:
    if isinstance(item, AntehocError):
        badge = tag("span", "skipped", class_="badge skipped")
        return tag(
            "article", tag("h3", str(path)), tag("p", badge, class_="decision"), tag("p", str(item)), class_="case"
        )
    doubts = " · ".join(f"{name} {value:.3g}" for name, value in item.doubts.items())
    try:
        image = read_image(path)
    except AntehocError as error:  # it could be read a moment ago: the decision still stands
        picture, parts = tag("p", f"No picture: {error}", class_="note"), cases.panels(item, model.spec)
    else:
        picture = _thumbnail(path, image, side)
        image.thumbnail((side, side))
        own = masks.at_source(item, model.preprocessing, image.height, image.width)
        parts = cases.panels(own, model.spec, image=image)
    panels = [tag("figure", picture), *parts]
    return tag(
        "article",
        tag("h3", str(path)),
        cases.head(item),
        cases.corrected(item),
        tag("div", *panels, class_="panels"),
        cases.reasons(item.verdict, item.label),
        tag("p", f"Doubts (higher: decision and reasons disagree more): {doubts}", class_="doubts")
        if doubts
        else Html(""),
        class_="case",
    )


def _thumbnail(path: Path, image: Image.Image, side: int) -> Html:
    crisp = max(image.size) <= figures.CRISP_PX
    width = min(side, max(3 * image.width, 1)) if crisp else None
    return tag(
        "img",
        src=figures.picture(image, side),
        alt=f"the image {path.name}",
        class_="crisp" if crisp else "smooth",
        width=width,
    )


def _ran(result: Reproduction) -> Html:
    summary = result.summary()
    environment = ", ".join(f"{name} {value}" for name, value in summary["environment"].items())
    data = _values(result).get("data", {})
    return sections.pairs(
        [
            ("recipe", f"{result.recipe}, scale {result.scale}"),
            ("seed", str(result.seed)),
            (
                "data",
                ", ".join(
                    [str(data.get("name", "")), *(f"{key} {value}" for key, value in data.items() if key != "name")]
                ),
            ),
            ("seconds", f"{result.seconds:.0f}, everything but this page"),
            ("environment", environment),
        ]
    )


def _values(result: Reproduction) -> dict[str, dict[str, object]]:
    """The recipe as it ran, recorded with the model."""
    values = yaml.safe_load(str(result.models[result.recipe].about.get("values", "{}")))
    return values if isinstance(values, dict) else {}


def _figures(result: Reproduction) -> dict[str, Html]:
    """The table of figures of the recipe itself, and of each variant."""
    tables = {}
    for name, groups in by_variant(result).items():
        known = any(row.published is not None for group in groups for row in group.rows)
        prefix = "" if name == result.recipe else f"{name}_"
        tables[name] = sections.figure_table(groups, published=known, prefix=prefix)
    return tables


def _training(result: Reproduction) -> Html:
    named = [name for name in result.parts if "phase " in name]
    titles = (
        named
        if len(named) == len(result.history)
        else [f"phase {number}" for number, _ in enumerate(result.history, 1)]
    )
    charts = [
        tag("figure", tag("figcaption", title.replace("_", ", ").capitalize()), Html(figures.curves(epochs, title)))
        for title, epochs in zip(titles, result.history, strict=True)
        if epochs
    ]
    rows = [[name.replace("_", ", "), f"{seconds:.1f}"] for name, seconds in result.parts.items()]
    rows.append([tag("b", "everything"), tag("b", f"{result.seconds:.1f}")])
    return join([*charts, tag("h3", "Seconds by part"), tag("div", table(["part", "seconds"], rows), class_="narrow")])


def _notes(notes: Iterable[str]) -> Html:
    once = list(dict.fromkeys(notes))
    return tag("ul", *(tag("li", note) for note in once), class_="notes") if once else Html("")


def _few(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
