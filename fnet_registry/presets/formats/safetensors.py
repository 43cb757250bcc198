"""Safetensors weights files: every tensor described, none read before it is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import ml_dtypes  # noqa: F401  (registers bfloat16 with numpy)
from safetensors import SafetensorError, safe_open

from fnet_registry.errors import WeightsError
from fnet_registry.presets.formats.format import StoredTensor
from fnet_registry.presets.formats.shards import join_shards

# A tensor takes some 120 bytes in it.
_LARGEST_HEADER = 4 << 20
_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def describe_safetensors(paths: Iterable[Path]) -> dict[str, StoredTensor]:
    """Describe the tensors of one safetensors file or of all its shards.

    Returns:
        The file's own name to tensor.

    Raises:
        WeightsError: If a file is missing or no safetensors file.
    """
    headers = 0
    shards = []
    for path in paths:
        try:
            headers = _with_header(headers, path)
            shards.append(_describe_file(path))
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"`{path}` must be a safetensors file. Received: {error}") from None
    return join_shards(shards)


def _describe_file(path: Path) -> dict[str, StoredTensor]:
    file = safe_open(path, framework="numpy")  # once: its header is read each time
    tensors: dict[str, StoredTensor] = {}
    for name in file.keys():  # noqa: SIM118  (not a mapping)
        described = file.get_slice(name)
        dtype = str(described.get_dtype())
        tensors[name] = StoredTensor(
            shape=tuple(described.get_shape()),
            dtype=_DTYPES.get(dtype, dtype),
            read=partial(file.get_tensor, name),
        )
    return tensors


def _with_header(headers: int, path: Path) -> int:
    """Add a file's header: all would take many times the memory of the tensors they describe."""
    with path.open("rb") as file:
        size = headers + int.from_bytes(file.read(8), "little")
    if size > _LARGEST_HEADER:
        raise WeightsError(
            f"`{path}` must be a safetensors file, with a header of at most {_LARGEST_HEADER:,} B."
            f" Received: {size:,} B"
        )
    return size
