import math
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf_shrinkage
from torch.testing import assert_close

from antehoc.data.sets.shapes import CLASS_ATTRIBUTES, CLASSES
from antehoc.doubts import ClassGaussians
from antehoc.doubts.certainty import margin, maximum_softmax
from antehoc.doubts.distance import ledoit_wolf
from antehoc.doubts.likelihood import (
    attribute_probabilities,
    contributions,
    deciding,
    evidence,
    likelihood,
    log_likelihood,
)
from antehoc.doubts.rules import (
    centred_class_scores,
    clean,
    default_n,
    support,
    support_confidence,
    top_n,
    top_n_class_scores,
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
    assert_close(margin("single-label", tensor(logits)), tensor(gaps))
    assert_close(maximum_softmax("single-label", tensor(logits)), tensor(shares))


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
def test_distances_to_all_classes_are_those_to_each_and_a_rival_is_nearer_or_not(covariance):
    generator = torch.Generator().manual_seed(2)
    features, labels = torch.randn(90, 4, generator=generator), torch.arange(90) % 3
    gaussians = ClassGaussians(3, 4, covariance=covariance)
    gaussians.fit(features + labels[:, None] * torch.tensor([1.0, 0.0, 2.0, 0.0]), labels)
    images = 3 * torch.randn(7, 4, generator=generator)
    each = torch.stack([gaussians(images, torch.full((7,), label)) for label in range(3)], 1)
    assert_close(gaussians.distances(images), each)
    predicted = torch.arange(7) % 3
    others = [min(row[:own] + row[own + 1 :]) for row, own in zip(each.tolist(), predicted.tolist(), strict=True)]
    assert_close(gaussians.rival(images, predicted), each[torch.arange(7), predicted] - torch.tensor(others))


@pytest.mark.parametrize("covariance", ["class", "shared"])
def test_class_gaussians_stay_finite_where_there_is_nothing_to_learn_from(covariance):
    gaussians = ClassGaussians(3, 2, covariance=covariance)
    features = torch.tensor([[0.0, 7.0], [1.0, 7.0], [3.0, 7.0]])  # class 1: one row; class 2: none; a dead feature
    gaussians.fit(features, torch.tensor([0, 0, 1]))
    doubt = gaussians(torch.tensor([[9.0, 9.0]] * 3 + [[3.0, 7.0]]), torch.tensor([0, 1, 2, 1]))
    assert doubt.dtype == torch.float32
    assert doubt.isfinite().all()
    assert doubt[3] == doubt.min(), "on the mean itself"


def test_class_gaussians_with_more_features_than_images_are_finite_and_find_more_with_ledoit_wolf():
    generator = torch.Generator().manual_seed(0)
    spread = torch.arange(1, 161).pow(-0.5)  # of 160 features, seen in 120 images of 4 classes
    mean, labels = 0.4 * torch.randn(4, 160, generator=generator) * spread, torch.arange(120) % 4
    train, test = (torch.randn(2, 120, 160, generator=generator) * spread + mean[labels]).unbind()
    found = {}
    for shrinkage in (0.001, "ledoit-wolf"):
        gaussians = ClassGaussians(4, 160, shrinkage=shrinkage)
        gaussians.fit(train, labels)
        own, other = gaussians(test, labels), gaussians(test, (labels + 1) % 4)
        assert own.isfinite().all()
        found[shrinkage] = (other[:, None] > own).float().mean().item()
    assert found["ledoit-wolf"] > found[0.001] + 0.02, "the covariance's noise no longer hides the classes"


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(2, 30), features=st.integers(2, 30))
def test_the_weight_of_ledoit_and_wolf_agrees_with_scikit_learn(seed, rows, features):
    generator = np.random.default_rng(seed)
    residuals = generator.normal(size=(rows, features)) @ generator.normal(size=(features, features))
    wanted = ledoit_wolf_shrinkage(residuals, assume_centered=True)
    assert ledoit_wolf(torch.tensor(residuals)) == pytest.approx(max(wanted, 0.001), rel=1e-6)


@pytest.mark.parametrize("covariance", ["class", "shared"])
def test_class_gaussians_by_ledoit_and_wolf_match_the_definition(covariance):
    generator = np.random.default_rng(3)
    features = generator.normal(size=(40, 3)) @ generator.normal(size=(3, 3)) * [1, 10, 100]
    labels, image = np.arange(40) % 2, np.array([1.0, 2.0, 3.0])
    gaussians = ClassGaussians(2, 3, covariance=covariance, shrinkage="ledoit-wolf").double()
    gaussians.fit(torch.tensor(features), torch.tensor(labels))
    mean = np.stack([features[labels == label].mean(0) for label in (0, 1)])
    residuals = (features - mean[labels])[(labels == 1) | (covariance == "shared")]
    variance = (residuals**2).mean(0)
    scale = np.sqrt(variance + 0.001 * variance.mean())
    white = residuals / scale
    weight = ledoit_wolf_shrinkage(white, assume_centered=True)
    shrunk = (1 - weight) * white.T @ white / len(white) + weight * np.eye(3)
    away = (image - mean[1]) / scale
    wanted = math.log(away @ np.linalg.solve(shrunk, away) / 3)
    assert gaussians(torch.tensor(image)[None], torch.tensor([1])).item() == pytest.approx(wanted, rel=1e-9)


# The top-n rule, as coded and without its faults


@pytest.fixture
def long_and_short():
    """P(attribute | class): everything is noted for the first class, two attributes for the second, two for a third."""
    return tensor([[0.9] * 6, [1.0, 1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]])


@given(scene=scenes(), threshold=st.sampled_from([0.0, 0.5, 0.8]))
def test_cleaning_matches_the_definition(scene, threshold):
    probabilities, _, groups, _ = scene
    by_hand = []
    for row in probabilities:
        kept = [p if p > threshold else 0.0 for p in row]
        for group in groups:
            surest = max(group, key=row.__getitem__)  # the first of equal ones
            kept = [0.0 if number in group and number != surest else p for number, p in enumerate(kept)]
        by_hand.append(kept)
    cleaned = clean(tensor(probabilities), groups, threshold)
    assert cleaned.tolist() == by_hand
    assert clean(cleaned, groups, threshold).equal(cleaned)


def test_class_scores_as_coded_by_hand():
    probabilities = tensor([[0.9, 0.95, 0.85, 0.5]])  # the first falls to the second, the last to the threshold
    rows = tensor([[1.0, 0.2, 0.0, 1.0], [0.0, 0.4, 1.0, 0.0]])
    weights = tensor([1.0, 2.0, 4.0, 8.0])
    plain = top_n_class_scores(probabilities, rows, groups=((0, 1),))
    weighted = top_n_class_scores(probabilities, rows, groups=((0, 1),), positive_weight=weights)
    first, second = 0.2 * 0.95, 0.4 * 0.95 + 0.85
    assert_close(plain, tensor([[first, second]]) / (first + second))
    first, second = 2 * 0.2 * 0.95, 2 * 0.4 * 0.95 + 4 * 0.85
    assert_close(weighted, tensor([[first, second]]) / (first + second))


def test_as_coded_a_class_of_many_attributes_outdoes_the_one_that_fits(long_and_short):
    image = tensor([[0.95, 0.95, 0.05, 0.9, 0.05, 0.05]])  # the second class's, and one attribute too many
    coded = top_n_class_scores(image, long_and_short, groups=())
    assert top_n(coded, torch.tensor([1])) == 1
    assert top_n(centred_class_scores(image, long_and_short), torch.tensor([1])) == 0


def test_absent_attributes_speak_against_a_class_only_when_centred(long_and_short):
    without, with_ = tensor([[0.9, 0.9, 0.0, 0.0, 0.0, 0.0]]), tensor([[0.9, 0.9, 0.0, 0.0, 0.7, 0.7]])
    for scores, moves in ((top_n_class_scores, False), (centred_class_scores, True)):
        groups = {} if moves else {"groups": ()}
        change = scores(with_, long_and_short, **groups) - scores(without, long_and_short, **groups)
        assert (change[0, 1] < 0) == moves
        assert (change[0, 0] > 0) == moves


def test_an_image_of_which_the_cleaning_leaves_nothing_is_questioned(long_and_short):
    image = torch.full((3, 6), 0.8, dtype=torch.float64)  # not above the threshold
    scores = top_n_class_scores(image, long_and_short, groups=())
    assert scores.eq(0).all()
    assert top_n(scores, torch.arange(3)).tolist() == [2, 2, 2]
    centred = centred_class_scores(0.5 * long_and_short, long_and_short)  # nothing above a half, yet told apart
    assert top_n(centred, torch.arange(3))[1:].tolist() == [0, 0]


def test_the_average_image_and_one_of_no_numbers_are_questioned(long_and_short):
    for image in (long_and_short.mean(0)[None], torch.full((1, 6), torch.nan, dtype=torch.float64)):
        assert top_n(centred_class_scores(image, long_and_short), torch.tensor([1])) == 2


@given(scene=scenes(), data=st.data())
def test_ranks_count_who_fits_as_well_or_better(scene, data):
    probabilities, matrix, groups, predicted = scene
    for scores in (
        top_n_class_scores(tensor(probabilities), tensor(matrix), groups=groups),
        centred_class_scores(tensor(probabilities), tensor(matrix)),
    ):
        by_hand = [
            float(sum(other >= row[label] for number, other in enumerate(row) if number != label))
            for row, label in zip(scores.tolist(), predicted, strict=True)
        ]
        assert top_n(scores, torch.tensor(predicted)).tolist() == by_hand


@given(scene=scenes())
def test_class_scores_keep_their_ranges(scene):
    probabilities, matrix, groups, _ = scene
    shares = top_n_class_scores(tensor(probabilities), tensor(matrix), groups=groups)
    assert (shares >= 0).all()
    total = shares.sum(1)
    assert (total.eq(0) | (total - 1).abs().lt(1e-9)).all()
    assert (centred_class_scores(tensor(probabilities), tensor(matrix)).abs() <= 1 + 1e-9).all()


@given(seed=st.integers(0, 2**32 - 1), stretch=st.floats(0.1, 0.9))
def test_centred_scores_find_the_class_whose_attributes_are_seen_however_faintly(seed, stretch):
    rows = torch.rand(5, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    image = rows.mean(0) + stretch * (rows - rows.mean(0))
    assert top_n(centred_class_scores(image, rows), torch.arange(5)).eq(0).all()


def test_n_is_a_share_of_the_classes_and_never_more_than_the_thesis_took():
    assert [default_n(classes) for classes in (2, 20, 21, 200, 201)] == [1, 1, 2, 10, 10]


# Groups against all assignments, one by one


@st.composite
def grouped_logits(draw):
    """Logits of up to six attributes, some in a group of which exactly one holds, some in one of which at most one."""
    count = draw(st.integers(1, 6))
    order, cuts = (
        draw(st.permutations(range(count))),
        sorted(draw(st.lists(st.integers(0, count), min_size=2, max_size=2))),
    )
    exclusive, at_most_one = tuple(order[: cuts[0]]), tuple(order[cuts[0] : cuts[1]])
    logits = draw(st.lists(st.floats(-6, 6), min_size=count, max_size=count))
    return logits, tuple(g for g in (exclusive,) if g), tuple(g for g in (at_most_one,) if g)


def assignments(logits, exclusive, at_most_one):
    """Every assignment that the groups allow, with its probability if attributes are else independent."""
    odds = {}
    for bits in product((0, 1), repeat=len(logits)):
        one = all(sum(bits[n] for n in group) == 1 for group in exclusive)
        few = all(sum(bits[n] for n in group) <= 1 for group in at_most_one)
        if one and few:
            odds[bits] = math.exp(sum(logit for logit, bit in zip(logits, bits, strict=True) if bit))
    return {bits: weight / sum(odds.values()) for bits, weight in odds.items()}


@given(scene=grouped_logits())
def test_probabilities_and_likelihood_are_those_of_all_assignments(scene):
    logits, exclusive, at_most_one = scene
    possible = assignments(logits, exclusive, at_most_one)
    marginal = [sum(p for bits, p in possible.items() if bits[n]) for n in range(len(logits))]
    probabilities = attribute_probabilities(tensor([logits]), exclusive, at_most_one)
    assert_close(probabilities[0], tensor(marginal))
    fit = log_likelihood(probabilities, tensor([list(map(float, b)) for b in possible]), exclusive, 1e-12, at_most_one)
    assert_close(fit[0], tensor([math.log(p) for p in possible.values()]), rtol=1e-6, atol=1e-6)


def test_a_soft_class_draws_from_its_group_or_none_by_hand():
    probabilities, rows = tensor([[0.5, 0.3]]), tensor([[0.6, 0.1], [0.9, 0.6]])
    first = 0.6 * math.log(0.5) + 0.1 * math.log(0.3) + 0.3 * math.log(0.2)
    second = 0.6 * math.log(0.5) + 0.4 * math.log(0.3)  # shares of 1.5 in all count as one draw
    assert_close(log_likelihood(probabilities, rows, at_most_one=((0, 1),)), tensor([[first, second]]))


@given(scene=scenes(), clamp=st.sampled_from([1e-3, 0.05]))
def test_likelihood_of_groups_that_may_be_empty_is_finite_and_never_positive(scene, clamp):
    probabilities, matrix, groups, _ = scene  # sums of a group run from 0 to far above 1
    fit = log_likelihood(tensor(probabilities), tensor(matrix), clamp=clamp, at_most_one=groups)
    assert fit.isfinite().all()
    assert (fit <= 0).all()


# Which attributes decide


def rows_of(matrix, exclusive):
    """The same rows with the shares of each exclusive group brought to a sum of 1."""
    rows = tensor(matrix)
    for group in exclusive:
        own = rows[:, list(group)] + 0.01
        rows[:, list(group)] = own / own.sum(1, keepdim=True)
    return rows


@given(scene=scenes(), data=st.data())
def test_contributions_sum_to_the_log_likelihood_ratio(scene, data):
    probabilities, matrix, groups, predicted = scene
    exclusive, at_most_one = groups[:1], groups[1:]
    rows, of = rows_of(matrix, exclusive), torch.tensor(predicted)
    over = (of + 1) % len(rows)
    fit = log_likelihood(tensor(probabilities), rows, exclusive, 0.01, at_most_one)
    ratio = fit.gather(1, of[:, None]) - fit.gather(1, over[:, None])
    parts = contributions(tensor(probabilities), rows, of, over, exclusive, 0.01, at_most_one)
    assert_close(parts.sum(1), ratio[:, 0])
    assert_close(contributions(tensor(probabilities), rows, over, of, exclusive, 0.01, at_most_one), -parts)


def test_evidence_by_hand():
    said = evidence(tensor([[0.8, 0.1, 0.1, 0.3, 0.5, 0.9]]), ((0, 1, 2),), 1e-3, ((3, 4),))
    mean = (math.log(0.8) + 2 * math.log(0.1)) / 3
    group = [math.log(0.8) - mean, math.log(0.1) - mean, math.log(0.1) - mean]
    assert_close(said, tensor([[*group, math.log(0.3 / 0.2), math.log(0.5 / 0.2), math.log(9)]]))


def test_what_decides_on_images_is_what_they_show_on_average():
    rows, images = tensor([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]), tensor([[0.9, 0.9, 0.5], [0.5, 0.9, 0.2]])
    wanted = tensor([math.log(9) / 2, 0.0, math.log(4) / 2])  # the first is seen once, the last is missed once
    assert_close(deciding(rows, 0, 1, images), wanted)
    assert_close(deciding(rows, 1, 0, images), -wanted)


@given(scene=scenes())
def test_what_decides_between_typical_images_is_symmetric_and_never_negative(scene):
    _, matrix, _, _ = scene
    rows = tensor(matrix)
    decides = deciding(rows, 0, 1)
    assert (decides >= 0).all()
    assert_close(decides, deciding(rows, 1, 0))
    p, q = (rows[label].clamp(1e-3, 1 - 1e-3) for label in (0, 1))
    weight = rows[0] - rows[1]
    assert_close(decides, weight * ((p / (1 - p)).log() - (q / (1 - q)).log()) / 2)


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
    assert_close(margin("single-label", fit[:, order]), margin("single-label", fit))
    assert_close(maximum_softmax("single-label", fit[:, order]), maximum_softmax("single-label", fit))


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
    doubt = maximum_softmax("single-label", torch.tensor([[20.0, 0.0], [25.0, 0.0]]))
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
        lambda: clean(IMAGES[0], GROUPS),
        lambda: top_n_class_scores(IMAGES, ROWS, groups=(), positive_weight=ROWS[:, 0]),
        lambda: centred_class_scores(IMAGES, ROWS[:, :4]),
        lambda: top_n(IMAGES, THREE),
        lambda: contributions(IMAGES, ROWS, TWO, THREE),
        lambda: deciding(ROWS, 0, 1, IMAGES[:, :4]),
        lambda: log_likelihood(IMAGES, ROWS[:, :1], GROUPS),
        lambda: log_likelihood(IMAGES, ROWS[0], GROUPS),
        lambda: likelihood(IMAGES, THREE),
        lambda: likelihood(IMAGES, TWO[:, None]),
        lambda: margin("single-label", IMAGES[0]),
        lambda: maximum_softmax("single-label", IMAGES[None]),
    ],
)
def test_shapes_that_do_not_line_up_are_refused(call):
    with pytest.raises(TypeError):
        call()
