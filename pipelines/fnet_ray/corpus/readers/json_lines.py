"""JSON lines: one object per line, read first for the types and then for the rows.

Types hold for the whole file: integers and fractions become fractions, and a field that holds
values of different kinds, nested too deeply or with ever new names, or numbers that its type cannot
hold exactly, is kept as text, each value that is not a text written as JSON. A field that only
holds nulls has the null type.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from fnet_ray.corpus.arrow_types import can_carry
from fnet_ray.corpus.nested import find_values
from fnet_ray.corpus.readers.rows import (
    REJECT,
    ROW,
    Opener,
    Rows,
    UnreadableFileError,
    in_batches,
    numbered_lines,
    with_marks,
)
from fnet_ray.options import Columns

_MOST_FIELDS = 5_000
_MOST_PARTS = 1_000

_Row = tuple[int, dict[str, Any], str | None]


def read(open_file: Opener, columns: Columns) -> Rows:
    """Read objects; one without a text in its field of texts becomes a reject."""
    column = columns.text
    types: dict[str, pa.DataType] = {}
    merged: set[str] = set()
    rows = 0
    for batch in _parse(open_file, columns.nested):
        rows += len(batch)
        names = dict.fromkeys(name for _, values, _ in batch for name in values)
        if len(types | names) > _MOST_FIELDS:
            raise UnreadableFileError(
                f"expected at most {_MOST_FIELDS:,} different fields in its lines; what has ever "
                "new names must be in one field"
            )
        for name in names:
            if types.get(name) == pa.string():
                continue
            known, found = types.get(name, pa.null()), _type_of(_values(batch, name))
            types[name] = _common(known, found)
            if pa.null() not in (known, found) and known != found:
                merged.add(name)
    if rows and columns.required and column not in types:
        raise UnreadableFileError(f"no line has the field {column!r}; it has {sorted(types)}")
    for batch in _parse(open_file, columns.nested) if merged else ():
        for name in merged:
            if not _holds(types[name], _values(batch, name)):
                types[name] = pa.string()
    if columns.required or column in types:
        types[column] = pa.string()
    schema = with_marks(pa.schema(list(types.items())))
    parsed = _parse(open_file, columns.nested)
    return schema, (_to_batch(batch, schema, column) for batch in parsed)


def _parse(open_file: Opener, nested: Sequence[str]) -> Iterator[list[_Row]]:
    for lines in in_batches(numbered_lines(open_file)):
        if lines[0][0] == 0 and lines[0][1].lstrip().startswith(b"["):
            raise UnreadableFileError("expected one JSON object per line, not one long list")
        yield [(number, *_parse_line(line, nested)) for number, line in lines]


def _parse_line(line: bytes, nested: Sequence[str]) -> tuple[dict[str, Any], str | None]:
    wrong = None
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        text, wrong = line.decode(errors="surrogateescape"), f"not UTF-8: {error}"
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        return {}, wrong or f"not JSON: {error}"
    if not isinstance(values, dict):
        return {}, f"not a JSON object: {_shorten(values)}"
    for name in nested:
        for value in [*islice(find_values(values, name), 1)]:
            values[name] = value
    if wrong is None and b"\\ud" in line.lower() and not _is_unicode(values):
        wrong = "not Unicode: it holds half a surrogate pair"
    if wrong is None:
        return values, None
    return {name: value for name, value in values.items() if _is_unicode({name: value})}, wrong


def _is_unicode(values: dict[str, Any]) -> bool:
    """Return whether all can be stored: JSON can escape half a surrogate pair."""
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _values(batch: list[_Row], name: str) -> list[Any]:
    return [values.get(name) for _, values, _ in batch]


def _type_of(values: list[Any]) -> pa.DataType:
    try:
        kind = pa.infer_type(values)
    except (pa.ArrowException, OverflowError):
        return pa.string()
    can_keep = _is_storable(kind) and can_carry(kind) and _holds(kind, values)
    return kind if can_keep else pa.string()


def _holds(kind: pa.DataType, values: list[Any]) -> bool:
    """Return whether the type can hold the values as they are, which inferring it leaves open."""
    try:
        _to_array(values, kind)
    except (pa.ArrowException, OverflowError):
        return False
    return True


def _is_storable(kind: pa.DataType) -> bool:
    """Return whether the type has no struct without fields, which Parquet lacks, and few parts."""
    waiting, parts = [kind], 0
    while waiting:
        each, parts = waiting.pop(), parts + 1
        inner = [each.field(number).type for number in range(each.num_fields)]
        if parts + len(inner) > _MOST_PARTS or (pa.types.is_struct(each) and not inner):
            return False
        waiting += inner
    return True


def _common(first: pa.DataType, second: pa.DataType) -> pa.DataType:
    schemas = [pa.schema([("x", kind)]) for kind in (first, second)]
    try:
        both = pa.unify_schemas(schemas, promote_options="permissive").field("x").type
    except pa.ArrowTypeError:
        return pa.string()
    return both if _is_storable(both) else pa.string()


def _to_batch(rows: list[_Row], schema: pa.Schema, column: str) -> pa.RecordBatch:
    columns = {name: _values(rows, name) for name in schema.names}
    columns[ROW] = [number for number, _, _ in rows]
    columns[REJECT] = [reason for _, _, reason in rows]
    if column in columns:
        texts = columns[column]
        columns[REJECT] = [reason or _why_no_text(values, column) for _, values, reason in rows]
        columns[column] = [text if isinstance(text, str) else None for text in texts]
    arrays = [_to_array(columns[field.name], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _why_no_text(values: dict[str, Any], column: str) -> str | None:
    if column not in values:
        return f"no field {column!r}"
    text = values[column]
    if text is None or isinstance(text, str):
        return None
    return f"not a text: {_shorten(text)}"


def _to_array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        values = [v if v is None or isinstance(v, str) else json.dumps(v) for v in values]
    return pa.array(values, kind)


def _shorten(value: Any) -> str:
    return textwrap.shorten(json.dumps(value), 60, placeholder="…")
