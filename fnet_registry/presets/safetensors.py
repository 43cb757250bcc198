"""Safetensors weights files: every tensor described, none read before it is asked for."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import ml_dtypes  # noqa: F401  (registers bfloat16 with numpy)
import numpy as np
from safetensors import SafetensorError, safe_open

from fnet_registry.errors import WeightsError
from fnet_registry.presets.stored import StoredTensor

_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def describe_safetensors(paths: Iterable[Path]) -> dict[str, StoredTensor]:
    """Describes the tensors of one safetensors file or of all its shards.

    Args:
        paths: The file, or its shards.

    Returns:
        The file's own name to tensor.

    Raises:
        WeightsError: If a file is missing or no safetensors file.
    """
    tensors: dict[str, StoredTensor] = {}
    for path in paths:
        try:
            with safe_open(path, framework="numpy") as file:
                for name in file.keys():  # noqa: SIM118  (not a mapping)
                    described = file.get_slice(name)
                    dtype = str(described.get_dtype())
                    tensors[name] = StoredTensor(
                        shape=tuple(described.get_shape()),
                        dtype=_DTYPES.get(dtype, dtype),
                        read=partial(_read, path, name),
                    )
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"`{path}` must be a safetensors file. Received: {error}") from None
    return tensors


def _read(path: Path, name: str) -> np.ndarray:
    with safe_open(path, framework="numpy") as file:
        return file.get_tensor(name)
