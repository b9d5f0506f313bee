"""Class-model visualization: an image, made from nothing, that a classifier takes for a class."""

import torch
from torch import Tensor, nn

from antehoc.cards import Card
from antehoc.errors import RecipeError
from antehoc.posthoc.probe import Probe, standing_still

_RATE = 0.05  # the largest change of a pixel in one step, about

ASCENT = Card(
    explanandum="the logit of one class, for no particular image",
    process="an even gray image is changed along the gradient until the logit is high; pixels far from gray cost",
    explanation="an image",
    requirement="sanity: which patterns, wanted or not, the classifier takes for the class",
    may_read="these patterns raise the class's logit",
    may_not_read="that any real image is classified for these patterns, or that the class looks like this",
    explainer="an optimizer, outside the classifier",
    explanee="developers and auditors",
    stage="post hoc",
    scope="global",
)


def gradient_ascent(
    classifier: nn.Module,
    target: int,
    size: tuple[int, int, int],
    *,
    steps: int = 200,
    decay: float = 1.0,
    device: torch.device | str = "cpu",
) -> Tensor:
    """An image that the classifier takes for a class: it shows what raises the class's logit.

    Args:
        classifier: maps images (B, C, H, W) in 0..1 to logits (B, K).
        target: the class.
        size: channels, height and width of the image.
        steps: of the optimizer (Adam); each is a forward and a backward pass.
        decay: the price, in logits, of the mean squared distance from gray.
        device: where the classifier is.
    Returns:
        The image (1, C, H, W) in 0..1; the same for the same arguments.
    Raises:
        RecipeError: if there is no step to take.
        DataError: if there is no such class.
        ModelError: if the classifier gives no logits (B, K), or lets no gradient through.
    Source:
        Simonyan, Vedaldi and Zisserman, "Deep Inside Convolutional Networks", ICLR workshop 2014, Eq. 1.
    Differs: the optimizer is Adam, pixels stay in 0..1 and the start is gray.
    """
    if steps < 1:
        raise RecipeError(f"gradient ascent needs one step or more; got {steps}.")
    probe, label = Probe(classifier, 1), torch.tensor([target], device=device)
    with standing_still(classifier):
        image = torch.full((1, *size), 0.5, device=device, requires_grad=True)
        optimizer = torch.optim.Adam([image], lr=_RATE, maximize=True)
        for _ in range(steps):
            image.grad = probe.slopes(probe.scores(image, label) - decay * (image - 0.5).square().mean(), image)[0]
            optimizer.step()
            image.data.clamp_(0, 1)
    return image.detach()
