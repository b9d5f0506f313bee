"""Images dealt out to parts in given shares: class by class, and what belongs together in one part."""

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from torch import Tensor


def together(digests: Sequence[bytes], groups: Sequence[str] | None = None) -> list[int]:
    """The unit of each image: equal images are one unit, and so are the images of a group.

    An image of one group that equals one of another joins the two groups.

    Args:
        digests: a hash of each image's bytes.
        groups: the name of each image's group, empty where it has none.
    Returns:
        A number for each image, the same for images that belong together: that of the first of them.
    Example:
        >>> together([b"a", b"b", b"a", b"c", b"d"], ["", "gull", "", "gull", ""])
        [0, 1, 0, 1, 4]
    """
    parent = list(range(len(digests)))
    first: dict[Hashable, int] = {}
    for row, digest in enumerate(digests):
        keys: list[Hashable] = [digest, *([("group", groups[row])] if groups and groups[row] else [])]
        for key in keys:
            if (other := first.setdefault(key, row)) != row:
                low, high = sorted((_root(parent, row), _root(parent, other)))
                parent[high] = low
    return [_root(parent, row) for row in range(len(digests))]


def _root(parent: list[int], row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]  # shortens the way for the next
        row = parent[row]
    return row


def label_sets(labels: Tensor) -> list[list[int]]:
    """The numbers of each image's classes, from (n,) class numbers or (n, K) labels of 0 and 1."""
    if labels.ndim == 1:
        return [[int(label)] for label in labels]
    return [row.nonzero()[:, 0].tolist() for row in labels]


def apportioned(weights: Sequence[float], count: int) -> list[int]:
    """Whole numbers that sum to `count`, each within one of its share by the weights (largest remainder).

    Args:
        weights: 0 or more, not all 0.
        count: 0 or more.
    Source:
        Hamilton's method of apportionment; of equal remainders the first is rounded up.
    Example:
        >>> apportioned([0.6, 0.1, 0.15, 0.15], 10)
        [6, 1, 2, 1]
    """
    exact = [weight * count / sum(weights) for weight in weights]
    found = [math.floor(value + 1e-9) for value in exact]  # 0.15 * 480 is 72, not 71.99
    order = sorted(range(len(exact)), key=lambda part: (round(found[part] - exact[part], 9), part))
    for part in order[: count - sum(found)]:
        found[part] += 1
    return found


def quotas(counts: Sequence[int], shares: Sequence[float]) -> list[list[int]]:
    """How many images of each class go to each part, so that the parts' totals are exact to one image.

    From the rarest class on, each is apportioned by what is left of the totals: what rounding gives a part too much
    in one class, the next classes take back. Every class gives the first part one image or more.

    Args:
        counts: images of each class, 1 or more.
        shares: of the parts, as ratios.
    Returns:
        For each class, in the order given, the images of each part; they sum to the class's count. Summed over
        classes they are the shares of all images, rounded by largest remainder, unless the first part gets more, for
        classes that are too rare.
    Example:
        >>> quotas([5, 1, 4], [0.6, 0.2, 0.2])
        [[3, 1, 1], [1, 0, 0], [2, 1, 1]]
    """
    left = apportioned(shares, sum(counts))
    found: list[list[int]] = [[] for _ in counts]
    for row in sorted(range(len(counts)), key=lambda row: counts[row]):
        own = apportioned([float(max(rest, 0)) for rest in left], counts[row])
        if not own[0]:
            own[max(range(len(own)), key=lambda part: own[part])] -= 1
            own[0] = 1
        left = [rest - took for rest, took in zip(left, own, strict=True)]
        found[row] = own
    return found


@dataclass
class _Unit:
    """Images that belong together."""

    rows: list[int]
    key: bytes  #: a seeded hash of their bytes: the order in which units are dealt out
    labels: Counter[int]  #: how many of the images have each label


def stratified(
    digests: Sequence[bytes],
    labels: Sequence[Sequence[int]],
    units: Sequence[int],
    shares: Sequence[float],
    *,
    seed: int,
) -> list[int]:
    """The part of each image: every class is dealt out in the shares, and what belongs together stays together.

    From the rarest label on, the units of a label go one by one, large ones first, then by a seeded hash, to the part
    that lacks most of the label's images and, for units of several images, of all images so far. A label's last unit
    goes to the first part if that part has none of the label yet. With one label per image and units of one image the
    parts have exactly the sizes of `quotas`; with several labels, or larger units, they come near: labels are kept
    before totals.

    Args:
        digests: a hash of each image's bytes.
        labels: the class numbers of each image: one, several or none.
        units: the unit of each image, as `together` numbers them.
        shares: of the parts, as ratios; the first is the training part.
        seed: another seed deals in another order.
    Returns:
        The number of each image's part. It depends on seed, shares, hashes, labels and units, not on the order of
        the images.
    Source:
        Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data", ECML PKDD 2011, algorithm 1.
        Differs: the order of units is a seeded hash, not random, ties fall to the first part, and labels keep the
        order of their number of images at the start.
    """
    pending = _units(digests, labels, units, seed)
    counts = Counter(label for own in labels for label in own)
    order = _label_order(pending, counts)
    ratios = [share / sum(shares) for share in shares]
    wanted = quotas([counts[label] for label in order], shares)
    deal = _Deal(ratios, dict(zip(order, wanted, strict=True)), apportioned(shares, len(digests)), pending)
    place = {label: number for number, label in enumerate(order)}
    turns: list[list[_Unit]] = [[] for _ in (*order, None)]  # at last the units without a label
    for unit in pending:
        turns[min((place[label] for label in unit.labels), default=-1)].append(unit)
    found = [0] * len(digests)
    for own, label in zip(turns, (*order, None), strict=True):
        for unit in own:
            part = deal.choose(unit, label)
            for row in unit.rows:
                found[row] = part
    return found


def _units(digests: Sequence[bytes], labels: Sequence[Sequence[int]], units: Sequence[int], seed: int) -> list[_Unit]:
    """The units in the order in which they are dealt out."""
    rows: dict[int, list[int]] = {}
    for row, unit in enumerate(units):
        rows.setdefault(unit, []).append(row)
    made = []
    for own in rows.values():
        content = b"".join(sorted({digests[row] for row in own}))
        key = blake2b(content + str(seed).encode(), digest_size=16).digest()
        made.append(_Unit(own, key, Counter(label for row in own for label in labels[row])))
    return sorted(made, key=lambda unit: (-len(unit.rows), unit.key))


def _label_order(units: Sequence[_Unit], counts: Mapping[int, int]) -> list[int]:
    """The labels from the rarest on; equal ones by their smallest hash, not by number."""
    smallest: dict[int, bytes] = {}
    for unit in units:
        for label in unit.labels:
            smallest[label] = min(smallest.get(label, unit.key), unit.key)
    return sorted(counts, key=lambda label: (counts[label], smallest[label]))


class _Deal:
    """What each part still lacks, in all and of each label."""

    def __init__(
        self, ratios: list[float], lacking: dict[int, list[int]], capacity: list[int], units: Sequence[_Unit]
    ) -> None:
        self.ratios, self.lacking, self.capacity = ratios, lacking, capacity
        self.held, self.trained = [0] * len(ratios), set[int]()
        self.units_left = Counter(label for unit in units for label in unit.labels)

    def choose(self, unit: _Unit, label: int | None) -> int:
        """The part of a unit, which is then counted as dealt."""
        last = any(self.units_left[own] == 1 and own not in self.trained for own in unit.labels)
        part = 0 if last else self._best(unit, label)
        self.held[part] += len(unit.rows)
        self.capacity[part] -= len(unit.rows)
        for own, count in unit.labels.items():
            self.lacking[own][part] -= count
            self.units_left[own] -= 1
        if part == 0:
            self.trained.update(unit.labels)
        return part

    def _best(self, unit: _Unit, label: int | None) -> int:
        size, parts, labels = len(unit.rows), list(range(len(self.ratios))), list(unit.labels)
        if label is not None:
            parts = [part for part in parts if self.lacking[label][part] >= unit.labels[label]] or parts
        lack = [float(sum(self.lacking[own][part] for own in labels)) for part in parts]
        if size > 1 or label is None:  # what is lacking so far: spreads what large units must overshoot
            dealt = sum(self.held) + size
            lack = [own + self.ratios[part] * dealt - self.held[part] for own, part in zip(lack, parts, strict=True)]
        best = max(range(len(parts)), key=lambda place: (lack[place], self.capacity[parts[place]]))
        return parts[best]  # the first of equal ones
