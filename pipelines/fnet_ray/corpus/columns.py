"""The input columns that the output carries along, with the types that all files share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from types import MappingProxyType

import pyarrow as pa

from fnet_ray.corpus.arrow_types import can_carry, can_identify, is_text, plain_type
from fnet_ray.corpus.files import InputFile
from fnet_ray.corpus.nested import find_column, with_nested
from fnet_ray.corpus.parquet import Footer
from fnet_ray.corpus.partitions import partition_values
from fnet_ray.corpus.readers.rows import REJECT, ROW
from fnet_ray.options import Columns
from fnet_registry.errors import InputError
from fnet_registry.shown import one_line


def carried_schema(
    footers: Sequence[tuple[InputFile, Footer]],
    columns: Columns,
    *,
    partitions: Mapping[str, pa.DataType] = MappingProxyType({}),
) -> pa.Schema:
    """Return the input's columns that the output carries, with one type each for all files.

    Args:
        footers: Every input file with what its footer says.
        columns: What was asked for. Where files disagree on the type of ids, these are texts.
        partitions: The types of the columns that the files' folders name.

    Raises:
        InputError: A file lacks a column, names it twice, holds no texts or ids, or disagrees with
            the others on a type.
    """
    keep = columns.carried
    wanted = keep if keep is not None else [columns.id] if columns.id else []
    merged: dict[str, pa.Field] = {}
    for file, footer in footers:
        found = with_nested(footer.schema, columns.nested)
        schema = _with_partitions(found, file, partitions)
        names = {columns.text, *(schema.names if keep is None else keep)}
        ways = (find_column(footer.schema, name) for name in names)
        _check_once(file, footer.schema, {way[0].name for way in ways if way})
        _check_texts(file, found, columns.text)
        missing = [name for name in wanted if name not in schema.names]
        if missing and footer.rows:
            raise InputError(
                f"Every input must have the column {missing[0]!r}, which was asked for. "
                f"Received: {_names(schema)} in {file.path}"
            )
        if columns.id in schema.names and not can_identify(schema.field(columns.id).type):
            must = "hold ids, such as numbers, texts or UUIDs"
            raise _unfit(file, schema.field(columns.id), must)
        for written in schema:
            if written.name not in (ROW, REJECT) and (keep is None or written.name in keep):
                if not can_carry(written.type):
                    must = "be of a type whose rows can be selected, and not be nested deeply, or "
                    raise _unfit(file, written, f"{must}be left out with --keep")
                field = _plain(written, columns.text)
                known = merged.get(field.name)
                if field.name == columns.id and known and known.type != field.type:
                    merged[field.name] = pa.field(field.name, pa.string())
                else:
                    merged[field.name] = _merge(known, field, file)
    names = merged if keep is None else keep
    return pa.schema([_storable(merged[name]) for name in names if name in merged])


def _with_partitions(
    schema: pa.Schema, file: InputFile, partitions: Mapping[str, pa.DataType]
) -> pa.Schema:
    for name in partition_values(file.path):
        if name in partitions and name not in schema.names:
            schema = schema.append(pa.field(name, partitions[name]))
    return schema


def _check_once(file: InputFile, schema: pa.Schema, names: Set[str]) -> None:
    doubled = [name for name in schema.names if name in names and schema.names.count(name) > 1]
    if doubled:
        raise InputError(
            "Every column to read must be there once, or be left out with --keep. "
            f"Received: {doubled[0]!r} twice in {file.path}"
        )


def _check_texts(file: InputFile, schema: pa.Schema, column: str) -> None:
    if schema.get_all_field_indices(column) == []:
        raise InputError(
            f"Every input must have the column {column!r}; choose another one with --column. "
            f"Received: {_names(schema)} in {file.path}"
        )
    if not is_text(schema.field(column).type):
        raise _unfit(file, schema.field(column), "hold texts")


def _unfit(file: InputFile, field: pa.Field, must: str) -> InputError:
    received = one_line(str(field.type))
    return InputError(f"The column {field.name!r} must {must}. Received: {received} in {file.path}")


def _plain(field: pa.Field, column: str) -> pa.Field:
    """Return a file's column without metadata and views, and the texts without a dictionary."""
    kind = plain_type(field.type)
    is_packed = field.name == column and pa.types.is_dictionary(kind)
    return pa.field(field.name, kind.value_type if is_packed else kind)


def _merge(known: pa.Field | None, field: pa.Field, file: InputFile) -> pa.Field:
    if known is None or known.equals(field):
        return field
    try:
        schemas = [pa.schema([known]), pa.schema([field])]
        return pa.unify_schemas(schemas, promote_options="permissive").field(0)
    except pa.ArrowTypeError as error:
        raise InputError(
            f"The column {field.name!r} must have one type in all inputs, or be left out with "
            f"--keep. Received: {known.type} and, in {file.path}, {field.type}"
        ) from error


def _storable(field: pa.Field) -> pa.Field:
    """Return a column that only holds nulls as one of texts, which every reader knows."""
    return pa.field(field.name, pa.string()) if pa.types.is_null(field.type) else field


def _names(schema: pa.Schema) -> str:
    return ", ".join(name for name in schema.names if name not in (ROW, REJECT))
