"""Doubts by name. Each sets the explanation against the decision; higher means that they disagree more.

`DOUBTS` holds, side by side, what computes a doubt, the code and the sentence of the reason that it gives, and what
figures call it. A doubt of the decision alone is a function of the task and the logits, and every system has it. For
the others, a system passes what its explanation needs, in `System.doubts`.
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from antehoc.doubts import certainty, likelihood, masks, neighbors, rules
from antehoc.doubts.distance import ClassGaussians
from antehoc.doubts.neighbors import TrainingImages
from antehoc.doubts.temperature import Temperature


class Doubt(NamedTuple):
    """One doubt: its function, the reason that it gives, and its name in words."""

    function: Callable[..., Tensor]
    code: str  #: of its reason, for programs
    sentence: str  #: of its reason; `{name}` is the decided class, in quotes
    words: str  #: what figures call it
    of_decision: bool = False  #: a function of the task and the logits alone, which every system has
    about: tuple[str, ...] = ("wrong",)  #: what it finds: `wrong` decisions, `unknown` images; or no default doubt
    alone: bool = False  #: its reason is given only where nothing else speaks against a questioned decision


DOUBTS: dict[str, Doubt] = {
    "stages": Doubt(
        ClassGaussians.forward,
        "unlike-training",
        "the image as a whole is unlike the training images",
        "the stages (the image as a whole is unlike the training images)",
        about=("unknown",),
    ),
    "distance": Doubt(
        ClassGaussians.forward,
        "unlike-training",
        "the image is unlike the training images of the class {name}",
        "the distance of the features from the class",
        about=("unknown",),
    ),
    "rival": Doubt(
        ClassGaussians.rival,
        "like-another-class",
        "the image is closer to the training images of another class than is usual for {name}",
        "the rival (the features look like another class's)",
    ),
    "profile": Doubt(
        ClassGaussians.rival,
        "like-another-class",
        "the attributes as a whole look more like another class than is usual for {name}",
        "the profile (the attributes look like another class's)",
    ),
    "likelihood": Doubt(
        likelihood.likelihood,
        "attributes-unsure",
        "the attributes fit the class {name} less clearly than in correct decisions",
        "the likelihood (another class fits the attributes better)",
        alone=True,
    ),
    "support": Doubt(
        rules.support,
        "support",
        "another class has more of its expected attributes present than {name}",
        "the papers' support rule",
        alone=True,
        about=(),
    ),
    "top-n": Doubt(
        rules.top_n,
        "top-n",
        "the attributes fit several other classes as well as {name}, or better",
        "the rank of the class by the thesis's top-n rule",
        alone=True,
        about=(),
    ),
    "top-n-centred": Doubt(
        rules.top_n,
        "top-n",
        "the attributes fit several other classes as well as {name}, or better",
        "the rank of the class by the top-n rule without its faults",
        alone=True,
        about=(),
    ),
    "sufficiency": Doubt(
        masks.sufficiency,
        "mask-not-enough",
        "what the mask shows supports the class {name} less by itself than in correct decisions",
        "sufficiency (what the mask shows does not support the decision)",
    ),
    "necessity": Doubt(
        masks.necessity,
        "mask-not-needed",
        "without what the mask shows, the class {name} remains more probable than in correct decisions",
        "necessity (the decision stays without what the mask shows)",
    ),
    "whole": Doubt(
        masks.whole,
        "whole-disagrees",
        "on the whole image the class {name} is less probable than in correct decisions",
        "the whole image (without its mask the classifier decides otherwise)",
    ),
    "margin": Doubt(
        certainty.margin,
        "unsure",
        "the classifier itself is unsure: its second choice is close",
        "the margin between the two best logits",
        of_decision=True,
        about=(),
    ),
    "neighbors": Doubt(
        neighbors.neighbors,
        "neighbors",
        "the most similar training images belong to other classes than {name}",
        "the neighbors (similar training images belong to other classes)",
    ),
    "knn": Doubt(
        neighbors.knn,
        "unlike-training",
        "no training image looks like this one",
        "the distance to the nearest training images",
        about=("unknown",),
    ),
    "energy": Doubt(
        certainty.energy,
        "little-evidence",
        "the classifier finds little evidence for any class",
        "the energy (little evidence for any class)",
        of_decision=True,
        about=("unknown",),
    ),
    "confidence": Doubt(
        Temperature.forward,
        "unsure",
        "the classifier itself is unsure: its second choice is close",
        "maximum softmax with fitted temperature",
        about=(),
    ),
    "entropy": Doubt(
        certainty.entropy,
        "unsure",
        "the classifier itself is unsure: its second choice is close",
        "the entropy of the class probabilities",
        of_decision=True,
        about=(),
    ),
    "softmax": Doubt(
        certainty.maximum_softmax,
        "unsure",
        "the classifier itself is unsure: its second choice is close",
        "maximum softmax",
        of_decision=True,
        about=(),
    ),
}

__all__ = ["DOUBTS", "ClassGaussians", "Doubt", "Temperature", "TrainingImages"]
