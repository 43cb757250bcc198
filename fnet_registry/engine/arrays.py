"""Numpy arrays and torch tensors over the same memory, and the layout that the engine wants."""

import mmap
import warnings
from dataclasses import replace

import ml_dtypes
import numpy as np
import torch

from fnet_registry.presets.checkpoint import Checkpoint


def as_tensor(values: np.ndarray) -> torch.Tensor:
    """Views an array as a tensor; bfloat16, which numpy lacks, included.

    The tensor must not be written to: arrays shared by the workers of a node are read-only, as are
    those mapped from a file.

    Args:
        values: Array of any shape, of a type that torch has.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        if values.dtype == ml_dtypes.bfloat16:
            return torch.from_numpy(values.view(np.int16)).view(torch.bfloat16)
        return torch.from_numpy(np.asarray(values))


def as_array(values: torch.Tensor) -> np.ndarray:
    """Views a tensor on the CPU as an array; one elsewhere is copied there first.

    Args:
        values: Tensor of any shape.
    """
    plain = values.detach().cpu()
    if plain.dtype == torch.bfloat16:
        return plain.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return plain.numpy()


def laid_out_for_engine(checkpoint: Checkpoint) -> Checkpoint:
    """The same checkpoint, with kernels so laid out that a float32 engine on the CPU copies none.

    Keras stores a kernel by rows of `(inputs, outputs)`; the products run best over rows of
    `(outputs, inputs)`. Workers that share the result's arrays share all weights.

    Args:
        checkpoint: Any checkpoint; arrays that lie well already are kept.
    """
    arrays = {
        name: np.asfortranarray(values) if name.endswith(".kernel") else values
        for name, values in checkpoint.arrays.items()
    }
    return replace(checkpoint, arrays=arrays)


def release(values: np.ndarray) -> None:
    """Lets the system take back the memory of an array that is mapped from a file.

    It is read again where it is asked for again. An array of another kind is left as it is.

    Args:
        values: Any array.
    """
    owner = values.base
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)
