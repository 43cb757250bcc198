"""A batch that fails is halved until the row that makes it fail is alone."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import torch

from fnet_registry.encoding.packing import Tokens

logger = logging.getLogger(__name__)

Encode = Callable[[Tokens], np.ndarray]


def encode_or_isolate(
    encode: Encode, tokens: Tokens, *, dim: int, batch_size: int
) -> tuple[np.ndarray, dict[int, str], int]:
    """Encode windows in batches, setting aside those that cannot be encoded.

    Args:
        encode: Tokens to float32 vectors of shape `(windows, dim)`.
        tokens: The windows.
        dim: Length of a vector.
        batch_size: Windows to encode at once.

    Returns:
        Vectors of shape `(windows, dim)`; a window's index → why it failed (its vector then
        means nothing); and the batch size to go on with, smaller where memory ran out.

    Raises:
        torch.AcceleratorError: The device itself failed; its process must be started anew.
        torch.OutOfMemoryError: One window alone does not fit.
    """
    vectors = np.full((len(tokens), dim), np.nan, np.float32)
    failed: dict[int, str] = {}
    start = 0
    while start < len(tokens):
        stop = min(start + batch_size, len(tokens))
        try:
            _encode_range(encode, tokens, start, stop, vectors, failed)
        except torch.OutOfMemoryError:
            if batch_size == 1:
                raise
            batch_size //= 2
            logger.warning("Out of device memory: going on with batches of %d", batch_size)
            torch.cuda.empty_cache()
        else:
            start = stop
    return vectors, failed, batch_size


def _encode_range(
    encode: Encode,
    tokens: Tokens,
    start: int,
    stop: int,
    vectors: np.ndarray,
    failed: dict[int, str],
) -> None:
    try:
        vectors[start:stop] = encode(tokens[start:stop])
    except (torch.OutOfMemoryError, torch.AcceleratorError):
        raise
    except Exception as error:  # whatever a row makes the encoder raise, its neighbours go on
        if stop - start == 1:
            failed[start] = f"the encoder failed with {type(error).__name__}: {error}"
            return
        middle = (start + stop) // 2
        _encode_range(encode, tokens, start, middle, vectors, failed)
        _encode_range(encode, tokens, middle, stop, vectors, failed)
        return
    for row in np.flatnonzero(~np.isfinite(vectors[start:stop]).all(axis=1)):
        failed[start + int(row)] = "the vector is not finite"
