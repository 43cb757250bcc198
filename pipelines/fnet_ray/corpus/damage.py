"""Parquet that is damaged behind its footer: the rows keep their numbers, and carry the reason."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Set
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fnet_ray.cluster.failures import first_line
from fnet_ray.corpus.files import check_unchanged
from fnet_ray.corpus.nested import find_column, take_columns
from fnet_ray.corpus.parquet import group_rows, open_texts
from fnet_ray.corpus.readers.rows import REJECT
from fnet_ray.corpus.shards import RowRange
from fnet_ray.output.rejects import DAMAGED

BATCH_ROWS = 8192


def read_range(wanted: RowRange, column: str, others: Set[str], *, places: Set[str]) -> pa.Table:
    """Read a run of rows; those of a damaged row group are null, and say why in `REJECT`.

    Args:
        wanted: Which rows.
        column: The column of texts.
        others: Further columns to read, where the file has them.
        places: Those of `others` that say which row it is: read even where the rest is damaged.

    Returns:
        `wanted.rows` rows. A column that the file does not have is missing.

    Raises:
        InputError: The file is not the one that was planned.
    """
    parts: list[pa.Table] = []
    reason = "file"
    try:
        with open_texts(wanted.parquet, column) as file:
            columns = _present(file, {column, *others})
            for group in _groups(file, wanted.start, wanted.rows):
                parts.append(_read_or_lose(group, columns, places))
    except (pa.ArrowException, OSError) as error:
        _check(wanted)
        _raise_unless_damage(error)
        reason = f"file: {first_line(error)}"
    _check(wanted)
    rest = wanted.rows - sum(part.num_rows for part in parts)
    if rest:
        parts.append(_lost(rest, {column: pa.string()}, reason))
    return pa.concat_tables(parts, promote_options="permissive")


@dataclass(frozen=True, slots=True)
class _Group:
    """Some rows of a row group."""

    file: pq.ParquetFile
    number: int
    start: int
    rows: int

    def read(self, columns: list[str]) -> pa.Table:
        """Read the rows, and the group to its end: damage takes all of it, however shards are cut.

        Raises:
            ArrowException: The group is damaged.
            OSError: The group is damaged, or out of reach.
        """
        skip, missing, batches = self.start, self.rows, []
        for batch in self.file.iter_batches(BATCH_ROWS, row_groups=[self.number], columns=columns):
            part = batch.slice(skip, missing)
            skip = max(0, skip - batch.num_rows)
            missing -= part.num_rows
            if part.num_rows:
                batches.append(part)
        if missing:
            raise pa.ArrowInvalid(f"{self.rows - missing} rows instead of {self.rows}")
        return take_columns(pa.Table.from_batches(batches), columns)


def _groups(file: pq.ParquetFile, start: int, rows: int) -> Iterator[_Group]:
    """Yield the row groups that hold some of a run of rows."""
    begin = 0
    for number, count in enumerate(group_rows(file)):
        first, end = max(begin, start), min(begin + count, start + rows)
        if first < end:
            yield _Group(file, number, first - begin, end - first)
        begin += count


def _read_or_lose(group: _Group, columns: list[str], places: Set[str]) -> pa.Table:
    try:
        return group.read(columns)
    except (pa.ArrowException, OSError) as error:
        _raise_unless_damage(error)
        reason = f"row group {group.number}: {first_line(error)}"
    types = {name: find_column(group.file.schema_arrow, name)[-1].type for name in columns}
    lost = _lost(group.rows, types, reason)
    for name in places & types.keys():
        with contextlib.suppress(pa.ArrowException, OSError):
            known = group.read([name])[name]
            lost = lost.set_column(lost.column_names.index(name), name, known)
    return lost


def _raise_unless_damage(error: Exception) -> None:
    """Raise an error again that is about reaching a file, rather than about what it holds.

    Arrow's own errors have no number, those of a system have one; an object store's are of types
    of their own.
    """
    is_arrows = isinstance(error, pa.ArrowException) and not isinstance(error, MemoryError)
    if not is_arrows and not (type(error) is OSError and error.errno is None):
        raise error


def _lost(rows: int, types: dict[str, pa.DataType], reason: str) -> pa.Table:
    columns = {name: pa.nulls(rows, kind) for name, kind in types.items()}
    return pa.table({**columns, REJECT: pa.repeat(f"{DAMAGED} {reason}", rows)})


def _present(file: pq.ParquetFile, wanted: Set[str]) -> list[str]:
    names = dict.fromkeys([*file.schema_arrow.names, *sorted(wanted)])
    return [name for name in names if name in wanted and find_column(file.schema_arrow, name)]


def _check(wanted: RowRange) -> None:
    if wanted.size is not None and wanted.version is not None:
        check_unchanged(wanted.parquet, wanted.source, size=wanted.size, version=wanted.version)


def invalid_values(column: pa.ChunkedArray) -> list[int]:
    """Return the rows whose values are not of the column's type, such as texts that are not UTF-8.

    Parquet does not check them, and the output's readers would fail over them.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return [] if _is_valid(column) else list(_invalid_rows(column, np.arange(len(column))))


def _invalid_rows(column: pa.ChunkedArray, rows: np.ndarray) -> Iterator[int]:
    """Yield those of some rows, which are copied: a slice of lists is validated with all values."""
    if _is_valid(column.take(pa.array(rows))):
        return
    if len(rows) == 1:
        yield int(rows[0])
        return
    for half in np.array_split(rows, 2):
        yield from _invalid_rows(column, half)


def _is_valid(column: pa.ChunkedArray) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
