"""Parquet that is damaged behind its footer: the rows keep their numbers, and carry the reason."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Set

import pyarrow as pa
import pyarrow.parquet as pq

from fnet_ray.corpus.files import check_unchanged
from fnet_ray.corpus.readers.rows import REJECT
from fnet_ray.corpus.shards import Piece, first_line, group_rows, open_texts
from fnet_ray.output.rejects import DAMAGED

BATCH_ROWS = 8192


def read_piece(piece: Piece, column: str, others: Set[str], *, places: Set[str]) -> pa.Table:
    """Read a run of rows; those of a damaged row group are null, and say why in `REJECT`.

    Args:
        piece: Which rows.
        column: The column of texts.
        others: Further columns to read, where the file has them.
        places: Those of `others` that say which row it is: read even where the rest is damaged.

    Returns:
        `piece.rows` rows. A column that the file has not is missing.

    Raises:
        InputError: The file is not the one that was planned.
    """
    try:
        with open_texts(piece.data, column) as file:
            table = read_rows(file, piece.start, piece.rows, _present(file, {column, *others}))
    except (pa.ArrowException, OSError) as error:
        _check(piece)
        if not is_damage(error):
            raise
        return _salvage(piece, column, others, places)
    _check(piece)
    return table


def is_damage(error: Exception) -> bool:
    """Return whether an error is about what a file holds, rather than about reaching it.

    Arrow's own errors have no number, those of a system have one; an object store's are of types
    of their own.
    """
    if isinstance(error, pa.ArrowException):
        return not isinstance(error, MemoryError)
    return type(error) is OSError and error.errno is None


def read_rows(file: pq.ParquetFile, start: int, rows: int, columns: list[str]) -> pa.Table:
    """Read a run of rows, touching only the row groups that hold them.

    These are read to their end: which rows a damage takes does not depend on how shards are cut.

    Args:
        file: The Parquet file.
        start: First row, from 0.
        rows: Number of rows.
        columns: Names of the columns.

    Raises:
        ArrowException: A row group is damaged.
        OSError: A row group is damaged, or out of reach.
    """
    touched = list(_runs(file, start, rows))
    skip, batches = touched[0][1] if touched else 0, []
    missing = rows
    groups = [group for group, _, _ in touched]
    for batch in file.iter_batches(BATCH_ROWS, row_groups=groups, columns=columns):
        part = batch.slice(skip, missing)
        skip = max(0, skip - batch.num_rows)
        missing -= part.num_rows
        if part.num_rows:
            batches.append(part)
    if missing:
        raise pa.ArrowInvalid(f"{rows - missing} rows instead of {rows}")
    return pa.Table.from_batches(batches)


def _runs(file: pq.ParquetFile, start: int, rows: int) -> Iterator[tuple[int, int, int]]:
    """Yield each row group that holds some of a run of rows: its number, from where, how many."""
    begin = 0
    for group, count in enumerate(group_rows(file)):
        first, end = max(begin, start), min(begin + count, start + rows)
        if first < end:
            yield group, first - begin, end - first
        begin += count


def _salvage(piece: Piece, column: str, others: Set[str], places: Set[str]) -> pa.Table:
    """Read each row group by itself."""
    parts: list[pa.Table] = []
    reason = "file"
    try:
        with open_texts(piece.data, column) as file:
            columns = _present(file, {column, *others})
            start = piece.start
            for group, _, rows in _runs(file, start, piece.rows):
                parts.append(_read_run(file, group, start, rows, columns, places))
                start += rows
    except (pa.ArrowException, OSError) as error:
        if not is_damage(error):
            raise
        reason = f"file: {first_line(error)}"
    rest = piece.rows - sum(part.num_rows for part in parts)
    if rest:
        parts.append(_lost(rest, {column: pa.string()}, reason))
    return pa.concat_tables(parts, promote_options="permissive")


def _read_run(
    file: pq.ParquetFile, group: int, start: int, rows: int, columns: list[str], places: Set[str]
) -> pa.Table:
    try:
        return read_rows(file, start, rows, columns)
    except (pa.ArrowException, OSError) as error:
        if not is_damage(error):
            raise
        reason = f"row group {group}: {first_line(error)}"
    types = {name: file.schema_arrow.field(name).type for name in columns}
    lost = _lost(rows, types, reason)
    for name in places & types.keys():
        with contextlib.suppress(pa.ArrowException, OSError):
            known = read_rows(file, start, rows, [name])[name]
            lost = lost.set_column(lost.column_names.index(name), name, known)
    return lost


def _lost(rows: int, types: dict[str, pa.DataType], reason: str) -> pa.Table:
    columns = {name: pa.nulls(rows, kind) for name, kind in types.items()}
    return pa.table({**columns, REJECT: pa.repeat(f"{DAMAGED} {reason}", rows)})


def _present(file: pq.ParquetFile, wanted: Set[str]) -> list[str]:
    return [name for name in file.schema_arrow.names if name in wanted]


def _check(piece: Piece) -> None:
    if piece.size is not None and piece.version is not None:
        check_unchanged(piece.data, piece.source, size=piece.size, version=piece.version)


def invalid_values(column: pa.ChunkedArray) -> list[int]:
    """Return the rows whose values are none of the column's type, such as text that is no UTF-8.

    Parquet does not check them, and the output's readers would fail over them.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if _is_valid(column):
        return []
    return [row for row in range(len(column)) if not _is_valid(column.slice(row, 1))]


def _is_valid(column: pa.ChunkedArray) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
