"""What every reader yields: the file's columns, and two of ours.

A line that cannot be read is a row too: it keeps its number and carries the reason in `REJECT`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa

from fnet_ray.options import Columns

ROW = "__fnet_row"
"""The row's number in its source file, from 0 (for plain text, the line's)."""
REJECT = "__fnet_reject"
"""Why the row cannot be used; null for a good row."""

BATCH_ROWS = 8192
_BATCH_BYTES = 64 << 20

Opener = Callable[[], io.BufferedReader]
"""Opens the file from its start; may be called again."""
Rows = tuple[pa.Schema, Iterator[pa.RecordBatch]]
Reader = Callable[[Opener, Columns], Rows]
"""Reads a file whole; may raise `UnreadableFileError`."""


class UnreadableFileError(ValueError):
    """A file that cannot be read as a whole; says what was expected of it."""


def with_marks(schema: pa.Schema) -> pa.Schema:
    """Return the schema with the columns `ROW` and `REJECT` at its end."""
    return schema.append(pa.field(ROW, pa.int64())).append(pa.field(REJECT, pa.string()))


def numbered_lines(open_file: Opener) -> Iterator[tuple[int, bytes]]:
    """Yield a file's lines that are not blank, with their numbers from 0."""
    with open_file() as lines:
        yield from ((number, line) for number, line in enumerate(lines) if line.strip())


def in_batches(lines: Iterable[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    """Yield numbered lines by `BATCH_ROWS`, or fewer where they are long: Arrow's columns end."""
    batch: list[tuple[int, bytes]] = []
    size = 0
    for number, line in lines:
        batch.append((number, line))
        size += len(line)
        if len(batch) == BATCH_ROWS or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
