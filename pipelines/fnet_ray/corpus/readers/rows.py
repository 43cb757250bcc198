"""What every reader yields: the file's columns, and two of ours.

A line that cannot be read is a row too: it keeps its number and carries the reason in `REJECT`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pyarrow as pa

ROW = "__fnet_row"
"""The row's number in its source file, from 0 (for plain text, the line's)."""
REJECT = "__fnet_reject"
"""Why the row cannot be used; null for a good row."""

BATCH_ROWS = 8192

Opener = Callable[[], io.BufferedReader]
"""Opens the file from its start; may be called again."""
Rows = tuple[pa.Schema, Iterator[pa.RecordBatch]]


class UnreadableFileError(ValueError):
    """A file that cannot be read as a whole; says what was expected of it."""


def with_marks(schema: pa.Schema) -> pa.Schema:
    """Return the schema with the columns `ROW` and `REJECT` at its end."""
    return schema.append(pa.field(ROW, pa.int64())).append(pa.field(REJECT, pa.string()))
