"""HDF5 weights files: every dataset described, none read before it is asked for."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np

from fnet_registry.errors import WeightsError
from fnet_registry.presets.stored import StoredTensor


def describe_hdf5(paths: Iterable[Path]) -> dict[str, StoredTensor]:
    """Describes the datasets of one weights file or of all its shards.

    Links to other files are not followed, and a dataset whose bytes are not in the file is
    refused, so that nothing outside the preset is read and no size is believed.

    Args:
        paths: The file, or its shards.

    Returns:
        Path inside the file, such as `layers/dense/vars/0`, to tensor.

    Raises:
        WeightsError: If a file is no HDF5 file or declares what it does not hold.
    """
    tensors: dict[str, StoredTensor] = {}
    for path in paths:
        for name, tensor in _describe_file(path).items():
            if name in tensors:
                raise WeightsError(f"Tensor `{name}` must lie in one shard. Received: two")
            tensors[name] = tensor
    return tensors


def _describe_file(path: Path) -> dict[str, StoredTensor]:
    datasets: dict[str, StoredTensor] = {}

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            datasets[name] = _describe_dataset(path, name, item)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
    except WeightsError:
        raise
    except FileNotFoundError:
        raise WeightsError(f"The weights file `{path.name}` must exist. Received: {path}") from None
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"`{path}` must be an HDF5 weights file. Received: {error}") from None
    return datasets


def _describe_dataset(path: Path, name: str, dataset: h5py.Dataset) -> StoredTensor:
    if dataset.shape is None:
        raise WeightsError(f"Tensor `{name}` must have a shape. Received: an empty dataset")
    if dataset.is_virtual or dataset.external is not None:
        raise WeightsError(f"Tensor `{name}` must lie in `{path.name}` itself. Received: a link")
    held = dataset.id.get_storage_size()
    if held < dataset.nbytes:
        raise WeightsError(
            f"Tensor `{name}` declares {dataset.nbytes:,} bytes. Received: {held:,} in the file"
        )
    dtype = _dtype(dataset)
    offset = dataset.id.get_offset()
    if offset is not None and dtype.isnative and dataset.size:
        read = partial(_map, path, dtype, offset, dataset.shape)
    else:
        read = partial(_copy, path, name, dtype)
    return StoredTensor(shape=dataset.shape, dtype=dtype.name, read=read)


def _dtype(dataset: h5py.Dataset) -> np.dtype:
    """The type of the values; Keras stores bfloat16 as two opaque bytes and an attribute."""
    if dataset.dtype == np.dtype("V2") and dataset.attrs.get("dtype") == "bfloat16":
        return np.dtype(ml_dtypes.bfloat16)
    return dataset.dtype


def _map(path: Path, dtype: np.dtype, offset: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)


def _copy(path: Path, name: str, dtype: np.dtype) -> np.ndarray:
    with h5py.File(path, "r") as file:
        values = np.asarray(file[name])
    return values.view(dtype).astype(dtype.newbyteorder("="), copy=False)
