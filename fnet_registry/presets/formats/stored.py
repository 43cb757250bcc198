"""Tensors as they lie in a file: described first, checked against the configuration, then read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod

import numpy as np

from fnet_registry.errors import WeightsError
from fnet_registry.presets.config import FNetConfig
from fnet_registry.presets.formats.format import StoredName, StoredTensor
from fnet_registry.presets.tensors import tensor_shapes

FLOAT_DTYPES = ("float32", "float16", "bfloat16")
_CHUNK = 1 << 16


def read_tensors(
    config: FNetConfig,
    stored: Mapping[str, StoredTensor],
    layout: Mapping[str, StoredName],
    *,
    held: int,
) -> dict[str, np.ndarray]:
    """Read every tensor of a checkpoint, after all of them were checked by their declarations.

    Args:
        config: What the tensors must fit.
        stored: The file's tensors by the file's own names.
        layout: For each canonical name, where the file should hold it; a pooler that the
            configuration leaves out is not read.
        held: Bytes of the files, more than which the tensors cannot have.

    Returns:
        Canonical name to array, of the shapes of `tensor_shapes(config)`.

    Raises:
        WeightsError: If a tensor is missing, unknown, of another shape or type, or not finite.
    """
    shapes = tensor_shapes(config)
    _check_names(stored, layout)
    for name, shape in shapes.items():
        _check_declaration(layout[name], stored[layout[name].name], shape)
    _check_bytes([stored[layout[name].name] for name in shapes], held)
    return {name: _read(stored[layout[name].name], layout[name]) for name in shapes}


def _check_names(stored: Mapping[str, StoredTensor], layout: Mapping[str, StoredName]) -> None:
    expected = {place.name for place in layout.values()}
    missing = sorted(expected - stored.keys())
    extra = sorted(stored.keys() - expected)
    if missing or extra:
        raise WeightsError(
            f"The weights must hold exactly the {len(expected)} tensors of the configuration."
            f" Received: {len(stored)}. Missing: {_listed(missing)}."
            f" Not the model's: {_listed(extra)}."
        )


def _listed(names: list[str], most: int = 8) -> str:
    shown = ", ".join(names[:most]) or "none"
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _check_declaration(
    place: StoredName, tensor: StoredTensor, canonical_shape: tuple[int, ...]
) -> None:
    shape = canonical_shape[::-1] if place.transposed else canonical_shape
    if tensor.shape != shape:
        raise WeightsError(
            f"Tensor `{place.name}` must have the shape {shape} of the configuration."
            f" Received: {tensor.shape}"
        )
    if tensor.dtype not in FLOAT_DTYPES:
        raise WeightsError(
            f"Tensor `{place.name}` must be of type {', '.join(FLOAT_DTYPES)}:"
            f" quantised presets are not supported. Received: {tensor.dtype}"
        )


def _check_bytes(tensors: Iterable[StoredTensor], held: int) -> None:
    """Refuse tensors that share their bytes: a small file could fill any memory with copies."""
    declared = sum(prod(tensor.shape) * np.dtype(tensor.dtype).itemsize for tensor in tensors)
    if declared > held:
        raise WeightsError(
            f"The tensors declare {declared:,} bytes. Received: {held:,} in the weights files"
        )


def _read(tensor: StoredTensor, place: StoredName) -> np.ndarray:
    try:
        values = tensor.read()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"Tensor `{place.name}` must be readable. Received: {error}") from None
    if not _all_finite(values):
        raise WeightsError(f"Tensor `{place.name}` must be finite. Received: NaN or infinity in it")
    return values.T if place.transposed else values


def _all_finite(values: np.ndarray) -> bool:
    """Return True without a temporary array of the tensor's own size."""
    flat = values.reshape(-1)
    chunks = (flat[start : start + _CHUNK] for start in range(0, flat.size, _CHUNK))
    return all(bool(np.isfinite(chunk).all()) for chunk in chunks)
