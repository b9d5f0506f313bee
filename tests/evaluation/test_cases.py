"""The images that are shown are what their titles say."""

from dataclasses import replace

import torch

from antehoc.data.outliers import outliers
from antehoc.doubts import rules
from antehoc.evaluation import Scored, cases, score
from antehoc.evaluation.cases import chosen


def test_shown_cases_are_what_their_titles_say(found):
    shown = {case.title: case for case in found.evaluation.shown}
    assert {"Unknown: noise", "Unknown: star", "Correct"} <= set(shown)
    own = torch.tensor(found.model.spec.class_attributes)
    for title, case in shown.items():
        assert case.image.shape == (1, 32, 32)
        if title.startswith("Unknown"):
            assert case.truth is None
            assert case.of_set in ("noise", "star")
        else:
            assert (case.decision.label == case.truth) == (title == "Correct")
            assert case.of_set is None
        seen = torch.tensor([case.decision.explanations[0].probabilities])
        support = rules.support_confidence(seen, own)[0].tolist()
        mine = support[found.model.spec.classes.index(case.decision.label)]
        if "no expected attribute" in title:
            assert mine == 0 < max(support)
        if "tie" in title:
            assert mine == max(support)
            assert support.count(mine) > 1
        if "another class" in title:
            assert 0 < mine < max(support)
        if "agree" in title:
            assert mine == max(support)


def test_of_an_altered_image_the_class_is_shown(found):
    model, few = found.model, found.test.select(range(100))
    altered = outliers("star", model.preprocessing, count=3, seed=5)
    altered.labels_known, altered.labels = True, torch.tensor([2, 1, 0])
    *_, case = cases.shown(model, model.policy, few, score(model.system, few), {"star": altered})
    assert (case.title, case.truth, case.of_set) == ("Altered: star", model.spec.classes[2], "star")


def test_shown_decisions_of_many_classes_are_what_their_titles_say(found):
    """Twelve classes; decisions and verdicts made up so that every kind occurs."""
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(240) % 12
    logits = torch.randn(240, 12, generator=generator) + 3 * torch.nn.functional.one_hot(label, 12)
    rows = torch.eye(12)
    attributes = (0.7 * rows[label] + 0.3 * torch.rand(240, 12, generator=generator)).clamp(0.01, 0.99)
    odd = torch.arange(240) % 3 == 0
    attributes[odd] = (0.8 * rows[logits.argmax(1)] + 0.1)[odd]
    doubts = {"margin": torch.rand(240, generator=generator)}
    scored = Scored(label, rows[label], logits, doubts, {"attributes": attributes})
    policy = replace(found.model.policy, doubts=("margin",), products=(), weights=(1.0,), threshold=0.5)
    spec = replace(
        found.model.spec,
        classes=tuple("abcdefghijkl"),
        attributes=tuple("ABCDEFGHIJKL"),
        class_attributes=tuple(map(tuple, rows.tolist())),
        exclusive=(),
    )
    picked = chosen(spec, policy, scored)
    assert all(index is not None for title, index in picked.items() if "third" not in title)
    for title, index in picked.items():
        if index is None:
            continue
        assert bool(scored.wrong[index]) == title.startswith("Wrong")
        assert bool(doubts["margin"][index] > 0.5) == ("uestioned" in title)
        best = int(attributes[index].argmax())
        if "the true class" in title:
            assert best == label[index]
        elif "decided class" in title:
            assert best == scored.predicted[index]


def test_cases_of_few_classes_by_hand(found):
    """Three classes with two attributes each; all decide the first; the first and the last image are of it."""
    rows = ((1.0, 1.0, 0.0, 0.0), (0.0, 1.0, 1.0, 0.0), (0.0, 0.0, 1.0, 1.0))
    spec = replace(found.model.spec, classes=tuple("abc"), attributes=tuple("ABCD"), class_attributes=rows)
    seen = torch.tensor(
        [
            [0, 0, 0, 0],  # correct, and all three tie
            [0, 0, 0, 0],  # none: all three tie
            [0, 0, 1, 0],  # none of a's, one of b's and c's
            [0, 1, 0, 0],  # one of a's and of b's
            [0, 1, 1, 0],  # one of a's, two of b's
            [1, 0, 0, 0],  # one of a's alone
            [1, 1, 0, 0],
        ]
    ).float()
    scored = Scored(
        torch.tensor([0, 1, 1, 1, 1, 1, 0]), seen, torch.tensor([[1.0, 0.0, 0.0]] * 7), {}, {"attributes": seen}
    )
    assert chosen(spec, found.model.policy, scored) == {
        "Wrong, no expected attribute is present": 2,
        "Wrong, the attributes tie": 1,
        "Wrong, another class fits better": 4,
        "Wrong, and the attributes agree with it": 5,
        "Correct": 0,
    }


def test_with_several_labels_an_image_is_wrong_where_one_of_its_labels_is(found):
    logits, label = torch.tensor([[2.0, -1.0], [-0.5, 1.0]]), torch.tensor([[1, 0], [1, 1]])
    scored = Scored(label, torch.zeros(2, 0), logits, {}, {}, "multi-label")
    assert chosen(found.model.spec, found.model.policy, scored) == {"A wrong decision": 1, "A correct decision": 0}
