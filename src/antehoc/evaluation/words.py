"""What scores and sets of images are called in the meanings of figures."""

_SCORES = {
    "verdict": "the verdict",
    "msp": "maximum softmax",
    "support": "the support rule",
    "top-n": "the rank of the class by the top-n rule as published",
    "top-n-centred": "the rank of the class by the corrected top-n rule",
    "likelihood": "the likelihood (another class fits the attributes better)",
    "profile": "the profile (the attributes look like those of another class)",
    "distance": "the distance of the features from the class",
    "rival": "the rival (the features look like those of another class)",
    "stages": "the stages (the image as a whole is unlike the training images)",
    "sufficiency": "sufficiency (what the mask shows does not carry the decision)",
    "necessity": "necessity (the decision stays without what the mask shows)",
    "whole": "the whole image (without its mask, it is decided otherwise)",
    "margin": "the margin between the two highest logits",
    "entropy": "the entropy of the class probabilities",
}
_SETS = {"left_out": "the classes left out"}


def score_words(name: str) -> str:
    """What a verdict, a rule or a doubt is called in a sentence.

    Example:
        >>> score_words("msp"), score_words("my_doubt")
        ('maximum softmax', 'my doubt')
    """
    return _SCORES.get(name, spaced(name))


def set_words(name: str) -> str:
    """What a set of images is called in a sentence.

    Example:
        >>> set_words("left_out"), set_words("my_mnist")
        ('the classes left out', 'my mnist')
    """
    return _SETS.get(name, spaced(name))


def spaced(name: str) -> str:
    """A name with spaces where it has underscores."""
    return name.replace("_", " ")
