"""`pytorch_model.bin` weights files: every tensor described, none read before it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from fnet_registry.errors import WeightsError
from fnet_registry.presets.formats.format import StoredTensor
from fnet_registry.presets.formats.shards import join_shards, map_when_asked
from fnet_registry.presets.formats.torch_archive import DAMAGE, Span, read_torch_archive
from fnet_registry.presets.formats.unpickling import MOST_PARTS, CodeError, PickledTensor
from fnet_registry.shown import shown


def describe_torch_pickle(paths: Iterable[Path]) -> dict[str, StoredTensor]:
    """Describe the tensors of one `.bin` file or of all its shards; torch is not needed.

    Only tensors are unpickled; code in a file is refused, and so are archives that would grow
    when unpacked, tensors that declare more than their storage holds, and more codes and entries,
    in all files together, than any weights take.

    Returns:
        The file's own name to tensor.

    Raises:
        WeightsError: If a file is missing, hostile, or no checkpoint.
    """
    parts = iter(range(MOST_PARTS))
    return join_shards(_describe_file(path, parts) for path in paths)


def _describe_file(path: Path, parts: Iterator[int]) -> dict[str, StoredTensor]:
    try:
        archive = read_torch_archive(path, parts)
    except FileNotFoundError:
        raise WeightsError(f"The weights file `{path.name}` must exist. Received: {path}") from None
    except CodeError as error:
        raise WeightsError(
            f"`{path}` must map names to tensors and do nothing else."
            f" Received: a pickle that asks for code: {error}"
        ) from None
    except (OSError, *DAMAGE) as error:
        reason = str(error) or type(error).__name__
        raise WeightsError(
            f"`{path}` must be a torch checkpoint and must map names to tensors. Received: {reason}"
        ) from None
    if not isinstance(archive.content, dict):
        raise WeightsError(
            f"`{path}` must map names to tensors. Received: {type(archive.content).__name__}"
        )
    whole = map_when_asked(path)
    tensors: dict[str, StoredTensor] = {}
    for name, tensor in archive.content.items():
        if not isinstance(tensor, PickledTensor):
            raise WeightsError(
                f"`{path.name}` must map names to tensors."
                f" Received: {type(tensor).__name__} under {shown(name)}"
            )
        span = archive.storages.get(tensor.storage.key)
        tensors[name] = _describe(path, name, tensor, span, whole)
    return tensors


def _describe(
    path: Path,
    name: str,
    tensor: PickledTensor,
    span: Span | None,
    whole: Callable[[], np.memmap],
) -> StoredTensor:
    dtype, size = tensor.storage.dtype, tensor.storage.nbytes
    if span is None or size > span.size or span.start + span.size > path.stat().st_size:
        raise WeightsError(f"Tensor `{name}` must lie in `{path.name}`. Received: no bytes of it")
    declared = prod(tensor.shape) * dtype.itemsize
    reach = tensor.offset + 1 + sum((n - 1) * s for n, s in _axes(tensor))
    if declared and (declared > size or reach > tensor.storage.size):
        raise WeightsError(
            f"Tensor `{name}` in `{path.name}` declares {declared:,} bytes."
            f" Received: {size:,} in its storage"
        )
    return StoredTensor(
        shape=tensor.shape, dtype=dtype.name, read=partial(_map, whole, span.start, tensor)
    )


def _axes(tensor: PickledTensor) -> Iterable[tuple[int, int]]:
    return zip(tensor.shape, tensor.strides, strict=True)


def _map(whole: Callable[[], np.memmap], start: int, tensor: PickledTensor) -> np.ndarray:
    dtype = tensor.storage.dtype
    values = np.ndarray(
        tensor.shape,
        dtype,
        buffer=whole(),
        offset=start + tensor.offset * dtype.itemsize,
        strides=tuple(stride * dtype.itemsize for stride in tensor.strides),
    )
    return values if values.flags.aligned else values.copy()
