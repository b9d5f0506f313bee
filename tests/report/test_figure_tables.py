"""Figures in tables: what is read first, what is folded away, and the published value beside it."""

from antehoc.blocks import Code, Section, Table
from antehoc.figure import Figure
from antehoc.report.figure_tables import UNMEASURED, blocks, by_variant, left_out, lines, with_published

FIGURES = [
    Figure("accuracy", 0.995, "test images that are classified correctly", "Decisions", "higher", headline=True),
    Figure(
        "verdict_auroc_minus_msp", 0.006, "the verdict minus maximum softmax", "Verdicts", "higher", (-0.001, 0.013),
        headline=True, written="difference",
    ),
    Figure("verdict_aurc", 0.02, "area under the risk-coverage curve", "Verdicts", "lower", (0.01, 0.03)),
    Figure("ood_noise_auroc", None, "noise ranked above test images", "Unknown", "higher", of_set="noise"),
]  # fmt: skip
PUBLISHED = {"verdict_aurc": 0.05, "never_measured": 0.5, "accuracy": None}


def cells(table: Table) -> list[list[str]]:
    return [[cell.text if isinstance(cell, Code) else cell for cell in row] for row in table.rows]


def test_a_page_shows_headlines_first_and_folds_the_rest():
    first, rest = blocks(FIGURES)
    assert first.head == ("figure", "what it is", "measured", "95 % interval")
    assert cells(first) == [
        ["Decisions"],
        ["accuracy", "test images that are classified correctly", "0.9950", ""],
        ["Verdicts"],
        ["verdict_auroc_minus_msp", "the verdict minus maximum softmax", "+0.0060", "-0.0010 to 0.0130"],
    ]
    assert isinstance(rest, Section)
    assert rest.folded
    assert rest.title.startswith("2 more figures")
    (table,) = rest.blocks
    assert cells(table)[1][:3] == ["verdict_aurc", "area under the risk-coverage curve; lower is better", "0.0200"]
    assert cells(table)[3][2] == "-"


def test_what_was_published_is_shown_first_beside_what_was_measured():
    every = with_published(FIGURES, PUBLISHED)
    first, _ = blocks(every, PUBLISHED)
    rows = {row[0]: row[1:] for row in cells(first)}
    assert first.head[-1] == "published"
    assert rows["verdict_aurc"][1:] == ["0.0200", "0.0100 to 0.0300", "0.0500"]
    assert rows["never_measured"][1:] == ["-", "", "0.5000"]
    assert rows["accuracy"][-1] == ""
    assert [UNMEASURED] in cells(first)


def test_without_headlines_only_the_folded_table_is_left():
    (rest,) = blocks(FIGURES[2:])
    assert isinstance(rest, Section)
    assert blocks([]) == []


def test_a_terminal_shows_columns_that_hold_something():
    assert lines(FIGURES[:1]) == ["Decisions   measured", "  accuracy    0.9950"]
    assert lines([*FIGURES[:2]]) == [
        "Decisions                  measured       95% interval",
        "  accuracy                   0.9950",
        "",
        "Verdicts                   measured       95% interval",
        "  verdict_auroc_minus_msp   +0.0060  -0.0010 to 0.0130",
    ]
    assert lines(FIGURES[:1], {"accuracy": 0.991}) == [
        "Decisions   measured  published",
        "  accuracy    0.9950     0.9910",
    ]
    assert lines([]) == []


def test_figures_of_one_set_are_not_counted_as_left_out():
    assert left_out(FIGURES) == 1
    assert left_out(FIGURES, PUBLISHED) == 0


def test_figures_go_to_their_variant():
    found = by_variant([*FIGURES[:1], *(figure.under("wide_default") for figure in FIGURES)])
    assert [figure.name for figure in found[""]] == ["accuracy"]
    assert found["wide_default"][0].name == "wide_default_accuracy"
    assert len(found["wide_default"]) == 4
    assert list(by_variant([])) == [""]
