"""Freed memory stays with the process where the C library can be told so."""

import ctypes
import subprocess
import sys

import pytest

from antehoc.training import memory

FAULTS = """
import resource
import ctypes
if {kept}:
    from importlib.util import module_from_spec, spec_from_file_location
    spec = spec_from_file_location("memory", {file!r})
    memory = module_from_spec(spec)
    spec.loader.exec_module(memory)
    assert memory.keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
for round in range(20):
    if round == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [libc.malloc(2**23) for _ in range(4)]
    for block in blocks:
        ctypes.memset(block, 0, 2**23)
    for block in blocks:
        libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(kept):
    """Page faults of ten rounds that allocate, fill and free 32 MiB."""
    program = FAULTS.format(kept=kept, file=memory.__file__)
    return int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc, which has mallopt"
)
def test_a_block_that_was_freed_is_used_again_without_page_faults():
    assert faults(kept=False) > 10 * faults(kept=True) + 1000


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert memory.keep_freed_memory() is False
