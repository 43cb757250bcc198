"""Plain text: one row per line, where blank lines are no rows; or one row per file."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from fnet_ray.corpus.readers.rows import Opener, Rows, in_batches, numbered_lines, with_marks
from fnet_ray.options import Columns
from fnet_registry.encoding.config import LARGEST_TEXT


def read(open_file: Opener, columns: Columns) -> Rows:
    """Read UTF-8 into the column of texts, the only one."""
    schema = with_marks(pa.schema([(columns.text, pa.string())]))
    if columns.layout.whole_files:
        return schema, _whole(open_file, schema)
    return schema, _batches(open_file, schema)


def _whole(open_file: Opener, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    with open_file() as file:
        data = file.read(LARGEST_TEXT + 1)
    text, reason = _decode(data, "file")
    if len(data) > LARGEST_TEXT:
        text, reason = None, "larger than 64 MiB"
    yield _batch([text], [0], [reason], schema)


def _batches(open_file: Opener, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for lines in in_batches(numbered_lines(open_file)):
        texts = [_decode(line.rstrip(b"\r\n"), "line") for _, line in lines]
        numbers = [number for number, _ in lines]
        yield _batch([text for text, _ in texts], numbers, [why for _, why in texts], schema)


def _batch(
    texts: list[str | None], numbers: list[int], reasons: list[str | None], schema: pa.Schema
) -> pa.RecordBatch:
    arrays = list(map(pa.array, [texts, numbers, reasons], schema.types))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _decode(data: bytes, what: str) -> tuple[str | None, str | None]:
    try:
        return data.decode(), None
    except UnicodeDecodeError as error:
        return None, f"not UTF-8: byte {error.start} of the {what} is 0x{data[error.start]:02x}"
