"""`pytorch_model.bin` weights files, read by torch's own restricted unpickler."""

import pickle
import zipfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from fnet_registry.errors import WeightsError
from fnet_registry.presets.stored import StoredTensor

if TYPE_CHECKING:
    import torch


def describe_torch_pickle(paths: Iterable[Path]) -> dict[str, StoredTensor]:
    """Describes the tensors of one `.bin` file or of all its shards.

    Only tensors are unpickled; code in a file is refused, and so are archives that would grow
    when unpacked and tensors that declare more than their storage holds.

    Args:
        paths: The file, or its shards.

    Returns:
        The file's own name to tensor.

    Raises:
        WeightsError: If a file is missing, hostile, or no checkpoint.
    """
    tensors: dict[str, StoredTensor] = {}
    for path in paths:
        for name, tensor in _load(path).items():
            if not _is_tensor(tensor):
                raise WeightsError(
                    f"`{path.name}` must map names to tensors."
                    f" Received: {type(tensor).__name__} under {name!r}"
                )
            tensors[str(name)] = _describe(path, str(name), tensor)
    return tensors


def _load(path: Path) -> dict[Any, Any]:
    import torch

    try:
        packed = zipfile.is_zipfile(path)
        if packed:
            _refuse_compressed(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=packed)
    except FileNotFoundError:
        raise WeightsError(f"The weights file `{path.name}` must exist. Received: {path}") from None
    except pickle.UnpicklingError:
        raise WeightsError(
            f"`{path}` must hold tensors and nothing else. Received: a pickle that asks for code"
        ) from None
    except WeightsError:
        raise
    except Exception as error:  # torch's unpickler fails in any way that damaged bytes make it
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise WeightsError(f"`{path}` must be a torch checkpoint. Received: {reason}") from None
    if not isinstance(loaded, dict):
        raise WeightsError(f"`{path}` must map names to tensors. Received: {type(loaded).__name__}")
    return loaded


def _refuse_compressed(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise WeightsError(
                f"`{path}` must store its entries unpacked, as torch writes them."
                " Received: a compressed archive"
            )


def _is_tensor(value: object) -> bool:
    import torch

    return type(value) in (torch.Tensor, torch.nn.Parameter)


def _describe(path: Path, name: str, tensor: "torch.Tensor") -> StoredTensor:
    declared = tensor.numel() * tensor.element_size()
    if tensor.device.type != "cpu" or tensor.is_sparse or tensor.is_quantized:
        raise WeightsError(f"Tensor `{name}` in `{path.name}` must be dense and plain")
    if tensor.untyped_storage().nbytes() < declared:
        raise WeightsError(
            f"Tensor `{name}` in `{path.name}` declares {declared:,} bytes."
            f" Received: {tensor.untyped_storage().nbytes():,} in its storage"
        )
    return StoredTensor(
        shape=tuple(tensor.shape),
        dtype=str(tensor.dtype).removeprefix("torch."),
        read=partial(_to_numpy, tensor),
    )


def _to_numpy(tensor: "torch.Tensor") -> np.ndarray:
    import torch

    plain = tensor.detach().contiguous()
    if plain.dtype == torch.bfloat16:
        return plain.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return plain.numpy()
