"""How a verdict is to be read: what was promised, and what was not."""

from antehoc.blocks import Note, Section
from antehoc.calibration import Guarantee, Policy, proven_alpha
from antehoc.calibration.choice import why
from antehoc.calibration.product import CONFIDENCE
from antehoc.figure import number, percent

_TITLE = "How to read the verdict"
_FREE = 1e300  # a threshold above this means that there is none
_KEPT: dict[Guarantee, str] = {
    "expected": "as an expectation over draws of the calibration images",
    "binomial": "with a probability of 95 % over draws of the calibration images",
    "cross": "in expectation, as far as networks trained on most of the images score as the one that is kept",
}
_NOT_PROMISED = (
    "that an accepted decision is correct; that a given share of wrong decisions is found; that alpha"
    " holds for each class alone, or on images from elsewhere, such as another camera; that an image of no known class"
    " is questioned. How often that happens is measured, not guaranteed."
)


def reading(policy: Policy | None) -> Section:
    """How the verdicts of a policy are to be read; without one, that there are none."""
    if policy is None:
        return Section(_TITLE, (Note("This model was never calibrated: its decisions carry no verdict."),))
    limit = number(policy.threshold, "quantity") if policy.threshold < _FREE else "no finite number"
    score = (
        f"A decision is questioned where its score is above the threshold, {limit}. The score is higher the more"
        f" decision and reasons disagree. {_made(policy)}"
    )
    return Section(
        _TITLE, (Note(score), Note(_promised(policy), lead="Promised:"), Note(_NOT_PROMISED, lead="Not promised:"))
    )


def _made(policy: Policy) -> str:
    """What the score is made of."""
    own = sum(threshold is not None for threshold in policy.class_thresholds)
    apart = f" Of the {len(policy.class_thresholds)} classes, {own} have a threshold of their own." if own else ""
    return (_multiplied(policy) if policy.products else _added(policy)) + apart


def _multiplied(policy: Policy) -> str:
    """How a score of products is made, and why by these doubts."""
    for_errors, *others = policy.products
    names = [name for name in for_errors.doubts if name != CONFIDENCE]
    made = "For wrong decisions it is maximum softmax (temperature fitted)"
    made += f" times a factor for each of {', '.join(names)}, which grows where the doubt is unusual." if names else "."
    if others:
        listed = ", ".join(name for name in others[0].doubts if name != CONFIDENCE)
        made += f" A second score, of {listed}, is for images of no known class; the larger of the two counts."
    chosen = why(policy.method, policy.candidates, policy.fit_errors)
    on = f" {policy.fit_rows:,} decisions by networks that were not trained on these images fitted and chose the rule,"
    return f"{made}{on} {policy.fit_errors:,} of them wrong. {chosen}".rstrip()


def _added(policy: Policy) -> str:
    """What a sum of evidence, or one doubt, is made of."""
    weights = ", ".join(
        f"{name} (weight {number(weight, 'probability')})"
        for name, weight in zip(policy.doubts, policy.weights, strict=True)
    )
    return {
        "combined": f"It adds up the evidence of several doubts: {weights}. Their weights were fitted on"
        f" {policy.fit_rows:,} decisions by networks that were not trained on these images; {policy.fit_errors:,} of"
        " them were wrong.",
        "equal-weights": f"It adds up the evidence of several doubts, {', '.join(policy.doubts)}, which count equally:"
        f" {policy.fit_errors:,} wrong decisions among {policy.fit_rows:,} were too few to fit weights.",
    }.get(policy.method, f"It is the doubt called {policy.method}, as it is.")


def _promised(policy: Policy) -> str:
    asked = ""
    if policy.alpha > policy.asked_alpha:
        asked = f" ({percent(policy.asked_alpha)} was asked for, but the calibration images were too few to keep it)"
    if policy.guarantee == "cross":
        return (
            f"about {percent(policy.alpha)} (alpha) of correct decisions are questioned{asked}, {_KEPT['cross']}. The"
            f" threshold is cross-conformal: {policy.threshold_rows:,} correct decisions set it, on calibration images"
            " and on training images by networks that were trained on the other folds. For cross-conformal prediction"
            f" itself, which keeps all these networks, {percent(proven_alpha(policy.alpha, policy.threshold_rows))} is"
            " proven; the share measured on test images is what counts."
        )
    return (
        f"at most {percent(policy.alpha)} (alpha) of correct decisions are questioned{asked},"
        f" {_KEPT[policy.guarantee]}, on images drawn as those were. The threshold was set by"
        f" {policy.threshold_rows:,} correct decisions that were used neither for training nor for fitting."
    )
