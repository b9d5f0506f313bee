"""What a model must know of its data."""

from dataclasses import dataclass

from antehoc.errors import DataError
from antehoc.task import Task


@dataclass(frozen=True)
class DataSpec:
    """What a model must know of its data, and nothing else: names, sizes, and what is expected of each class.

    Raises:
        DataError: where the parts contradict each other.
    Example:
        >>> spec = DataSpec(("cat", "fox"), 1, 8, 8, ("red",), ((0.0,), (1.0,)))
        >>> spec.classes[1], spec.class_attributes[1]
        ('fox', (1.0,))
    """

    classes: tuple[str, ...]
    channels: int  #: 1 (gray) or 3 (RGB)
    height: int  #: pixels
    width: int  #: pixels
    attributes: tuple[str, ...] = ()
    class_attributes: tuple[tuple[float, ...], ...] = ()  #: P(attribute | class): a row per class, in 0..1
    exclusive: tuple[tuple[int, ...], ...] = ()  #: groups of attribute numbers of which exactly one holds
    at_most_one: tuple[tuple[int, ...], ...] = ()  #: groups of which one holds or none
    groups: tuple[tuple[int, ...], ...] = ()  #: attributes that answer one question, such as the color of the bill
    absent: str | None = None  #: the class that means "nothing of the kind is there", if there is one
    task: Task = "single-label"  #: one label per image, or several

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise DataError(f"a classifier needs two or more classes of different names; got {list(self.classes)}.")
        if self.channels not in (1, 3):
            raise DataError(f"images have 1 channel (gray) or 3 (RGB); got {self.channels}.")
        self._check_attributes()
        if self.absent is not None and self.absent not in self.classes:
            raise DataError(f"the class for 'nothing is there', {self.absent!r}, is not one of {list(self.classes)}.")
        if self.absent is not None and self.task == "multi-label":
            raise DataError(
                f"with several labels an image may have none, so the class {self.absent!r} is not needed; leave it out."
            )

    def _check_attributes(self) -> None:
        if len(set(self.attributes)) != len(self.attributes):
            raise DataError(f"attributes need different names; got {list(self.attributes)}.")
        rows = len(self.classes) if self.attributes else 0
        if len(self.class_attributes) != rows or any(len(r) != len(self.attributes) for r in self.class_attributes):
            raise DataError(
                f"the class-attribute matrix must have {rows} rows (classes) of {len(self.attributes)} (attributes)."
            )
        if not all(0 <= value <= 1 for row in self.class_attributes for value in row):
            raise DataError("the class-attribute matrix holds a number outside 0..1; it holds P(attribute | class).")
        for kind, groups in (("exclusive", self.exclusive + self.at_most_one), ("question", self.groups)):
            members = [member for group in groups for member in group]
            if not all(groups):
                raise DataError(f"{kind} groups name one attribute or more each; got {groups}.")
            if len(set(members)) != len(members) or not all(0 <= member < len(self.attributes) for member in members):
                raise DataError(f"{kind} groups name each attribute once, by number; got {groups}.")
