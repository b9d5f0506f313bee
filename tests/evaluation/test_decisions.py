"""Accuracy and confused classes."""

import pytest
from sklearn.metrics import accuracy_score, confusion_matrix

from antehoc.blocks import Matrix, Table
from antehoc.evaluation import decisions


def test_accuracy_and_confusion(found, block):
    assert found.figures["accuracy"] == pytest.approx(accuracy_score(found.label, found.predicted), rel=1e-9)
    matrix = block("Decisions", Matrix)
    assert [list(row) for row in matrix.counts] == confusion_matrix(found.predicted, found.label).tolist()
    assert matrix.names == found.model.spec.classes


def test_the_most_frequent_mistakes_of_few_classes_are_said_in_a_sentence():
    section = decisions.section(((9, 1, 0), (2, 8, 0), (0, 1000, 7)), ("cat", "fox", "hen"))
    (matrix,) = section.blocks
    assert matrix.caption == (
        "The most frequent mistakes: fox taken for hen (1,000), cat taken for fox (2) and fox taken for cat (1)."
    )
    assert decisions.section(((1, 0), (0, 1)), ("cat", "fox")).blocks[0].caption == "No mistakes."


def test_of_many_classes_the_most_confused_pairs_stand_in_a_table():
    """Of 14 classes, 3 images of each are correct, and `row` of the next class are taken for each but the first."""
    classes = tuple("abcdefghijklmn")
    counts = tuple(
        tuple(3 if row == column else row * (column == row + 1) for column in range(14)) for row in range(14)
    )
    table = decisions.section(counts, classes).blocks[1]
    assert isinstance(table, Table)
    assert table.caption == "The most frequent of 12 confused pairs"
    assert table.rows[0] == ("n", "m", "12", "80.0 %")
    assert len(table.rows) == 12
