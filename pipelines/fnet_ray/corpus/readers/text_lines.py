"""Plain text: one row per line; blank lines are no rows."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from fnet_ray.corpus.readers.rows import Opener, Rows, in_batches, numbered_lines, with_marks
from fnet_ray.options import Columns


def read(open_file: Opener, columns: Columns) -> Rows:
    """Read lines of UTF-8 into the column of texts, the only one."""
    schema = with_marks(pa.schema([(columns.text, pa.string())]))
    return schema, _batches(open_file, schema)


def _batches(open_file: Opener, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for lines in in_batches(numbered_lines(open_file)):
        texts = [_decode(line.rstrip(b"\r\n")) for _, line in lines]
        columns = [[text for text, _ in texts], [number for number, _ in lines]]
        columns.append([reason for _, reason in texts])
        yield pa.RecordBatch.from_arrays(list(map(pa.array, columns, schema.types)), schema=schema)


def _decode(line: bytes) -> tuple[str | None, str | None]:
    try:
        return line.decode(), None
    except UnicodeDecodeError as error:
        return None, f"not UTF-8: byte {error.start} of the line is 0x{line[error.start]:02x}"
