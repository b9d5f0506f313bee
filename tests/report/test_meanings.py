"""Figures in groups, in words and in digits."""

from dataclasses import replace

import pytest

from antehoc.report.meanings import by_variant, grouped, is_shown, meaning, number, percent


def test_every_figure_of_a_run_has_a_meaning(result):
    names = [name.removeprefix("default_") for name in result.figures]
    assert [name for name in names if not meaning(name)] == []


BIRDS = [
    "accuracy",
    "attribute_f1",
    "attributes_unseen",
    "attribute_group_accuracy",
    "class_repeat_map",
    "topn_questioned_wrong",
    "topn_centred_questioned_correct",
    "top-n_auroc",
    "top-n-centred_auroc",
    "profile_auroc",
    "rival_auroc",
    "distance_auroc",
    "entropy_auroc",
    "stages_auroc",
    "verdict_questioned_wrong_at_1506",
    "msp_questioned_wrong_at_1506",
    "verdict_questioned_correct_over_draws",
    "verdict_questioned_wrong_over_draws",
    "verdict_questioned_correct_over_draws_standard_error",
    "peer_ood_dark_auroc",
    "ood_far_auroc",
    "msp_ood_far_auroc",
    "peer_ood_far_auroc",
    "ood_near_auroc",
    "peer_ood_near_auroc",
]


@pytest.mark.parametrize("name", BIRDS)
def test_every_figure_of_birds_has_a_meaning_of_its_own_and_a_group(name):
    said = [meaning(other) for other in BIRDS]
    assert meaning(name)
    assert said.count(meaning(name)) == 1
    assert grouped({name: 0.5})[0].title != "Others"


def test_an_operating_point_is_said_in_per_cent():
    assert meaning("msp_questioned_wrong_at_1506").endswith("maximum softmax where 15.06 % of the correct ones are")


def test_a_set_with_underscores_keeps_its_name():
    assert meaning("msp_ood_my_mnist_auroc") == "my mnist ranked above test images by maximum softmax"


def test_figures_go_to_their_variant_and_none_is_lost(result):
    groups = by_variant(result)
    assert list(groups) == ["shapes", "default"]
    names = {variant: [row.name for group in found for row in group.rows] for variant, found in groups.items()}
    assert all(name.startswith("default_") for name in names["default"])
    assert sorted([*names["shapes"], *names["default"]]) == sorted({*result.figures, *result.published})


def test_a_figure_belongs_to_the_longest_variant_that_it_begins_with(result, evaluation):
    names = {"shapes": evaluation, "default": evaluation, "default_wide": evaluation}
    figures = {"accuracy": 0.1, "default_accuracy": 0.2, "default_wide_accuracy": 0.3}
    groups = by_variant(replace(result, evaluations=names, figures=figures, published={}))
    assert {name: found[0].rows[0].measured for name, found in groups.items()} == {
        "shapes": 0.1,
        "default": 0.2,
        "default_wide": 0.3,
    }


def test_a_figure_that_was_published_but_not_measured_stands_there_unmeasured():
    (group,) = grouped({}, {}, {"never_measured": 0.5})
    assert (group.title, group.rows[0].measured, group.rows[0].published) == ("Others", None, 0.5)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("accuracy", "Decisions"),
        ("argmax_agreement", "Attributes"),
        ("verdict_aurc_minus_msp", "Verdicts on errors"),
        ("msp_ood_star_auroc", "Images of no known class"),
        ("twins_across_roles", "Others"),
    ],
)
def test_figures_that_are_read_together_stand_together(name, title):
    assert grouped({name: 0.5})[0].title == title


@pytest.mark.parametrize(
    ("share", "written"),
    [
        (0.9995, "99.95 %"),
        (0.99999, "99.999 %"),
        (0.0004, "0.04 %"),
        (0.5, "50.0 %"),
        (0.0, "0 %"),
        (1 - 1e-16, "100 %"),
    ],
)
def test_nearly_all_is_not_written_as_all(share, written):
    assert percent(share) == written


def test_small_figures_keep_two_digits():
    assert [number(value) for value in (0.00123, 0.000123, -0.00004, 0.0)] == ["0.0012", "0.00012", "-4e-05", "0.0000"]


def test_figures_of_explanations_stand_together_and_say_whose_they_are():
    figures = dict.fromkeys(("pointing", "hybrid_iou", "posthoc_aopc_fine_gray", "mask_area_1e-6"), 0.5)
    (group,) = grouped(figures)
    assert group.title == "Explanations"
    assert all(row.meaning and is_shown(row) for row in group.rows)
    assert group.rows[1].meaning.endswith(", trained with object masks")
    assert group.rows[0].meaning == "maps whose highest value lies on the object"
