"""The tiny run's evaluation beside what its test images give when they are decided one by one."""

from types import SimpleNamespace

import numpy as np
import pytest

from antehoc.figure import intervals, values
from antehoc.model import load
from antehoc.recipe import read_recipe


@pytest.fixture(scope="package")
def found(tiny_run):
    """What the run wrote down, and what its test images give when they are decided one by one."""
    (evaluation,) = tiny_run.result.evaluations.values()
    model = load(tiny_run.model)
    source = read_recipe(str(tiny_run.recipe))[0].source("tiny.yaml", 0)
    test = source.roles["test"]
    decisions = model.decide(test.images(range(len(test))))
    classes = model.spec.classes
    predicted = np.array([classes.index(decision.label) for decision in decisions])
    label = test.labels.numpy()
    return SimpleNamespace(
        evaluation=evaluation,
        figures=values(evaluation.figures),
        intervals=intervals(evaluation.figures),
        model=model,
        source=source,
        test=test,
        decisions=decisions,
        predicted=predicted,
        label=label,
        wrong=predicted != label,
        questioned=np.array([decision.verdict.outcome == "questioned" for decision in decisions]),
        verdict=np.array([decision.verdict.score for decision in decisions]),
        softmax=np.array([decision.doubts["confidence"] for decision in decisions]),
        support=np.array([decision.doubts["support"] for decision in decisions]),
        seen=np.array([decision.explanations[0].probabilities for decision in decisions]),
        truth=test.attributes.numpy() > 0.5,
    )


@pytest.fixture
def block(found):
    """The first block of a kind in a section of the evaluation, by the section's title."""

    def search(title, kind):
        (section,) = [section for section in found.evaluation.sections if section.title == title]
        return next(block for block in section.blocks if isinstance(block, kind))

    return search
