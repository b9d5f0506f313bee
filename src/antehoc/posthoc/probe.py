"""A classifier that is asked in chunks, standing still: what every post-hoc method is made of."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, nn

from antehoc.errors import DataError, ModelError
from antehoc.task import Task, checked_logits, log_probabilities


class Probe:
    """A classifier, how many images it may see at once, and how many it has seen.

    Args:
        classifier: maps images (B, C, H, W) to logits (B, K).
        chunk: the most images in one call.
        task: whether the classes share a softmax, or each has a sigmoid.
        normalize: images in 0..1 to what the classifier takes, differentiable; None: it takes them as they are.
    """

    def __init__(
        self,
        classifier: nn.Module,
        chunk: int,
        task: Task = "single-label",
        normalize: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.classifier, self.chunk, self.task, self.normalize = classifier, chunk, task, normalize
        self.forward = self.backward = 0  #: images that went through, either way

    def logits(self, images: Tensor) -> Tensor:
        """(B, K) of at most `chunk` images.

        Raises:
            ModelError: if the classifier gives anything else.
        """
        self.forward += len(images)
        given = images if self.normalize is None else self.normalize(images)
        return checked_logits(self.classifier, self.classifier(given), len(images), self.task)

    @torch.no_grad()
    def all_logits(self, images: Tensor) -> Tensor:
        """(B, K) of any number of images, without gradients."""
        return torch.cat([self.logits(images[part]) for part in self.parts(len(images))])

    def scores(self, images: Tensor, target: Tensor, *, log_probability: bool = False) -> Tensor:
        """The logit (B,) of each image's target, or its log-probability.

        Raises:
            DataError: if there is no such class.
        """
        return self.chosen(self.logits(images), target, log_probability=log_probability)

    def chosen(self, logits: Tensor, target: Tensor, *, log_probability: bool = False) -> Tensor:
        """Of logits (B, K) the one (B,) of each target, or its log-probability.

        Raises:
            DataError: if there is no such class.
        """
        classes = logits.shape[1]
        if not bool(((target >= 0) & (target < classes)).all()):
            raise DataError(f"a target must be a class in 0..{classes - 1}; got {target.tolist()}.")
        if log_probability:
            logits = log_probabilities(self.task, logits)
        return logits.gather(1, target[:, None])[:, 0]

    def slopes(self, scores: Tensor, *at: Tensor) -> tuple[Tensor, ...]:
        """How each image's score changes with each of `at`, of which row i touches score i alone.

        Raises:
            ModelError: if no gradient flows.
        """
        if not scores.requires_grad:
            raise ModelError(
                f"no gradient flows through {type(self.classifier).__name__} (a torch.no_grad inside?); "
                "use a method that needs only logits, such as rise or occlusion."
            )
        self.backward += len(scores)
        return torch.autograd.grad(scores.sum(), at, materialize_grads=True)

    def gradient(self, images: Tensor, target: Tensor) -> Tensor:
        """The gradient (B, C, H, W) of each image's target logit by its pixels."""
        images = images.detach().clone().requires_grad_()
        return self.slopes(self.scores(images, target), images)[0]

    def parts(self, count: int) -> Iterator[slice]:
        """`count` rows in chunks."""
        return (slice(start, min(start + self.chunk, count)) for start in range(0, count, self.chunk))


class Asked:
    """The scores of a class on changed versions of an image, and how far apart they lie.

    Args:
        probe: of the classifier.
        target: the class of one image () whose versions come in any number, or of B images (B,) that come together.
        log_probability: whether a score is the class's log-probability; else it is its logit.
    """

    def __init__(self, probe: Probe, target: Tensor, *, log_probability: bool = False) -> None:
        self.probe, self.target, self.log_probability = probe, target, log_probability
        self._scores: list[Tensor] = []
        self._logits: list[Tensor] = []
        self._largest: list[Tensor] = []

    def __call__(self, images: Tensor) -> Tensor:
        """The scores (B,) of at most a chunk of versions."""
        logits, target = self.probe.logits(images), self.target.expand(len(images))
        scores = self.probe.chosen(logits, target, log_probability=self.log_probability)
        known = logits.detach()
        known = known.masked_fill(~known.isfinite(), 0)  # minus infinity is the logit of a probability of 0
        self._scores.append(scores.detach())
        self._logits.append(self.probe.chosen(known, target))
        self._largest.append(known.abs().amax(1))
        return scores

    def spread(self) -> Tensor:
        """From the least to the highest logit of the class, as a share of the largest of any class, () or (B,).

        Next to nothing is rounding: no change made a difference. So it is where log-probabilities are all the same,
        however far apart the logits lie.
        """
        join = torch.stack if self.target.dim() else torch.cat
        scores, logits, largest = join(self._scores), join(self._logits), join(self._largest)
        return torch.minimum(_extent(logits, largest), _extent(scores, scores.abs()))


def _extent(values: Tensor, sizes: Tensor) -> Tensor:
    """From the least to the highest value along the first dimension, as a share of the largest size."""
    return (values.amax(0) - values.amin(0)) / sizes.amax(0).clamp(min=torch.finfo(values.dtype).tiny)


@contextmanager
def standing_still(classifier: nn.Module) -> Iterator[None]:
    """Eval mode and frozen parameters for a while; every mode and flag is restored, also after an error.

    An exported program has no modes and stays as it is.

    Raises:
        ModelError: the weights were created in inference mode, so that no gradient can pass them.
    """
    if any(parameter.is_inference() for parameter in classifier.parameters()):
        raise ModelError(
            f"the weights of {type(classifier).__name__} were created in torch.inference_mode, without gradients;"
            " create or load the classifier outside of it."
        )
    modes = [(part, part.training) for part in classifier.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in classifier.parameters()]
    try:
        with suppress(NotImplementedError):  # of an exported program
            classifier.eval()
        classifier.requires_grad_(False)  # not chained: a `train` of the user's may return nothing
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for part, training in modes:
            part.training = training
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
