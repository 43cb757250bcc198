"""Numpy arrays and torch tensors over the same memory."""

from __future__ import annotations

import mmap
import warnings

import ml_dtypes
import numpy as np
import torch


def as_tensor(values: np.ndarray) -> torch.Tensor:
    """View an array as a tensor; bfloat16, which numpy lacks, included.

    The tensor must not be written to: arrays shared by the workers of a node are read-only, as are
    those mapped from a file.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        if values.dtype == ml_dtypes.bfloat16:
            return torch.from_numpy(values.view(np.int16)).view(torch.bfloat16)
        return torch.from_numpy(np.asarray(values))


def as_array(values: torch.Tensor) -> np.ndarray:
    """View a tensor on the CPU as an array; one elsewhere is copied there first."""
    plain = values.detach().cpu()
    if plain.dtype == torch.bfloat16:
        return plain.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return plain.numpy()


def release(values: np.ndarray) -> None:
    """Let the system take back the memory of an array that is mapped from a file.

    It is read again where it is asked for again. An array of another kind is left as it is.
    """
    owner = values.base
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        start = values.ctypes.data - np.frombuffer(owner, np.uint8).ctypes.data
        within = start % mmap.PAGESIZE
        owner.madvise(mmap.MADV_DONTNEED, start - within, values.nbytes + within)
