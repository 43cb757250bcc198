"""Queries in files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pyarrow as pa

from fnet_ray.corpus.conversion import open_lines
from fnet_ray.corpus.files import InputFile, reading
from fnet_ray.corpus.nested import find_column, take_column
from fnet_ray.corpus.parquet import open_parquet
from fnet_ray.options import Columns
from fnet_registry.errors import InputError
from fnet_registry.shown import shown


def read_queries(file: InputFile, column: str) -> Iterator[list[str]]:
    """Read the queries in a file's column, some thousands at a time, in any format of a job's.

    Raises:
        InputError: There is no such column, or a row has no text.
    """
    start = 0
    with reading(file.path):
        for values in _batches(file, column):
            texts = values.to_pylist()
            bad = next((i for i, text in enumerate(texts) if not isinstance(text, str)), None)
            if bad is not None:
                raise InputError(
                    "Every query must be a text. Received: "
                    f"{shown(texts[bad])} in row {start + bad + 1} of {file.path}"
                )
            start += len(texts)
            yield texts


def _batches(file: InputFile, column: str) -> Iterator[pa.ChunkedArray | pa.Array]:
    if file.format.read is not None:
        _, batches = file.format.read(partial(open_lines, file), Columns(text=column))
        yield from (batch[column] for batch in batches)
        return
    with open_parquet(file.opened) as parquet:
        way = find_column(parquet.schema_arrow, column)
        if not way:
            raise InputError(
                f"The file must have the column {column!r}; choose another one with --column. "
                f"Received: {', '.join(parquet.schema_arrow.names)} in {file.path}"
            )
        for batch in parquet.iter_batches(columns=[way[0].name], batch_size=8192):
            yield take_column(pa.table(batch), column)
