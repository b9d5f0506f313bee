import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from antehoc.data.shapes import CLASS_ATTRIBUTES, CLASSES
from antehoc.questions import (
    ClassGaussians,
    attribute_probabilities,
    likelihood,
    log_likelihood,
    margin,
    maximum_softmax,
    support,
    support_confidence,
)

CIRCLE, RECTANGLE, SQUARE, TRIANGLE = range(4)
SHAPES = torch.tensor(CLASS_ATTRIBUTES, dtype=torch.float32)
GROUPS = ((0, 1, 2),)


def doubts_of(attributes, predicted):
    """`support` and `likelihood` of one image of the shapes: its attribute probabilities, its predicted class."""
    probabilities, predicted = torch.tensor([attributes], dtype=torch.float32), torch.tensor([predicted])
    fit = log_likelihood(probabilities, SHAPES, GROUPS)
    return support(probabilities, predicted, SHAPES).item(), likelihood(fit, predicted).item()


# The papers' rule and its blind spots


def test_the_worked_example_of_the_thesis():
    # thesis, section 3.5: (0.2, 0.1, 0.3, 0.5, 0.6) becomes (0, 0, 0, 1, 1), so a rectangle (0, 0, 1, 1, 0) gets 1/2
    confidence = support_confidence(torch.tensor([[0.2, 0.1, 0.3, 0.5, 0.6]]), SHAPES)
    assert confidence[0, RECTANGLE] == 0.5
    assert_close(confidence[0], torch.tensor([0.0, 1 / 2, 2 / 3, 1 / 2]))


@pytest.mark.parametrize("predicted", range(4), ids=CLASSES)
def test_blind_spot_one_support_never_questions_an_image_without_attributes(predicted):
    in_support, in_likelihood = doubts_of([0.0] * 5, predicted)
    clean = doubts_of(list(CLASS_ATTRIBUTES[predicted]), predicted)[1]
    assert in_support == 0
    assert math.isfinite(in_likelihood)
    assert in_likelihood > clean + 1, "likelihood sees what support does not"


def test_blind_spot_two_support_never_questions_a_square_called_rectangle():
    in_support, in_likelihood = doubts_of(list(CLASS_ATTRIBUTES[SQUARE]), RECTANGLE)
    assert support_confidence(SHAPES[SQUARE][None], SHAPES)[0, [RECTANGLE, SQUARE]].tolist() == [1, 1]
    assert in_support == 0
    assert in_likelihood > 5, "likelihood sees what support does not: log .999 - log .001 is 6.9"


def test_support_questions_a_rectangle_called_square():
    in_support, in_likelihood = doubts_of(list(CLASS_ATTRIBUTES[RECTANGLE]), SQUARE)
    assert in_support == pytest.approx(1 / 3)
    assert in_likelihood > 5


@pytest.mark.parametrize("predicted", range(4), ids=CLASSES)
def test_no_rule_questions_a_decision_that_its_attributes_agree_with(predicted):
    in_support, in_likelihood = doubts_of(list(CLASS_ATTRIBUTES[predicted]), predicted)
    assert in_support == 0
    assert in_likelihood < -5


# Independent references: plain loops over floats

unit = st.floats(0, 1)
some_logits = st.floats(-20, 20)


def table(rows, columns, elements):
    return st.lists(st.lists(elements, min_size=columns, max_size=columns), min_size=rows, max_size=rows)


@st.composite
def scenes(draw):
    """Probabilities (images x attributes), P(attribute | class), disjoint groups, a predicted class per image."""
    images, classes, attributes = draw(st.integers(1, 3)), draw(st.integers(2, 4)), draw(st.integers(1, 5))
    order = draw(st.permutations(range(attributes)))
    cuts = sorted(draw(st.sets(st.integers(0, attributes), max_size=3)))
    groups = tuple(tuple(order[a:b]) for a, b in pairwise(cuts))
    probabilities = draw(table(images, attributes, unit | st.sampled_from([0.0, 0.5, 1.0])))
    matrix = draw(table(classes, attributes, unit | st.sampled_from([0.0, 0.5, 1.0])))
    predicted = draw(st.lists(st.integers(0, classes - 1), min_size=images, max_size=images))
    return probabilities, matrix, groups, predicted


def tensor(rows):
    return torch.tensor(rows, dtype=torch.float64)


def confidence_by_hand(row, asked, threshold):
    wanted = [p for p, share in zip(row, asked, strict=True) if share > 0.5]
    return sum(p >= threshold for p in wanted) / len(wanted) if wanted else 0.0


def log_likelihood_by_hand(row, asked, groups, clamp):
    total = 0.0
    for number, (p, share) in enumerate(zip(row, asked, strict=True)):
        p = min(max(p, clamp), 1 - clamp)
        total += share * math.log(p)
        if not any(number in group for group in groups):
            total += (1 - share) * math.log(1 - p)
    return total


@given(scene=scenes(), threshold=st.sampled_from([0.3, 0.5, 0.8]))
def test_support_matches_the_definition(scene, threshold):
    probabilities, matrix, _, predicted = scene
    by_hand = [[confidence_by_hand(row, asked, threshold) for asked in matrix] for row in probabilities]
    doubt = [max(row) - row[label] for row, label in zip(by_hand, predicted, strict=True)]
    assert_close(support_confidence(tensor(probabilities), tensor(matrix), threshold), tensor(by_hand))
    assert_close(support(tensor(probabilities), torch.tensor(predicted), tensor(matrix), threshold), tensor(doubt))


@given(scene=scenes(), clamp=st.sampled_from([1e-3, 0.05]))
def test_log_likelihood_and_likelihood_match_the_definition(scene, clamp):
    probabilities, matrix, groups, predicted = scene
    by_hand = [[log_likelihood_by_hand(row, asked, groups, clamp) for asked in matrix] for row in probabilities]
    fit = log_likelihood(tensor(probabilities), tensor(matrix), groups, clamp)
    assert_close(fit, tensor(by_hand))
    ratio = [
        max(value for other, value in enumerate(row) if other != label) - row[label]
        for row, label in zip(by_hand, predicted, strict=True)
    ]
    assert_close(likelihood(fit, torch.tensor(predicted)), tensor(ratio))


@given(scene=scenes(), data=st.data())
def test_attribute_probabilities_match_the_definition(scene, data):
    shape, groups = (len(scene[0]), len(scene[0][0])), scene[2]
    logits = data.draw(table(*shape, some_logits))
    by_hand = [[1 / (1 + math.exp(-value)) for value in row] for row in logits]
    for row, result in zip(logits, by_hand, strict=True):
        for group in groups:
            total = sum(math.exp(row[member]) for member in group)
            for member in group:
                result[member] = math.exp(row[member]) / total
    assert_close(attribute_probabilities(tensor(logits), groups), tensor(by_hand))


@given(data=st.data(), images=st.integers(1, 4), classes=st.integers(2, 6))
def test_margin_and_maximum_softmax_match_the_definition(data, images, classes):
    logits = data.draw(table(images, classes, some_logits))
    gaps, shares = [], []
    for row in logits:
        second, first = sorted(row)[-2:]
        gaps.append(second - first)
        shares.append(1 - max(math.exp(value) / sum(math.exp(other) for other in row) for value in row))
    assert_close(margin(tensor(logits)), tensor(gaps))
    assert_close(maximum_softmax(tensor(logits)), tensor(shares))


def gaussians_by_hand(features, labels, classes, covariance, shrinkage, image, label):
    """Log of the squared Mahalanobis distance per feature of one image to one class, one Gaussian at a time."""
    means = []
    for number in range(classes):
        rows = [row for row, own in zip(features, labels, strict=True) if own == number]
        means.append(np.mean(rows if rows else features, axis=0))
    residuals = [
        row - means[own] for row, own in zip(features, labels, strict=True) if covariance == "shared" or own == label
    ]
    size = len(image)
    matrix = np.zeros((size, size))
    for residual in residuals:
        matrix += np.outer(residual, residual) / len(residuals)
    variance = np.diag(matrix).copy()
    matrix += np.diag(shrinkage * (variance + max(variance.mean(), 1e-12)))
    away = image - means[label]
    return math.log(max(away @ np.linalg.solve(matrix, away) / size, 1e-12))


@pytest.mark.parametrize("covariance", ["class", "shared"])
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.tuples(st.integers(2, 4), st.integers(1, 4), st.integers(6, 20)),
    shrinkage=st.sampled_from([0.01, 0.3]),
)
def test_class_gaussians_match_the_definition(covariance, seed, sizes, shrinkage):
    classes, width, rows = sizes
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(rows, width)) @ generator.normal(size=(width, width))
    labels = generator.integers(0, classes - 1, rows)  # the last class has no training rows
    images, predicted = 3 * generator.normal(size=(classes, width)), np.arange(classes)
    gaussians = ClassGaussians(classes, width, covariance=covariance, shrinkage=shrinkage).double()
    gaussians.fit(torch.tensor(features), torch.tensor(labels))
    by_hand = [
        gaussians_by_hand(features, labels, classes, covariance, shrinkage, image, label)
        for image, label in zip(images, predicted, strict=True)
    ]
    # the inverse of a nearly singular covariance costs digits: 1e-6 of a logarithm is far below what a doubt means
    assert_close(gaussians(torch.tensor(images), torch.tensor(predicted)), tensor(by_hand), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("covariance", ["class", "shared"])
def test_class_gaussians_stay_finite_where_there_is_nothing_to_learn_from(covariance):
    gaussians = ClassGaussians(3, 2, covariance=covariance)
    features = torch.tensor([[0.0, 7.0], [1.0, 7.0], [3.0, 7.0]])  # class 1: one row; class 2: none; a dead feature
    gaussians.fit(features, torch.tensor([0, 0, 1]))
    doubt = gaussians(torch.tensor([[9.0, 9.0]] * 3 + [[3.0, 7.0]]), torch.tensor([0, 1, 2, 1]))
    assert doubt.dtype == torch.float32
    assert doubt.isfinite().all()
    assert doubt[3] == doubt.min(), "on the mean itself"


# Laws


@given(scene=scenes())
def test_the_best_class_is_never_outdone_and_every_other_is(scene):
    probabilities, matrix, groups, _ = scene
    fit = log_likelihood(tensor(probabilities), tensor(matrix), groups)
    best = fit.argmax(1)
    assert (likelihood(fit, best) <= 0).all()
    for label in range(len(matrix)):
        other = best != label
        assert (likelihood(fit, torch.full_like(best, label))[other] >= 0).all()


@given(scene=scenes())
def test_a_log_likelihood_is_never_positive_and_support_lies_in_0_to_1(scene):
    probabilities, matrix, groups, predicted = scene
    assert (log_likelihood(tensor(probabilities), tensor(matrix), groups) <= 0).all()
    doubt = support(tensor(probabilities), torch.tensor(predicted), tensor(matrix))
    assert ((doubt >= 0) & (doubt <= 1)).all()


@given(scene=scenes(), data=st.data())
def test_permuting_the_classes_permutes_the_results(scene, data):
    probabilities, matrix, groups, predicted = scene
    order = data.draw(st.permutations(range(len(matrix))))
    moved = torch.tensor([order.index(label) for label in predicted])
    p, rows, label = tensor(probabilities), tensor(matrix), torch.tensor(predicted)
    fit, after = log_likelihood(p, rows, groups), log_likelihood(p, rows[order], groups)
    assert_close(after, fit[:, order])
    assert_close(likelihood(after, moved), likelihood(fit, label))
    assert_close(support_confidence(p, rows[order]), support_confidence(p, rows)[:, order])
    assert_close(support(p, moved, rows[order]), support(p, label, rows))
    assert_close(margin(fit[:, order]), margin(fit))
    assert_close(maximum_softmax(fit[:, order]), maximum_softmax(fit))


@given(scene=scenes(), data=st.data())
def test_permuting_the_attributes_changes_nothing(scene, data):
    probabilities, matrix, groups, _ = scene
    order = data.draw(st.permutations(range(len(matrix[0]))))
    moved = tuple(tuple(order.index(member) for member in group) for group in groups)
    p, rows = tensor(probabilities), tensor(matrix)
    assert_close(log_likelihood(p[:, order], rows[:, order], moved), log_likelihood(p, rows, groups))
    assert_close(support_confidence(p[:, order], rows[:, order]), support_confidence(p, rows))


@given(scene=scenes(), data=st.data(), step=st.floats(0.01, 1))
def test_evidence_for_an_attribute_helps_the_classes_that_ask_for_it(scene, data, step):
    probabilities, matrix, groups, _ = scene
    attribute = data.draw(st.integers(0, len(matrix[0]) - 1))
    for number, row in enumerate(matrix):
        row[attribute] = float(number % 2)  # every second class asks for it, the others do not
    before, rows = tensor(probabilities), tensor(matrix)
    after = before.clone()
    after[:, attribute] = (after[:, attribute] + step).clamp(max=1)
    asks = torch.arange(len(matrix)) % 2 == 1
    gain = log_likelihood(after, rows, groups) - log_likelihood(before, rows, groups)
    assert (gain[:, asks] >= -1e-9).all()
    assert (gain[:, ~asks] <= 1e-9).all()
    # strictly so where the clamp does not hold p back
    moves = (before[:, attribute] < 0.99) & (after[:, attribute] > 0.001)
    assert (gain[moves][:, asks] > 0).all()
    assert (support_confidence(after, rows) >= support_confidence(before, rows)).all()


@given(seed=st.integers(0, 2**32 - 1), covariance=st.sampled_from(["class", "shared"]))
def test_the_further_from_its_class_the_less_alike(seed, covariance):
    generator = torch.Generator().manual_seed(seed)
    features, labels = torch.randn(60, 3, generator=generator), torch.arange(60) % 3
    gaussians = ClassGaussians(3, 3, covariance=covariance)
    gaussians.fit(features, labels)
    way = torch.randn(3, generator=generator)
    for label in range(3):
        steps = gaussians.mean[label] + torch.linspace(0.1, 20, 30)[:, None] * way
        doubt = gaussians(steps, torch.full((30,), label))
        assert (doubt.diff() > 0).all()


def test_a_covariance_of_its_own_tells_a_narrow_class_from_a_wide_one():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(400, 2, generator=generator)
    features[200:] *= 10
    labels = torch.arange(400) // 200
    own, shared = ClassGaussians(2, 2, covariance="class"), ClassGaussians(2, 2)
    own.fit(features, labels)
    shared.fit(features, labels)
    image, both = torch.full((2, 2), 5.0), torch.tensor([0, 1])
    narrow, wide = own(image, both)
    assert narrow > wide + 3  # a hundred times the variance: log 100 is 4.6
    narrow, wide = shared(image, both)
    assert abs(narrow - wide) < 0.5


def test_maximum_softmax_does_not_lose_sure_decisions_to_rounding():
    # in single precision 1 - softmax would be 0 for both, and their order lost
    doubt = maximum_softmax(torch.tensor([[20.0, 0.0], [25.0, 0.0]]))
    assert doubt[0] > doubt[1] > 0


# Shapes that do not line up

IMAGES, ROWS = torch.full((2, 5), 0.5), SHAPES
TWO, THREE = torch.tensor([0, 1]), torch.tensor([0, 1, 2])


@pytest.mark.parametrize(
    "call",
    [
        lambda: support_confidence(IMAGES[:, :4], ROWS),
        lambda: support_confidence(IMAGES[0], ROWS),
        lambda: support(IMAGES, THREE, ROWS),
        lambda: support(IMAGES, TWO[:1], ROWS),
        lambda: support(IMAGES, TWO.float(), ROWS),
        lambda: attribute_probabilities(IMAGES[0], GROUPS),
        lambda: log_likelihood(IMAGES, ROWS[:, :1], GROUPS),
        lambda: log_likelihood(IMAGES, ROWS[0], GROUPS),
        lambda: likelihood(IMAGES, THREE),
        lambda: likelihood(IMAGES, TWO[:, None]),
        lambda: margin(IMAGES[0]),
        lambda: maximum_softmax(IMAGES[None]),
    ],
)
def test_shapes_that_do_not_line_up_are_refused(call):
    with pytest.raises(TypeError):
        call()
