"""Types of columns: what can be a text, an id, or carried along, and in which plainer type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type without views of texts and bytes, however deep.

    Arrow can neither select from views nor compare them.
    """
    if pa.types.is_struct(kind):
        return pa.struct([_plain_field(field) for field in kind.fields])
    if pa.types.is_map(kind):
        return pa.map_(plain_type(kind.key_type), plain_type(kind.item_type), kind.keys_sorted)
    if pa.types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, plain_type(kind.value_type), kind.ordered)
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_plain_field(kind.value_field), kind.list_size)
    for is_list, make in _LISTS.items():
        if is_list(kind):
            return make(_plain_field(kind.value_field))
    return _PLAIN.get(kind, kind)


_PLAIN = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
_LISTS: dict[Callable[[pa.DataType], bool], Callable[[pa.Field], pa.DataType]] = {
    pa.types.is_list: pa.list_,
    pa.types.is_large_list: pa.large_list,
    pa.types.is_list_view: pa.list_view,
    pa.types.is_large_list_view: pa.large_list_view,
}


def _plain_field(field: pa.Field) -> pa.Field:
    return field.with_type(plain_type(field.type))


def as_plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Bring a column to its plain type; texts that are not UTF-8 stay as they are."""
    kind = plain_type(column.type)
    if kind == column.type:
        return column
    if pa.types.is_string_view(column.type):
        texts = [chunk.cast(pa.binary()).view(pa.string()) for chunk in column.chunks]
        return pa.chunked_array(texts, pa.string())
    return column.cast(kind)


def can_carry(kind: pa.DataType) -> bool:
    """Return whether rows of this type, once plain, can be selected and sent: not the deepest."""
    try:
        found = as_plain(pa.chunked_array([pa.nulls(1, kind)])).take(pa.array([0]))
        pa.RecordBatch.from_arrays(found.chunks, ["found"]).serialize()
    except (pa.ArrowNotImplementedError, pa.ArrowTypeError, pa.ArrowInvalid, RecursionError):
        return False
    return True


def is_text(kind: pa.DataType) -> bool:
    """Return whether a column of this type can hold texts."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return kind in (pa.string(), pa.large_string(), pa.string_view(), pa.null())


def is_flat(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds texts or bytes that Arrow can store once each."""
    return kind in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())


def can_identify(kind: pa.DataType) -> bool:
    """Return whether values of this type can be written as ids."""
    try:
        id_texts(pa.chunked_array([], kind))
    except pa.ArrowNotImplementedError:
        return False
    return True


def id_texts(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return ids as texts: bytes are written as hex digits."""
    kind = ids.type
    if isinstance(kind, pa.BaseExtensionType):
        ids = ids.cast(kind := kind.storage_type)
    bytes_ = (pa.binary(), pa.large_binary(), pa.binary_view())
    if kind in bytes_ or pa.types.is_fixed_size_binary(kind):
        digits = [value if value is None else value.hex() for value in ids.to_pylist()]
        return pa.chunked_array([digits], pa.string())
    return ids.cast(pa.string())


def to_values(column: pa.ChunkedArray) -> list[Any]:
    """Return a column's values; what Python lacks, such as a date in the year 10000, as text."""
    try:
        return column.to_pylist()
    except (OverflowError, ValueError):
        return [_to_value(column.slice(row, 1)) for row in range(len(column))]


def _to_value(column: pa.ChunkedArray) -> Any:
    try:
        return column.to_pylist()[0]
    except (OverflowError, ValueError):
        return column.combine_chunks().to_string(skip_new_lines=True)


def to_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Return a table's rows, with values as `to_values` gives them."""
    rows = zip(*map(to_values, table.columns), strict=True)
    return [dict(zip(table.column_names, row, strict=True)) for row in rows]
