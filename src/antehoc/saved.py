"""The files of a saved model, checked by name alone: without torch, so that a wrong path is reported at once."""

import os
from pathlib import Path

from antehoc.errors import ModelError, OutputError, out_of_reach, shown

FILES = ("README.md", "config.json", "model.safetensors")  #: of a saved model
BESIDE = frozenset(  #: what systems, hubs and people leave beside them, in lower case; it is never opened
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "lost+found"}
    | {f"{name}{suffix}" for name in ("license", "licence", "notice", "citation") for suffix in ("", ".txt", ".md")}
    | {"citation.cff", "citation.bib"}
)
_IN_A_RUN = ("main/model", "model")  # where `reproduce` and `train` save one


def check_files(folder: str | Path) -> Path:
    """The folder of a saved model, if it holds the three files and no others but those of `foreign`.

    Raises:
        ModelError: it does not; where the folder is that of a run, the message names the model in it.
    """
    folder = Path(folder)
    try:
        return _checked(folder)
    except OSError as error:
        raise ModelError(
            f"{folder}: the model cannot be read ({error.strerror}); check the path and its permissions."
        ) from error


def foreign(folder: Path) -> list[str]:
    """What in a folder is neither part of a saved model nor what systems and hubs leave there, sorted by name.

    Hidden files and folders, such as `.git`, `.gitattributes`, `.cache` and `.DS_Store`, do not count, nor do those of
    `BESIDE`: a loaded model reads its own files and no other.
    """
    names = (path.name for path in folder.iterdir())
    return sorted(name for name in names if name not in FILES and name[0] != "." and name.lower() not in BESIDE)


def _checked(folder: Path) -> Path:
    if said := out_of_reach(folder):
        raise ModelError(f"{folder}: the model cannot be read ({said}); check the path and its permissions.")
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such model folder; name one that holds {', '.join(FILES)}.")
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        saved = [folder / place for place in _IN_A_RUN if (folder / place / "config.json").is_file()]
        advice = f"the model of this run is {saved[0]}" if saved else "name a folder that antehoc saved"
        raise ModelError(f"{folder}: is not a saved model: {missing[0]!r} is missing; {advice}.")
    if strangers := foreign(folder):
        raise ModelError(
            f"{folder}: contains another file {strangers[0]!r}; a saved model is {', '.join(FILES)} and nothing else."
        )
    return folder


def check_new(folder: str | Path, model: str | Path | None = None) -> None:
    """Refuse a folder for a new model that exists, cannot be made, or lies in the folder of the old one.

    Raises:
        OutputError: naming it.
    """
    folder = Path(folder)
    if said := out_of_reach(folder):
        raise OutputError(f"{shown(folder)}: cannot be made ({said}); choose another folder with --out.")
    if os.path.lexists(folder):
        raise OutputError(f"{shown(folder)}: exists, and nothing is overwritten; choose another folder with --out.")
    if model is not None and Path(model).resolve() in folder.resolve().parents:
        raise OutputError(f"{shown(folder)}: lies in the folder of the old model; choose another folder with --out.")
    above = next(parent for parent in folder.absolute().parents if os.path.lexists(parent))
    if not os.path.isdir(above) or not os.access(above, os.W_OK):
        raise OutputError(f"{shown(folder)}: cannot be made in {shown(above)}; choose another folder with --out.")
