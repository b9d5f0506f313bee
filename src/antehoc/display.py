"""Results that show themselves: in a notebook, as a picture, as a table, and as plain values."""

from abc import ABC, abstractmethod
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from torch import Tensor

from antehoc.errors import RecipeError, install

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Displayed(ABC):
    """A result that a notebook shows as it is, and that becomes a picture, a table or plain values.

    A subclass says what it holds. How that looks is decided in one place, `antehoc.report.display`, for all of them.
    """

    @abstractmethod
    def headline(self) -> str:
        """What was found, in a few sentences."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them: None for NaN and infinity. Images and maps are left out."""

    @abstractmethod
    def records(self) -> list[dict[str, Any]]:
        """The rows of `to_pandas`, each by the names of its columns."""

    def to_pandas(self) -> Any:
        """The result as a pandas DataFrame.

        Raises:
            RecipeError: if pandas is not installed.
        """
        if find_spec("pandas") is None:
            raise RecipeError(f"to_pandas needs pandas; {install('pandas')}.")
        return import_module("pandas").DataFrame(self.records())

    def plot(self, image: Tensor | Image.Image | None = None) -> "Figure":
        """The result as a Matplotlib figure.

        Args:
            image: what the masks of a decision lie over: (C, H, W) in 0..1 or a picture, as the model saw it. Without
                it they stand alone. Other results hold their images.
        """
        figure: Figure = _report().figure(self, image)
        return figure

    def save(self, path: str | Path, image: Tensor | Image.Image | None = None) -> None:
        """Write the picture of `plot` to a file.

        Args:
            path: ends in .png, .pdf or .svg.
            image: as for `plot`.
        Raises:
            OutputError: for another ending, or where the file cannot be written.
        """
        _report().save(self, Path(path), image)

    def _repr_html_(self) -> str:
        return str(_report().fragment(self))


def _report() -> Any:
    # the report stands above its results, which are made without it: it is loaded by name when one is to be shown
    return import_module("antehoc.report.display")
