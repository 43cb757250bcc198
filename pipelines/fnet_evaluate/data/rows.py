"""Rows of a user's files, of any format that an embedding job reads, in one shape."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import pyarrow as pa

from fnet_evaluate.data.columns import BadValueError
from fnet_evaluate.data.shapes import SHAPES, Shape, check_names
from fnet_ray.corpus.conversion import open_lines
from fnet_ray.corpus.files import InputFile, find_inputs, reading
from fnet_ray.corpus.parquet import open_parquet
from fnet_ray.corpus.readers.rows import REJECT, ROW
from fnet_ray.options import Columns
from fnet_registry.errors import InputError
from fnet_registry.shown import shown

BATCH_ROWS = 8192
_MOST_NAMES = 20

Path = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows in files, of which `batches` yields the shape's columns by their own names and types.

    Args:
        files: The files.
        shape: What each row holds.
        renamed: A column's own name → its name in the files, as the user says.
        forgiving: Whether a row that cannot be read stays, with nulls in it. Rows then carry their
            numbers too, from 0 in each file, in the column `ROW`.
    """

    files: Sequence[InputFile]
    shape: Shape
    renamed: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    forgiving: bool = False

    @property
    def name(self) -> str:
        """The files' names, without their folders."""
        names = [os.path.basename(file.path) for file in self.files]
        return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1:,} more"

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows, `BATCH_ROWS` at a time whatever their files are.

        Raises:
            InputError: A file cannot be read, lacks a column, or a row has no usable value.
        """
        waiting: list[pa.RecordBatch] = []
        for file in self.files:
            for batch in self._batches_of(file):
                waiting.append(batch)
                if sum(map(len, waiting)) >= BATCH_ROWS:
                    *full, rest = _cut(waiting)
                    yield from full
                    waiting = [rest]
        yield from (batch for batch in _cut(waiting) if len(batch))

    def table(self) -> pa.Table:
        """Return all rows.

        Raises:
            InputError: As in `batches`; or there are no rows.
        """
        found = list(self.batches())
        if not found:
            raise InputError(f"Data must have rows. Received: none in {self.files[0].path}")
        return pa.Table.from_batches(found)

    def _batches_of(self, file: InputFile) -> Iterator[pa.RecordBatch]:
        names = column_names(file)
        if not names:
            return
        sources = self.shape.sources(names, self.renamed)
        if sources is None:
            raise InputError(
                f"Every file must have the columns {self.shape}. Received: {_listed(names)} in "
                f"{file.path}"
            )
        _refuse_doubled(names, list(sources.values()), file)
        start = 0
        optional = [source for name, source in sources.items() if name in self.shape.optional]
        for batch in _read(file, list(sources.values()), optional):
            yield self._checked(batch, sources, file, start)
            start += len(batch)

    def _checked(
        self, batch: pa.RecordBatch, sources: Mapping[str, str], file: InputFile, start: int
    ) -> pa.RecordBatch:
        columns = {}
        if self.forgiving:
            numbered = ROW in batch.schema.names
            columns[ROW] = batch[ROW] if numbered else pa.array(range(start, start + len(batch)))
        else:
            _refuse_rejects(batch, file)
        for name, source in sources.items():
            try:
                column = self.shape.columns[name](pa.chunked_array([batch[source]]))
            except BadValueError as error:
                where = "" if error.row is None else f"row {_number(batch, error.row, start)} of "
                raise InputError(
                    f"The column {source!r} must {error.must}. Received: {error.received} in "
                    f"{where}{file.path}"
                ) from None
            columns[name] = column.combine_chunks()
        return pa.RecordBatch.from_pydict(columns)


def open_rows(
    data: Path | Sequence[Path],
    *,
    renamed: Mapping[str, str] = MappingProxyType({}),
    shapes: Sequence[Shape] = SHAPES,
) -> Rows:
    """Find data and tell by the columns of its first file what it is.

    Args:
        data: Files, folders and globs, as `fnet embed` takes them.
        renamed: A column's own name → its name in the files, such as `{"anchor": "question"}`.
        shapes: What it may be.

    Raises:
        InputError: There are no such files, or they have none of the shapes.
    """
    check_names(renamed, shapes)
    files = find_inputs(data)
    names = column_names(files[0])
    for source in renamed.values():
        if source not in names and not any(source in column_names(file) for file in files[1:]):
            raise _no_such_column(source, names, files[0])
    shape = next((each for each in shapes if each.sources(names, renamed) is not None), None)
    if shape is None:
        raise _unknown_shape(names, files[0], shapes)
    return Rows(files=files, shape=shape, renamed=renamed)


def column_names(file: InputFile) -> list[str]:
    """Return the names of a file's columns; none for an empty file.

    Raises:
        InputError: It cannot be read.
    """
    with reading(file.path):
        if file.format.read is None:
            with open_parquet(file.opened) as parquet:
                return parquet.schema_arrow.names
        if not file.size:
            return []
        schema, _ = file.format.read(lambda: open_lines(file), Columns(required=False))
        return [name for name in schema.names if name not in (ROW, REJECT)]


def _read(
    file: InputFile, columns: Sequence[str], optional: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Yield columns of a file; without types, the first two and the optional ones are texts."""
    with reading(file.path):
        if file.format.read is None:
            with open_parquet(file.opened) as parquet:
                yield from parquet.iter_batches(BATCH_ROWS, columns=list(columns))
            return
        text, other = [*columns, None][:2]
        asked = Columns(text=str(text), id=other, also_texts=optional)
        yield from file.format.read(lambda: open_lines(file), asked)[1]


def _cut(batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """Cut batches anew; all but the last are full."""
    if not batches:
        return []
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    whole = pa.concat_tables(tables, promote_options="default")  # not every file has a title
    [batch] = whole.combine_chunks().to_batches() or [batches[0]]
    starts = range(0, len(batch) + 1, BATCH_ROWS)
    return [batch.slice(start, BATCH_ROWS) for start in starts]


def _refuse_doubled(names: Sequence[str], columns: Sequence[str], file: InputFile) -> None:
    doubled = [column for column in columns if names.count(column) > 1]
    if doubled:
        raise InputError(
            f"Every column to read must be there once. Received: {doubled[0]!r} twice in "
            f"{file.path}"
        )


def _refuse_rejects(batch: pa.RecordBatch, file: InputFile) -> None:
    if REJECT not in batch.schema.names:
        return
    reasons = batch[REJECT].to_pylist()
    bad = next((row for row, reason in enumerate(reasons) if reason), None)
    if bad is not None:
        raise InputError(
            f"Every row must be readable. Received: {reasons[bad]}, in row "
            f"{_number(batch, bad, 0)} of {file.path}"
        )


def _number(batch: pa.RecordBatch, row: int, start: int) -> int:
    """Return a row's number in its file, from 1."""
    number = batch[ROW][row].as_py() if ROW in batch.schema.names else start + row
    return number + 1


def _no_such_column(source: str, names: Sequence[str], file: InputFile) -> InputError:
    return InputError(
        f"--map must name columns of the file, such as {_listed(names)}. Received: "
        f"{shown(source)}, which is none in {file.path}"
    )


def _unknown_shape(names: Sequence[str], file: InputFile, shapes: Sequence[Shape]) -> InputError:
    if not names:
        return InputError(f"Data must have rows. Received: none in {file.path}")
    known = "; or ".join(map(str, shapes))
    return InputError(
        f"Data must have the columns {known}; name others with --map, for example --map "
        f"anchor=question. Received: {_listed(names)} in {file.path}"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
