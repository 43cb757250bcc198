"""CSV and TSV. Column types are those that the whole file allows.

Nothing that is written is lost to a type: the columns of texts and of ids are text, and so is one
that holds numbers such as 007, 0x1F or +49, or fractions together with integers of 16 digits or
more. A column without any value has the null type.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from fnet_ray.corpus.readers.rows import REJECT, ROW, Opener, Rows, UnreadableFileError, with_marks
from fnet_ray.options import Columns
from fnet_registry.encoding.config import LARGEST_TEXT

_CODE = r"^\s*(\+|-?0[0-9xX])"
_TOO_LONG = "straddling"  # as Arrow says of a row that is longer than a block
_LARGEST_BLOCK = 2 * LARGEST_TEXT
_INEXACT_FRACTION = r"^\s*-?[0-9]{16,}\s*$"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dialect:
    """How a file is written; `header` is None where its first line says the columns' names.

    A row must fit into a block, which is what is read at once.
    """

    delimiter: str
    header: Sequence[str] | None
    block: int = 8 << 20


def read(open_file: Opener, columns: Columns, *, delimiter: str) -> Rows:
    """Read a table; a line with too many or too few values becomes a reject.

    `delimiter` is the one that the file's ending says.
    """
    layout = columns.layout
    dialect = _Dialect(delimiter=layout.delimiter or delimiter, header=layout.header)
    try:
        types = _column_types(open_file, columns, dialect)
    except pa.ArrowInvalid as error:
        if _TOO_LONG not in str(error):
            raise
        dialect = replace(dialect, block=_LARGEST_BLOCK)
        types = _column_types(open_file, columns, dialect)
    schema = with_marks(pa.schema(list(types.items())))
    if dialect.header and _is_empty(open_file):
        return schema, iter([])
    return schema, _batches(open_file, schema, types, dialect)


def _is_empty(open_file: Opener) -> bool:
    with open_file() as file:
        return not file.peek(1)


def _names(open_file: Opener, dialect: _Dialect) -> list[str]:
    """Return the names of the columns, of which a header must have as many as the first line."""
    if dialect.header and _is_empty(open_file):
        return list(dialect.header)
    with open_file() as file:
        skipped: list[pyarrow.csv.InvalidRow] = []
        names = _reader(file, {}, dialect, skipped).schema.names
    wrong = next((row for row in skipped if dialect.header and row.number == 1), None)
    if wrong:
        raise UnreadableFileError(
            f"expected {wrong.expected_columns} values in its first line, for as many names in "
            f"--header, not {wrong.actual_columns}"
        )
    return names


def _column_types(open_file: Opener, columns: Columns, dialect: _Dialect) -> dict[str, pa.DataType]:
    """Infer types from the file's beginning; where its rest disagrees, all columns are texts.

    The file is read once for that, once more where columns of numbers are to be compared with what
    is written, and once for the rows: Arrow settles a type before it has seen all values.
    """
    names = _names(open_file, dialect)
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise UnreadableFileError(
            f"expected each column once in its header, not {doubled[0]!r} twice"
        )
    if columns.required and columns.text not in names:
        other = ", which another --delimiter may part" if len(names) == 1 else ""
        raise UnreadableFileError(f"no column {columns.text!r}; it has {names}{other}")
    texts = {name: pa.string() for name in names}
    asked = {columns.text, columns.id, *columns.also_texts}
    known = dict.fromkeys(texts.keys() & asked, pa.string())
    schema = _schema(open_file, known, dialect)
    if schema is None:
        _schema(open_file, texts, dialect)  # which tells of a row that is too long
        return texts
    found = {field.name: field.type for field in schema} | known
    return found | {name: texts[name] for name in _lossy(open_file, found, dialect)}


def _schema(
    open_file: Opener, types: dict[str, pa.DataType], dialect: _Dialect
) -> pa.Schema | None:
    """Read a file through; None where it is mixed, or damaged, which shows again when it is read.

    Raises:
        pa.ArrowInvalid: A row is longer than a block, of which there are larger ones.
    """
    try:
        with open_file() as file:
            reader = _reader(file, types, dialect, [])
            for _ in reader:
                pass
    except pa.ArrowInvalid as error:
        if _TOO_LONG in str(error) and dialect.block < _LARGEST_BLOCK:
            raise
        return None
    return reader.schema


def _lossy(open_file: Opener, types: dict[str, pa.DataType], dialect: _Dialect) -> set[str]:
    """Return the columns of numbers that, as numbers, would not be what is written."""
    signs = {pa.int64(): _CODE, pa.float64(): f"{_CODE}|{_INEXACT_FRACTION}"}
    numbers = {name: signs[kind] for name, kind in types.items() if kind in signs}
    lossy: set[str] = set()
    if not numbers:
        return lossy
    with open_file() as file:
        for batch in _reader(
            file, dict.fromkeys(numbers, pa.string()), dialect, [], only=list(numbers)
        ):
            for name in numbers.keys() - lossy:
                pattern = pc.MatchSubstringOptions(numbers[name])
                written = batch[name].view(pa.string())
                if pc.call_function("match_substring_regex", [written], pattern).true_count:
                    lossy.add(name)
    return lossy


def _batches(
    open_file: Opener, schema: pa.Schema, types: dict[str, pa.DataType], dialect: _Dialect
) -> Iterator[pa.RecordBatch]:
    skipped: list[pyarrow.csv.InvalidRow] = []
    number = 0
    with open_file() as file:
        for batch in _reader(file, types, dialect, skipped):
            bad = {_position(row, dialect) for row in skipped}
            free = (n for n in itertools.count(number) if n not in bad)
            numbers = pa.array(itertools.islice(free, batch.num_rows), pa.int64())
            number = numbers[-1].as_py() + 1 if batch.num_rows else number
            reasons = pa.nulls(batch.num_rows, pa.string())
            columns = [
                values.view(field.type) if pa.types.is_string(field.type) else values
                for values, field in zip(batch.columns, schema, strict=False)
            ]
            yield pa.RecordBatch.from_arrays([*columns, numbers, reasons], schema=schema)
    rejects = [{ROW: _position(row, dialect), REJECT: _why(row)} for row in skipped]
    yield from pa.Table.from_pylist(rejects, schema=schema).to_batches()


def _reader(
    file,
    types: dict[str, pa.DataType],
    dialect: _Dialect,
    skipped: list[pyarrow.csv.InvalidRow],
    *,
    only: Sequence[str] = (),
) -> pyarrow.csv.CSVStreamingReader:
    # Texts are read as bytes: one that is not UTF-8 would make Arrow give up the whole file.
    types = {n: pa.binary() if pa.types.is_string(kind) else kind for n, kind in types.items()}
    return pyarrow.csv.open_csv(
        file,
        read_options=pyarrow.csv.ReadOptions(
            use_threads=False, block_size=dialect.block, column_names=dialect.header
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=dialect.delimiter,
            newlines_in_values=True,
            invalid_row_handler=functools.partial(_skip, skipped),
        ),
        convert_options=pyarrow.csv.ConvertOptions(column_types=types, include_columns=only),
    )


def _skip(skipped: list[pyarrow.csv.InvalidRow], row: pyarrow.csv.InvalidRow) -> str:
    skipped.append(row)
    return "skip"


def _position(row: pyarrow.csv.InvalidRow, dialect: _Dialect) -> int:
    """Return the row's number from 0; Arrow counts lines from 1, a header line among them."""
    return row.number - (1 if dialect.header else 2)


def _why(row: pyarrow.csv.InvalidRow) -> str:
    return f"expected {row.expected_columns} values, not {row.actual_columns}: {row.text[:60]}"
