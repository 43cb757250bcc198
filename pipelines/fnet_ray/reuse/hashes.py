"""Texts as hashes of 128 bits, wide enough to take equal ones for equal texts."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
import pyarrow as pa

BYTES = 16
HASH = pa.binary(BYTES)

TEXT_HASH, TRUNCATED = "text_hash", "truncated"
"""The columns that are stored of each row's text."""


def text_hashes(texts: Iterable[str]) -> np.ndarray:
    """Return the hashes of texts: uint64 of shape `(texts, 2)`.

    Two of a billion texts share one with a chance of 1e-21; to make two that do takes 2^64 tries.
    Texts that are equal but for their Unicode normalisation are different texts.
    """
    digests = (blake2b(text.encode(), digest_size=BYTES).digest() for text in texts)
    return np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)


def hash_column(hashes: np.ndarray) -> pa.Array:
    """Return hashes as an Arrow column."""
    data = pa.py_buffer(np.ascontiguousarray(hashes))
    return pa.Array.from_buffers(HASH, len(hashes), [None, data])


def hashes_of(column: pa.ChunkedArray) -> np.ndarray:
    """Read what `hash_column` gave."""
    found = pa.concat_arrays(column.cast(HASH).chunks or [pa.array([], HASH)])
    values = np.frombuffer(found.buffers()[1] or b"", "<u8")
    start = 2 * found.offset
    return values[start : start + 2 * len(found)].reshape(-1, 2)
