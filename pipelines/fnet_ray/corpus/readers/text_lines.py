"""Plain text: one row per line; blank lines are no rows."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from fnet_ray.corpus.readers.rows import BATCH_ROWS, Opener, Rows, with_marks


def read(open_file: Opener, column: str, id_column: str | None) -> Rows:
    """Read lines of UTF-8 into the named column, the only one."""
    schema = with_marks(pa.schema([(column, pa.string())]))
    return schema, _batches(open_file, schema)


def _batches(open_file: Opener, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    texts, numbers, reasons = [], [], []

    def batch() -> pa.RecordBatch:
        arrays = [pa.array(texts, pa.string()), pa.array(numbers, pa.int64())]
        return pa.RecordBatch.from_arrays([*arrays, pa.array(reasons, pa.string())], schema=schema)

    with open_file() as lines:
        for number, line in enumerate(lines):
            if not line.strip():
                continue
            text, reason = _decode(line.rstrip(b"\r\n"))
            texts.append(text)
            numbers.append(number)
            reasons.append(reason)
            if len(texts) == BATCH_ROWS:
                yield batch()
                texts, numbers, reasons = [], [], []
    yield batch()


def _decode(line: bytes) -> tuple[str | None, str | None]:
    try:
        return line.decode(), None
    except UnicodeDecodeError as error:
        return None, f"not UTF-8: byte {error.start} of the line is 0x{line[error.start]:02x}"
