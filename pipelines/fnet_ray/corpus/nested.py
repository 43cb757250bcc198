"""Columns inside columns: `doc.text` is the field `text` of the column `doc`.

A column of exactly that name wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def find_column(fields: pa.Schema | pa.StructType, name: str) -> tuple[pa.Field, ...]:
    """Return the fields on the way to a column, the outermost first; none where it is not there."""
    for field in fields:
        if field.name == name:
            return (field,)
    for field in fields:
        if pa.types.is_struct(field.type) and name.startswith(f"{field.name}."):
            rest = find_column(field.type, name.removeprefix(f"{field.name}."))
            if rest:
                return (field, *rest)
    return ()


def with_nested(schema: pa.Schema, names: Iterable[str]) -> pa.Schema:
    """Return a schema with those of some columns at its end that are inside others."""
    for name in names:
        way = find_column(schema, name)
        if len(way) > 1:
            schema = schema.append(pa.field(name, way[-1].type))
    return schema


def take_columns(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """Return columns of a table, which has them all, whether inside others or not."""
    return pa.table({name: take_column(table, name) for name in names})


def take_column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column of a table, which has it; null where what it is inside is null."""
    first, *inner = find_column(table.schema, name)
    column = table[first.name]
    for field in inner:
        place = [each.name for each in column.type].index(field.name)
        column = pc.call_function("struct_field", [column], pc.StructFieldOptions([place]))
    return column


def find_values(values: Mapping[str, Any], name: str) -> Iterator[Any]:
    """Yield the values of an object's field of that name, or of those inside other objects."""
    if name in values:
        yield values[name]
        return
    for outer, inner in values.items():
        if isinstance(inner, dict) and name.startswith(f"{outer}."):
            yield from find_values(inner, name.removeprefix(f"{outer}."))
