"""What every reader yields: the file's columns, and two of ours.

A line that cannot be read is a row too: it keeps its number and carries the reason in `REJECT`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

import pyarrow as pa

from fnet_ray.options import Columns

ROW = "__fnet_row"
"""The row's number in its source file, from 0 (for plain text, the line's)."""
REJECT = "__fnet_reject"
"""Why the row cannot be used; null for a good row."""

BATCH_ROWS = 8192

T = TypeVar("T")

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


def in_batches(rows: Iterable[T]) -> Iterator[list[T]]:
    """Yield `BATCH_ROWS` rows at a time."""
    rows = iter(rows)
    while batch := list(islice(rows, BATCH_ROWS)):
        yield batch
