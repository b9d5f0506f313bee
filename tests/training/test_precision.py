"""bfloat16 is used where the device has it, and nowhere else."""

import logging

import pytest
import torch

from antehoc.training import precision


@pytest.mark.parametrize(
    ("capability", "flags", "has"),
    [("AVX512", (True, False), True), ("AVX512", (False, True), True), ("AVX512", (False, False), False),
     ("AVX2", (True, True), False), ("DEFAULT", (True, True), False)],
)  # fmt: skip
def test_a_processor_has_it_by_its_flags_unless_it_is_held_back(monkeypatch, capability, flags, has):
    monkeypatch.setattr(precision.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: flags[0])
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: flags[1])
    assert precision.has_bfloat16("cpu") is has


@pytest.mark.parametrize(
    ("wanted", "has", "used", "lines"),
    [("float32", False, "float32", 0), ("bfloat16", True, "bfloat16", 0), ("bfloat16", False, "float32", 1)],
)
def test_where_it_would_be_emulated_float32_is_used_and_logged(monkeypatch, caplog, wanted, has, used, lines):
    monkeypatch.setattr(precision, "has_bfloat16", lambda _: has)
    with caplog.at_level(logging.INFO, logger="antehoc"):
        assert precision.precision(wanted, "cpu", "phase 1") == used
    assert [record.message for record in caplog.records] == [
        "phase 1: in float32, because this device has no bfloat16 arithmetic"
    ] * lines
