"""How a shard travels between stages: as one row, so that no engine can split or merge it."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.ipc

from fnet_registry.errors import JobError


def pack(shard: int, tables: Mapping[str, pa.Table]) -> pa.Table:
    """Put a shard's tables into one row.

    Args:
        shard: The shard's number.
        tables: Named tables, each stored as an Arrow stream.
    """
    columns: dict[str, pa.Array] = {"shard": pa.array([shard], pa.int64())}
    for name, table in tables.items():
        stream = _to_stream(table)
        offsets = pa.py_buffer(struct.pack("=qq", 0, stream.size))
        columns[name] = pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, stream])
    return pa.table(columns)


def unpack(batch: pa.Table) -> tuple[int, dict[str, pa.Table]]:
    """Return a shard's number and tables, which view the message's memory.

    Raises:
        JobError: The engine put shards together.
    """
    if batch.num_rows != 1:
        raise JobError(f"A message must be one shard. Received: {batch.num_rows}")
    tables = {
        name: pa.ipc.open_stream(_stream_of(batch[name])).read_all()
        for name in batch.column_names
        if name != "shard"
    }
    return batch["shard"][0].as_py(), tables


def _stream_of(column: pa.ChunkedArray) -> pa.Buffer:
    """View the one value of a column; a scalar of Arrow's would be a copy."""
    [values] = [chunk for chunk in column.chunks if len(chunk)]
    _, offsets, data = values.buffers()
    start, end = struct.unpack_from("=qq", offsets, 8 * values.offset)
    return data.slice(start, end - start)


def _to_stream(table: pa.Table) -> pa.Buffer:
    measure = pa.MockOutputStream()
    _write(table, measure)
    stream = pa.allocate_buffer(measure.size())  # one that grows is copied as often as it does
    _write(table, pa.FixedSizeBufferWriter(stream))
    return stream


def _write(table: pa.Table, sink: pa.NativeFile) -> None:
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
