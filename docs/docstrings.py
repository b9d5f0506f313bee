"""How the site reads our docstrings: their sections follow each other without the empty lines that griffe wants."""

import re
from typing import Any

import griffe


class Sections(griffe.Extension):
    """Puts those lines in, and calls `Example` what griffe knows as `Examples`, so that it is shown as code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each module, class and function."""
        if obj.docstring:
            parted = re.sub(
                r"\n(?=(?:Args|Attributes|Returns|Raises|Source|Differs|Example):)", "\n\n", obj.docstring.value
            )
            obj.docstring.value = parted.replace("\nExample:", "\nExamples:").replace("\nDiffers: ", "\nDiffers:\n    ")
