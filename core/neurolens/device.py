"""What this machine computes on, and how."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import torch

Precision = Literal["fp32", "bf16"]


def best_device() -> str:
    """The accelerator torch finds, or the CPU."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def check_precision(precision: str) -> None:
    """Raise a ValueError unless it is `"fp32"` or `"bf16"`."""
    if precision not in get_args(Precision):
        raise ValueError(f"`precision` (={precision!r}) must be 'fp32' or 'bf16'")


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bf16 arithmetic is built into the device, so that it saves time."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # private, and younger than the oldest torch we take
    return device.type == "cpu" and getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()


@contextmanager
def gradients() -> Iterator[None]:
    """Record gradients, also where the caller has switched them off, were it by `torch.inference_mode`."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def warn_user(message: str) -> None:
    """Warn at the line that called into this package, however deep within it this is."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in ("neurolens", "neurolens_widgets"):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)
