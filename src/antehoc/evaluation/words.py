"""What scores and sets of images are called in the meanings of figures."""

from antehoc.doubts import DOUBTS
from antehoc.evaluation.scoring import BASELINE

_SETS = {"left_out": "the classes left out"}


def score_words(name: str) -> str:
    """What a verdict, a rule or a doubt is called in a sentence.

    Example:
        >>> score_words("msp"), score_words("my_doubt")
        ('maximum softmax', 'my doubt')
    """
    if name == "verdict":
        return "the verdict"
    doubt = DOUBTS.get(BASELINE if name == "msp" else name)
    return spaced(name) if doubt is None else doubt.words


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
