"""Hive partitions: folders such as `year=2024/lang=en` are columns of the files below them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

import pyarrow as pa

_NULL = "__HIVE_DEFAULT_PARTITION__"
_INTEGER = re.compile(r"-?[0-9]{1,18}")


def partition_values(path: str) -> dict[str, str | None]:
    """Return the columns that a file's folders name, with the file's value of each."""
    pairs = (folder.partition("=") for folder in path.split("/")[:-1] if "=" in folder)
    return {
        unquote(name): None if value == _NULL else unquote(value)
        for name, _, value in pairs
        if name
    }


def partition_types(paths: Iterable[str]) -> dict[str, pa.DataType]:
    """Return each partition column's type: integers where all values are, else texts."""
    values: dict[str, set[str]] = {}
    for path in paths:
        for name, value in partition_values(path).items():
            values.setdefault(name, set()).update(() if value is None else (value,))
    return {
        name: pa.int64() if found and all(map(_INTEGER.fullmatch, found)) else pa.string()
        for name, found in values.items()
    }


def with_partitions(table: pa.Table, path: str, schema: pa.Schema) -> pa.Table:
    """Add the columns of `schema` that a file's folders name, and that it does not hold itself."""
    for name, value in partition_values(path).items():
        if name in schema.names and name not in table.column_names:
            whole = pa.nulls(table.num_rows) if value is None else pa.repeat(value, table.num_rows)
            table = table.append_column(name, whole.cast(schema.field(name).type))
    return table
