"""Where the published weights of a network can be had."""

import pytest

from antehoc.nn import published as module
from antehoc.nn.published import published

PAGE = "https://huggingface.co/timm/mobilenetv2_100.ra_in1k"


@pytest.fixture(autouse=True)
def hub(monkeypatch):
    """A hub of this name, without a cache."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "https://huggingface.co")
    monkeypatch.setattr(module, "try_to_load_from_cache", lambda *_: None)


def test_weights_in_the_cache_are_here(monkeypatch):
    monkeypatch.setattr(module, "try_to_load_from_cache", lambda repository, _: f"/cache/{repository}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert published("mobilenetv2_100") == (PAGE, True)


def test_offline_they_are_not(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert published("mobilenetv2_100") == (PAGE, False)


def test_a_hub_that_does_not_answer_has_none(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # the port that discards
    assert not published("mobilenetv2_100").here
