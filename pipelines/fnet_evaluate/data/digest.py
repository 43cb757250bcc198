"""One digest for data: equal rows have it in any format and under any name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

_LARGE = 1 << 24
"""From here on, single precision holds not every integer."""


class RowDigest:
    """Digests rows as they come.

    Args:
        what: What the rows are, so that other data of equal values has another digest.
    """

    def __init__(self, *what: str) -> None:
        self._digest = hashlib.sha256()
        self.add([what])

    def add(self, rows: Iterable[Any]) -> None:
        """Take further rows in."""
        for row in rows:
            line = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
            self._digest.update(line.encode() + b"\n")

    def add_batch(self, batch: pa.RecordBatch) -> None:
        """Take a batch of rows in."""
        self.add(zip(*map(_plain, batch.columns), strict=True))

    def hex(self) -> str:
        """Return the SHA-256 of all rows so far, in hexadecimal."""
        return self._digest.hexdigest()


def _plain(column: pa.Array) -> list[Any]:
    if pa.types.is_list(column.type) and pa.types.is_floating(column.type.value_type):
        values = column.flatten().to_numpy(zero_copy_only=False).astype("<f4")
        ends = np.cumsum(column.value_lengths().to_numpy(zero_copy_only=False))
        vectors = np.split(values, ends[:-1]) if len(column) else []
        return [hashlib.sha256(vector.tobytes()).hexdigest() for vector in vectors]
    if not pa.types.is_floating(column.type):
        return column.to_pylist()
    # A file that holds them in single precision holds the same data, but for large numbers, of
    # which it would make others.
    values = column.to_numpy(zero_copy_only=False).astype(np.float64)
    small = np.abs(values) < _LARGE
    values[small] = values[small].astype(np.float32)
    return values.tolist()


def digest_of(batches: Iterable[pa.RecordBatch], *what: str) -> str:
    """Return the digest of batches of rows."""
    digest = RowDigest(*what)
    for batch in batches:
        digest.add_batch(batch)
    return digest.hex()
