"""How to read the verdict."""

import sys
from dataclasses import replace

from antehoc.calibration import Candidate, Evidence, Policy, Product, Term
from antehoc.evaluation import reading

EVIDENCE = Evidence((0.0, 1.0), (0.0, 0.99), 1.0)
POLICY = Policy(
    "combined",
    ("margin", "likelihood"),
    (EVIDENCE, EVIDENCE),
    (1.2, 0.8),
    5.2,
    0.01,
    0.01,
    "expected",
    24000,
    90,
    23900,
)


def said(policy: Policy | None) -> str:
    return "\n".join(f"{note.lead} {note.text}".strip() for note in reading(policy).blocks)


def test_what_is_promised_and_what_is_not():
    text = said(POLICY)
    assert "above the threshold, 5.2." in text
    assert "margin (weight 1.20), likelihood (weight 0.80)" in text
    assert "24,000 decisions" in text
    assert "Promised: at most 1.0 % (alpha) of correct decisions are questioned, as an expectation" in text
    assert "23,900 correct decisions" in text
    assert "Not promised: that an accepted decision is correct" in text


def test_a_model_that_was_never_calibrated_says_so():
    assert said(None) == "This model was never calibrated: its decisions carry no verdict."


def test_too_few_images_are_said_to_be_such():
    few = replace(POLICY, method="equal-weights", alpha=0.05, fit_errors=3, guarantee="binomial")
    text = said(replace(few, threshold=sys.float_info.max, class_thresholds=(None, 4.0)))
    assert "no finite number" in text
    assert "margin, likelihood, which count equally: 3 wrong decisions among 24,000 were too few" in text
    assert "at most 5.0 % (alpha) of correct decisions are questioned (1.0 % was asked for, but" in text
    assert "with a probability of 95 %" in text
    assert "Of the 2 classes, 1 have a threshold of their own." in text


def test_a_cross_conformal_threshold_is_not_promised_more_than_is_proven():
    text = said(replace(POLICY, guarantee="cross", threshold_rows=200, alpha=0.05, asked_alpha=0.05))
    assert "Promised: about 5.0 % (alpha) of correct decisions are questioned, in expectation, as far as" in text
    assert "20.0 % is proven" in text  # 2 alpha + sqrt(2 / 200)
    assert "neither for training" not in text


def test_one_doubt_is_taken_as_it_is():
    one = Policy("entropy", ("entropy",), (), (1.0,), 0.5, 0.1, 0.1, "expected", 0, 0, 100)
    assert "It is the doubt called entropy, as it is." in said(one)


def test_a_rule_that_the_data_chose_says_what_each_rule_gave():
    products = (
        Product("wrong", (Term("confidence", -2.0, 1.0), Term("rival", 0.0, 1.0)), EVIDENCE),
        Product("unknown", (Term("confidence", -2.0, 1.0, 0.5), Term("knn", 0.0, 1.0)), EVIDENCE, 0.7),
    )
    given = (Candidate("softmax", 0.87, 0.0, 0.0), Candidate("product", 0.9, 0.03, 0.01))
    policy = replace(
        POLICY, method="product", doubts=("confidence", "rival", "knn"), weights=(1.0,) * 3, evidence=(),
        products=products, candidates=given, fit_errors=120,
    )  # fmt: skip
    text = said(policy)
    assert "maximum softmax (temperature fitted) times a factor for each of rival, which grows" in text
    assert "A second score, of knn, is for images of no known class" in text
    assert "0.870 by maximum softmax alone, 0.900 by softmax with all that the explanation says" in text
    plain = (replace(products[0], terms=products[0].terms[:1]), products[1])
    alone = said(replace(policy, method="softmax", products=plain, doubts=("confidence", "knn"), weights=(1.0, 1.0)))
    assert "it is maximum softmax (temperature fitted)." in alone
    assert "the explanation adds nothing to it" in alone
