"""Results as one self-contained HTML page: pictures inline, nothing fetched, no script."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from antehoc.blocks import Note, Section, Told
from antehoc.evaluation import Evaluation
from antehoc.evaluation.reading import reading
from antehoc.figure import number
from antehoc.model import Model
from antehoc.report import blocks_html, cases, figure_tables, training
from antehoc.report.decisions import decisions
from antehoc.report.document import document, kicker
from antehoc.report.html import Html, join, pairs, tag
from antehoc.report.shared import card, few
from antehoc.results import Reproduction, environment
from antehoc.spec import DataSpec

__all__ = ["comparison", "decisions", "evaluation", "reproduction"]

_UNKNOWN_CASES = 5  # cases without a known class that are shown; more are folded away

Part = tuple[str, Html]  #: a part of a page under its title


def reproduction(result: Reproduction) -> str:
    """The whole report of a run: figures beside the published ones, and what they are made of."""
    name, main = Path(result.recipe).stem, result.evaluations[result.recipe]
    tables = _figures(result)
    parts: list[Part] = [("Figures", join([tables.pop("", ""), _notes(result.notes)]))]
    for label, evaluation in result.evaluations.items():
        parts += _variant(result, label, evaluation, tables.get(label, Html("")))
    told = training.blocks(result.history, result.parts, result.seconds)
    parts.append(("Training", blocks_html.render(told, "training")))
    parts.append(("Explanation card", card(result.models[result.recipe].system.card)))
    parts.append(("The recipe as it ran", tag("pre", _text_of_recipe(result))))
    head = [kicker("report of a run"), tag("h1", name), _headline(main.headline()), _ran(result)]
    return document(f"{name}: report", head, parts)


def _variant(result: Reproduction, label: str, evaluation: Evaluation, table: Html) -> list[Part]:
    """What an evaluation shows, the studies of the same model, and the figures of a variant."""
    own = label == result.recipe
    body = _evaluation(evaluation, result.models[label], Path(label).stem)
    head = [] if own else [_headline(evaluation.headline()), tag("h3", "Figures"), table]
    parts: list[Part] = [("Evaluation" if own else f"Variant {label}", join([*head, body]))]
    if found := result.findings.get(label):
        sections = [Section(one.title, tuple(one.blocks())) for one in found.values()]
        title = "Studies" if own else f"Studies of variant {label}"
        parts.append((title, blocks_html.render(sections, f"studies of {label}")))
    return parts


def evaluation(evaluation: Evaluation, model: Model) -> str:
    """A saved model's evaluation."""
    name = f"{model.arguments['name']}: {few(model.spec.classes)}"
    about = [(key, str(value)) for key, value in model.about.items() if key not in ("values", "figures", "remark")]
    table = blocks_html.render(figure_tables.blocks(evaluation.figures))
    parts = [
        ("Figures", join([table, _notes(evaluation.notes)])),
        ("Evaluation", _evaluation(evaluation, model)),
        ("Explanation card", card(model.system.card)),
    ]
    head = [kicker("evaluation of a saved model"), tag("h1", name), _headline(evaluation.headline()), pairs(about)]
    return document(f"{name}: evaluation", head, parts)


def comparison(found: Told, name: str, about: Sequence[tuple[str, str]] = ()) -> str:
    """A comparison of explanations.

    Args:
        found: what `antehoc.comparison.compare` gave.
        name: of the model.
        about: names and values that say what ran, such as the seed.
    """
    parts = [(one.title, blocks_html.render(one.blocks, one.title)) for one in found.blocks()]
    head = [kicker("comparison of explanations"), tag("h1", name), _headline(found.headline()), pairs(about)]
    return document(f"{name}: comparison", head, parts)


def _evaluation(evaluation: Evaluation, model: Model, name: str = "") -> Html:
    """All that an evaluation shows but its figures; the name tells its charts from those of another."""
    sections = [*evaluation.blocks(), reading(model.policy)]
    return join([_cases(evaluation, model.spec, name), blocks_html.render(sections, f"evaluation of {name}")])


def _cases(evaluation: Evaluation, spec: DataSpec, name: str) -> Html:
    """Cases of the test images, then of sets of images, most of them folded away."""
    if not evaluation.shown:
        return Html("")
    known: list[Html] = []
    others: list[Html] = []
    for index, each in enumerate(evaluation.shown):
        (others if each.of_set else known).append(cases.case(each, spec, f"case {index} of {name}"))
    if len(others) > _UNKNOWN_CASES:
        summary = tag("summary", f"{len(others)} more cases: one of each set of unknown or altered images")
        others = [tag("details", summary, *others)]
    explanations = evaluation.shown[0].decision.explanations
    return join([tag("h3", "Cases"), cases.note(explanations), cases.legend(explanations), *known, *others])


def _headline(text: str) -> Html:
    return blocks_html.render([Note(text, "headline")])


def _ran(result: Reproduction) -> Html:
    """What ran: recipe, seed, data, time and environment."""
    machine = ", ".join(f"{name} {value}" for name, value in environment().items())
    data = _values(result).get("data", {})
    rest = (f"{key} {value}" for key, value in data.items() if key != "name")
    return pairs(
        [
            ("recipe", f"{result.recipe}, scale {result.scale}"),
            ("seed", str(result.seed)),
            ("data", ", ".join([str(data.get("name", "")), *rest])),
            ("seconds", f"{number(result.seconds, 'count')}, without drawing this page"),
            ("environment", machine),
        ]
    )


def _text_of_recipe(result: Reproduction) -> str:
    return str(result.models[result.recipe].about.get("values", ""))


def _values(result: Reproduction) -> Mapping[str, Mapping[str, object]]:
    """The recipe as it ran, recorded with the model."""
    values = yaml.safe_load(_text_of_recipe(result))
    return values if isinstance(values, dict) else {}


def _figures(result: Reproduction) -> dict[str, Html]:
    """The table of figures of the recipe itself, under the empty name, and of each variant."""
    every = figure_tables.with_published(result.figures, result.published)
    return {
        variant: blocks_html.render(figure_tables.blocks(figures, result.published))
        for variant, figures in figure_tables.by_variant(every).items()
    }


def _notes(notes: Iterable[str]) -> Html:
    once = list(dict.fromkeys(notes))
    return tag("ul", *(tag("li", note) for note in once), class_="notes") if once else Html("")
