"""The version of the installed package."""

from importlib.metadata import PackageNotFoundError, version


def installed() -> str:
    """The version, or `not installed` where the package is used from its folder."""
    try:
        return version("antehoc")
    except PackageNotFoundError:
        return "not installed"
