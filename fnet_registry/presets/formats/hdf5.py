"""HDF5 weights files: every dataset described, none read before it is asked for."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import prod
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np

from fnet_registry.errors import WeightsError
from fnet_registry.presets.formats.format import StoredTensor
from fnet_registry.presets.formats.shards import join_shards, map_when_asked

# Keras writes 20 objects for a layer, none of them deeper than 4 groups.
_MOST_OBJECTS = 1 << 15
_DEEPEST = 8
_MOST_CHUNKS = 1 << 12


def describe_hdf5(paths: Iterable[Path]) -> dict[str, StoredTensor]:
    """Describe the datasets of one weights file or of all its shards.

    Links are not followed, a dataset whose bytes are not in the file as they are is refused, and
    the walk over the file is bounded, so that nothing outside the preset is read and no size is
    believed.

    Returns:
        Path inside the file, such as `layers/dense/vars/0`, to tensor.

    Raises:
        WeightsError: If a file is no HDF5 file, declares what it does not hold, or holds far more
            than any weights do.
    """
    objects = iter(range(_MOST_OBJECTS))
    return join_shards(_describe_file(path, objects) for path in paths)


def _describe_file(path: Path, objects: Iterator[int]) -> dict[str, StoredTensor]:
    try:
        with h5py.File(path, "r") as file:
            whole = map_when_asked(path)
            return {
                name: _describe_dataset(path, name, dataset, whole)
                for name, dataset in _datasets(file, objects)
            }
    except WeightsError:
        raise
    except FileNotFoundError:
        raise WeightsError(f"The weights file `{path.name}` must exist. Received: {path}") from None
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"`{path}` must be an HDF5 weights file. Received: {error}") from None


def _datasets(
    group: h5py.Group, objects: Iterator[int], prefix: str = ""
) -> Iterator[tuple[str, h5py.Dataset]]:
    """Walk over a group; every object that it comes upon is one of `objects` less."""
    if prefix.count("/") > _DEEPEST or len(group) > operator.length_hint(objects):
        raise _too_many(prefix)
    for name in group:
        if next(objects, None) is None:
            raise _too_many(prefix)
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _datasets(item, objects, f"{prefix}{name}/")
        elif isinstance(item, h5py.Dataset):
            yield f"{prefix}{name}", item


def _too_many(prefix: str) -> WeightsError:
    return WeightsError(
        f"Weights must hold at most {_MOST_OBJECTS:,} objects, at most {_DEEPEST} groups deep."
        f" Received: more in `{prefix}`"
    )


def _describe_dataset(
    path: Path, name: str, dataset: h5py.Dataset, whole: Callable[[], np.memmap]
) -> StoredTensor:
    if dataset.shape is None:
        raise WeightsError(f"Tensor `{name}` must have a shape. Received: an empty dataset")
    if dataset.is_virtual or dataset.external is not None:
        raise WeightsError(f"Tensor `{name}` must lie in `{path.name}` itself. Received: a link")
    if not _has_cheap_chunks(dataset):
        raise WeightsError(
            f"Tensor `{name}` must lie in one piece, as Keras writes it."
            f" Received: chunks of {dataset.chunks}"
        )
    held = dataset.id.get_storage_size()
    if held < dataset.nbytes:
        raise WeightsError(
            f"Tensor `{name}` declares {dataset.nbytes:,} bytes. Received: {held:,} in the file"
        )
    if dataset.id.get_create_plist().get_nfilters():
        raise WeightsError(f"Tensor `{name}` must lie in the file unpacked. Received: a filter")
    dtype = _dtype(dataset)
    offset = dataset.id.get_offset()
    if offset is not None and dataset.size:
        read = partial(_map, path, whole, dtype, offset, dataset.shape)
    else:
        read = partial(_copy, path, name, dtype)
    return StoredTensor(shape=dataset.shape, dtype=dtype.name, read=read)


def _has_cheap_chunks(dataset: h5py.Dataset) -> bool:
    """Return whether chunks take no more memory than the values, and are not endlessly many."""
    chunks, shape = dataset.chunks or dataset.shape, dataset.shape
    numbers = [-(-size // chunk) for size, chunk in zip(shape, chunks, strict=True) if chunk]
    return all(map(operator.le, chunks, shape)) and prod(numbers) <= _MOST_CHUNKS


def _dtype(dataset: h5py.Dataset) -> np.dtype:
    """Return the type of the values; Keras stores bfloat16 as two opaque bytes and an attribute."""
    if dataset.dtype == np.dtype("V2") and str(dataset.attrs.get("dtype")) == "bfloat16":
        return np.dtype(ml_dtypes.bfloat16)
    return dataset.dtype


def _map(
    path: Path,
    whole: Callable[[], np.memmap],
    dtype: np.dtype,
    offset: int,
    shape: tuple[int, ...],
) -> np.ndarray:
    if dtype.isnative:
        stop = offset + prod(shape) * dtype.itemsize
        return whole()[offset:stop].view(dtype).reshape(shape)
    # Read at once: pages of a mapped file would come one by one.
    values = np.fromfile(path, dtype=dtype, count=prod(shape), offset=offset)
    return _native(values.reshape(shape))


def _copy(path: Path, name: str, dtype: np.dtype) -> np.ndarray:
    with h5py.File(path, "r") as file:
        return _native(np.asarray(file[name]).view(dtype))


def _native(values: np.ndarray) -> np.ndarray:
    """Turn the bytes of values, in place, into this machine's order."""
    if values.dtype.isnative:
        return values
    return values.byteswap(inplace=True).view(values.dtype.newbyteorder("="))
