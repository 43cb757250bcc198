"""Queries in files."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from fnet_ray.corpus.conversion import open_lines
from fnet_ray.corpus.files import InputFile, find_inputs, reading
from fnet_ray.corpus.parquet import open_parquet
from fnet_ray.options import Columns
from fnet_registry.errors import InputError
from fnet_registry.shown import shown


def read_queries(path: str | os.PathLike[str], column: str) -> list[str]:
    """Read the queries in a column of files, of any format that a job reads.

    Raises:
        InputError: There is no such file or column, or a row has no text.
    """
    queries: list[str] = []
    for file in find_inputs(path):
        with reading(file.path):
            values = _read(file, column)
        bad = next((row for row, text in enumerate(values) if not isinstance(text, str)), None)
        if bad is not None:
            raise InputError(
                "Every query must be a text. Received: "
                f"{shown(values[bad])} in row {bad + 1} of {file.path}"
            )
        queries += values
    return queries


def _read(file: InputFile, column: str) -> list[Any]:
    if file.format.read is not None:
        _, batches = file.format.read(partial(open_lines, file), Columns(text=column))
        return [text for batch in batches for text in batch[column].to_pylist()]
    with open_parquet(file.opened) as parquet:
        if column in parquet.schema_arrow.names:
            return parquet.read(columns=[column])[column].to_pylist()
        raise InputError(
            f"The file must have the column {column!r}; choose another one with --column. "
            f"Received: {', '.join(parquet.schema_arrow.names)} in {file.path}"
        )
