"""The head that a preset may have: one dense layer from a pooled vector to the one that is given.

It lies in a file of its own, which KerasHub passes over, as `kernel` of `(hidden, dim)` and `bias`
of `(dim,)`, both float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from fnet_registry.errors import WeightsError
from fnet_registry.presets.config import WIDEST
from fnet_registry.presets.formats.format import StoredTensor
from fnet_registry.presets.formats.safetensors import describe_safetensors
from fnet_registry.presets.tensors import HEAD
from fnet_registry.presets.whole_file import write_file

HEAD_FILE = "head.safetensors"


def read_head(folder: Path, hidden_dim: int) -> dict[str, np.ndarray]:
    """Read the head of a preset folder, by its names in a checkpoint; nothing where it has none.

    Raises:
        WeightsError: If the file holds anything but a head for vectors of `hidden_dim` values.
    """
    path = folder / HEAD_FILE
    if not path.exists():
        return {}
    stored = describe_safetensors([path])
    bias = stored["bias"].shape if "bias" in stored else ()
    dim = bias[0] if len(bias) == 1 else 0
    expected = {"kernel": (hidden_dim, dim), "bias": (dim,)}
    found = {name: tensor.shape for name, tensor in stored.items()}
    if (
        found != expected
        or not 0 < dim <= WIDEST
        or {t.dtype for t in stored.values()} != {"float32"}
    ):
        raise WeightsError(
            f"`{path}` must hold a float32 `kernel` of shape ({hidden_dim}, dim) and a `bias` of"
            f" shape (dim,), dim at most {WIDEST:,}. Received: {_described(stored)}"
        )
    head = {f"{HEAD}.{name}": tensor.read() for name, tensor in stored.items()}
    if not all(np.isfinite(values).all() for values in head.values()):
        raise WeightsError(f"`{path}` must be finite. Received: NaN or infinity in it")
    return head


def write_head(arrays: Mapping[str, np.ndarray], folder: Path) -> None:
    """Write the head that is among a checkpoint's arrays, or take away one that stands there."""
    head = {
        name.removeprefix(f"{HEAD}."): np.ascontiguousarray(values)
        for name, values in arrays.items()
        if name.startswith(f"{HEAD}.")
    }
    if head:
        write_file(folder / HEAD_FILE, lambda path: save_file(head, path))
    else:
        (folder / HEAD_FILE).unlink(missing_ok=True)


def _described(stored: Mapping[str, StoredTensor]) -> str:
    tensors = [f"{name[:40]} {t.dtype} {t.shape}" for name, t in sorted(stored.items())[:4]]
    return ", ".join(tensors) or "no tensors"
