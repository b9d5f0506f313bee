"""A data set, ready to train on: what a model must know of it, its images by role, and what is unknown to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from antehoc.data.examples import Examples
from antehoc.data.outliers import Maker, built_in
from antehoc.data.preprocessing import Preprocessing
from antehoc.task import check_labels
from antehoc.types import DataSpec, Role


@dataclass(frozen=True)
class Source:
    """A data set, ready to train on.

    Raises:
        DataError: if a role has labels that do not fit the task of the spec.
    """

    spec: DataSpec
    roles: Mapping[Role, Examples]
    preprocessing: Preprocessing
    seed: int | None = None  #: of the generator, or of the split where one was drawn
    notes: tuple[str, ...] = ()  #: what a person should know of how it was put together, a sentence each
    left_out: Examples | None = None  #: test images of classes that were kept out: unknown ones
    own_unknown: Mapping[str, Maker] = field(default_factory=dict)  #: kinds that this set alone makes, or its own way
    shared_images_allowed: bool = False  #: whether one image may play two roles: a fault that a recipe asked for

    def __post_init__(self) -> None:
        for role, examples in self.roles.items():
            if examples.labels_known:
                check_labels(self.spec.task, examples.labels, len(self.spec.classes), role)

    @property
    def unknown(self) -> Mapping[str, Maker]:
        """Images of no known class, and test images that are hard to know, by kind, at the model's size.

        Every set has noise and strange shapes; sets of image files also have altered test images. A maker takes how
        many images are wanted and the seed of the run.
        """
        return {**built_in(self.preprocessing, self.roles.get("test")), **self.own_unknown}
