"""A batch that fails is halved until the row that makes it fail is alone."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from fnet_registry.encoding.packing import Tokens

logger = logging.getLogger(__name__)

Encode = Callable[[Tokens], np.ndarray]


class IsolatingEncoder:
    """Encodes windows in batches, setting aside those that cannot be encoded.

    Args:
        encode: Tokens to float32 vectors of shape `(windows, dim)`.
        dim: Length of a vector.
        batch_size: Windows to encode at once; halved, for good, where device memory runs out.
    """

    def __init__(self, encode: Encode, *, dim: int, batch_size: int) -> None:
        self._encode = encode
        self.dim = dim
        self.batch_size = batch_size

    def __call__(self, tokens: Tokens) -> tuple[np.ndarray, dict[int, str]]:
        """Return vectors of shape `(windows, dim)`, and a window's index → why it has none.

        Raises:
            torch.AcceleratorError: The device itself failed; its process must be started again.
            torch.OutOfMemoryError: One window alone does not fit.
        """
        import torch

        vectors = np.full((len(tokens), self.dim), np.nan, np.float32)
        failed: dict[int, str] = {}
        start = 0
        while start < len(tokens):
            stop = min(start + self.batch_size, len(tokens))
            try:
                self._encode_range(tokens, start, stop, vectors, failed)
            except torch.OutOfMemoryError:
                if self.batch_size == 1:
                    raise
                self.batch_size //= 2
                logger.warning("Out of device memory: on with batches of %d", self.batch_size)
                torch.cuda.empty_cache()
            else:
                start = stop
        return vectors, failed

    def _encode_range(
        self, tokens: Tokens, start: int, stop: int, vectors: np.ndarray, failed: dict[int, str]
    ) -> None:
        import torch

        try:
            vectors[start:stop] = self._encode(tokens[start:stop])
        except (torch.OutOfMemoryError, torch.AcceleratorError):
            raise
        except Exception as error:  # whatever a row makes the encoder raise, its neighbours go on
            if stop - start == 1:
                failed[start] = f"the encoder failed with {type(error).__name__}: {error}"
                return
            middle = (start + stop) // 2
            self._encode_range(tokens, start, middle, vectors, failed)
            self._encode_range(tokens, middle, stop, vectors, failed)
            return
        for row in np.flatnonzero(~np.isfinite(vectors[start:stop]).all(axis=1)):
            failed[start + int(row)] = "the vector is not finite"
