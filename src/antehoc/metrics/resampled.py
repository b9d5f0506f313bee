"""Measures of a verdict on rows that count several times each: what a bootstrap needs, for many draws at once."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from antehoc.metrics.selective import exact_scores
from antehoc.types import Flags, Scores, checked

Counts = Int[Tensor, "draws places"]
Drawn = Float[Tensor, " draws"]

_AT_ONCE = 4_000_000  # counts that are worked on together: some 100 MB


@checked
def weighted_auroc(errors: Counts, correct: Counts) -> Drawn:
    """`auroc` of each draw, from how many wrong and correct rows it has at each place, the lowest score first."""
    twice = (errors * (2 * (correct.cumsum(1) - correct) + correct)).sum(1)
    return twice.double() / (2 * errors.sum(1) * correct.sum(1))


@checked
def weighted_aurc(errors: Counts, correct: Counts) -> Drawn:
    """`aurc` of each draw, from how many wrong and correct rows it has at each place, the lowest score first.

    A place of m rows with e errors, after c rows with E errors, adds the sum over i = 1..m of (E + e i/m) / (c + i).
    With the harmonic numbers H that is (E - c e/m) (H(c+m) - H(c)) + e: no row is visited.
    """
    size = errors + correct
    c, E = size.cumsum(1) - size, errors.cumsum(1) - errors
    rows = size.sum(1)
    H = torch.arange(1, int(rows.max()) + 1, dtype=torch.float64).reciprocal().cumsum(0)
    H = torch.cat([H.new_zeros(1), H])
    rise = errors / size.clamp(min=1).double()
    return ((E - c * rise) * (H[c + size] - H[c]) + errors).sum(1) / rows


@checked
def weighted_augrc(errors: Counts, correct: Counts) -> Drawn:
    """`augrc` of each draw, from how many wrong and correct rows it has at each place, the lowest score first."""
    size = errors + correct
    twice = (size * (2 * errors.cumsum(1) - errors)).sum(1)
    return twice.double() / (2 * size.sum(1) ** 2)


@checked
def resampled(score: Scores, wrong: Flags, counts: Int[Tensor, "draws batch"]) -> dict[str, Drawn]:
    """`auroc`, `aurc` and `augrc` of every draw of the rows.

    Two scores of the same rows are compared in pairs by giving both the same counts.

    Args:
        score: higher is more doubtful.
        wrong: True for what the score should find.
        counts: how often each draw holds each row, 0 or more.
    Returns:
        By measure, one value for each draw; NaN where it has no answer.
    Raises:
        DataError: if a score is NaN.
    Example:
        >>> score, wrong = torch.tensor([0.1, 0.2, 0.9]), torch.tensor([False, False, True])
        >>> resampled(score, wrong, torch.tensor([[1, 1, 1]]))["augrc"]
        tensor([0.0556], dtype=torch.float64)
    """
    exact = exact_scores(score)
    order = exact.argsort()
    ends = torch.cat([exact[order].diff() != 0, torch.ones(min(1, len(order)), dtype=torch.bool)])  # of equal scores
    found: dict[str, list[Tensor]] = {"auroc": [], "aurc": [], "augrc": []}
    for part in torch.split(counts, max(1, _AT_ONCE // max(1, len(order)))):
        drawn = part[:, order].long()
        errors, rows = ((drawn * flag).cumsum(1)[:, ends] for flag in (wrong[order].long(), 1))
        errors, rows = (torch.cat([one[:, :1], one.diff(dim=1)], 1) for one in (errors, rows))
        found["auroc"].append(weighted_auroc(errors, rows - errors))
        found["aurc"].append(weighted_aurc(errors, rows - errors))
        found["augrc"].append(weighted_augrc(errors, rows - errors))
    return {name: torch.cat(parts) for name, parts in found.items()}
