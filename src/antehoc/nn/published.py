"""Where the published weights of a network of timm come from, and whether they can be had here."""

import urllib.request
from typing import NamedTuple

import timm
from huggingface_hub import constants, try_to_load_from_cache

_FILE = "model.safetensors"
_SECONDS = 5  #: to wait for the hub


class Published(NamedTuple):
    """The weights that `weights: true` takes."""

    page: str  #: where a person can download them
    here: bool  #: whether they are in the hub's cache, or the hub answers


def published(name: str) -> Published:
    """The published weights of a network of timm; asks the hub for them where its cache does not hold them."""
    config = timm.get_pretrained_cfg(name)
    repository = f"timm/{name}.{config.tag}" if config and config.tag else f"timm/{name}"
    page = f"{constants.ENDPOINT}/{repository}"
    if isinstance(try_to_load_from_cache(repository, _FILE), str):
        return Published(page, True)
    if constants.HF_HUB_OFFLINE:
        return Published(page, False)
    try:
        asked = urllib.request.Request(f"{page}/resolve/main/{_FILE}", method="HEAD")
        with urllib.request.urlopen(asked, timeout=_SECONDS):
            return Published(page, True)
    except OSError:  # no network, no such host, or the hub refuses
        return Published(page, False)
