"""Whether a device computes in bfloat16 itself."""

import logging
import platform

import torch

log = logging.getLogger(__name__)


def has_bfloat16(device: str) -> bool:
    """Whether a device has bfloat16 arithmetic; elsewhere it is emulated, at a tenth of the speed of float32.

    Args:
        device: `cpu`, `cuda` (or `gpu`), `mps`, or `auto` for the fastest one present.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if device in ("cuda", "gpu"):
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "mps" or platform.machine() not in ("x86_64", "AMD64"):
        return True  # of Arm and others PyTorch does not say; those in use since 2022 have it
    if torch.backends.cpu.get_cpu_capability() != "AVX512":  # also where ATEN_CPU_CAPABILITY holds it back
        return False
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def precision(wanted: str, device: str, what: str) -> str:
    """The precision to compute in: the wanted one, or float32 where bfloat16 would only be emulated.

    Args:
        wanted: `float32` or `bfloat16`.
        device: as for `has_bfloat16`.
        what: is computed, for the log.
    """
    if wanted == "bfloat16" and not has_bfloat16(device):
        log.info("%s: in float32, because this device has no bfloat16 arithmetic", what)
        return "float32"
    return wanted
