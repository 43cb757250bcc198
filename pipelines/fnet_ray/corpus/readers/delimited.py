"""CSV and TSV. Column types are those that the whole file allows.

The columns of texts and of ids are text, as it is written. So is one that holds what only looks
like numbers, such as 007, 0x1F or +49, or fractions together with integers of 16 digits or more. In
a column of numbers, these are doubles or integers of 64 bits: 1.10 is 1.1, and a fraction has 17
digits at most. What stands for no value there, such as NA, is null, and a column of nothing else
has the null type, which agrees with that of any other file.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from fnet_ray.corpus.readers.rows import Opener, Rows, UnreadableFileError, with_marks
from fnet_ray.options import Columns
from fnet_registry.encoding.config import LARGEST_TEXT

_CODE = r"^\s*(\+|-?0[0-9xX])"
_TOO_LONG = "straddling"  # as Arrow says of a row that is longer than a block
_LARGEST_BLOCK = 2 * LARGEST_TEXT
_INEXACT_FRACTION = r"^\s*-?[0-9]{16,}\s*$"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dialect:
    """How a file is written; `header` is None where its first line says the columns' names.

    A row must fit into a block, which is what is read at once. `encoding` is what its bytes are
    taken for: Arrow gives up a file with a line to skip that is no text, and in Latin-1 all are.
    Where it is not `quoted`, quotes are a part of the values.
    """

    delimiter: str
    header: Sequence[str] | None
    block: int = 8 << 20
    encoding: str = "utf8"
    quoted: bool = True

    def read_as(self, name: str) -> str:
        """Return a column's name as Arrow reads it."""
        return name.encode().decode(self.encoding)

    def written(self, text: str) -> bytes:
        """Return the bytes of what Arrow read."""
        return text.encode(self.encoding)


def read(open_file: Opener, columns: Columns, *, delimiter: str) -> Rows:
    """Read a table; a line with too many or too few values becomes a reject.

    `delimiter` is the one that the file's ending says.
    """
    layout = columns.layout
    dialect = _Dialect(delimiter=layout.delimiter or delimiter, header=layout.header)
    if dialect.header and _is_empty(open_file):
        return with_marks(pa.schema(dict.fromkeys(dialect.header, pa.string()))), iter([])
    if dialect.delimiter == "\t" and _has_bare_quotes(open_file):
        dialect = replace(dialect, quoted=False)
    types = None
    while types is None:
        try:
            types = _column_types(open_file, columns, dialect)
        except pa.ArrowInvalid as error:
            dialect = _other_way(dialect, error)
    schema = with_marks(pa.schema(list(types.items())))
    return schema, _batches(open_file, schema, types, dialect)


def _has_bare_quotes(open_file: Opener) -> bool:
    """Return whether quotes are characters as others are, as in many tables that tabs part.

    Some value opens one that it does not close, and yet all lines have as many values: were that
    quote one, it would join lines that are rows.
    """
    found, tabs = False, set()
    with open_file() as file:
        for line in file:
            if line.strip(b"\r\n"):
                tabs.add(line.count(b"\t"))
                found = found or (b'"' in line and any(map(_is_open, line.split(b"\t"))))
            if len(tabs) > 1:
                return False
    return found and tabs != {0}


def _is_open(value: bytes) -> bool:
    return value.startswith(b'"') and value.count(b'"') % 2 == 1


def _other_way(dialect: _Dialect, error: pa.ArrowInvalid) -> _Dialect:
    """Return how else to read a file. Raises the error that it could not be read with."""
    if _is_too_long(error, dialect):
        return replace(dialect, block=_LARGEST_BLOCK)
    if dialect.encoding == "latin-1" or _TOO_LONG in str(error):
        raise error
    return replace(dialect, encoding="latin-1")


def _is_too_long(error: pa.ArrowInvalid, dialect: _Dialect) -> bool:
    """Return whether a row is longer than a block, of which there are larger ones."""
    return _TOO_LONG in str(error) and dialect.block < _LARGEST_BLOCK


def _is_empty(open_file: Opener) -> bool:
    with open_file() as file:
        return not file.peek(1)


def _names(open_file: Opener, dialect: _Dialect) -> list[str]:
    """Return the names of the columns, of which a header must have as many as the first line."""
    with open_file() as file:
        skipped: list[pyarrow.csv.InvalidRow] = []
        names = _reader(file, {}, dialect, on_skip=skipped.append).schema.names
    wrong = next((row for row in skipped if dialect.header and row.number == 1), None)
    if wrong:
        raise UnreadableFileError(
            f"expected {wrong.expected_columns} values in its first line, for as many names in "
            f"--header, not {wrong.actual_columns}"
        )
    return [dialect.written(name).decode() for name in names]


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
    try:
        found = _infer(open_file, known, dialect) | known
    except pa.ArrowInvalid as error:
        if _is_too_long(error, dialect):
            raise
        _infer(open_file, texts, dialect)  # which is only of one type where it can be read at all
        return texts
    return found | {name: texts[name] for name in _lossy(open_file, found, dialect)}


def _infer(
    open_file: Opener, types: dict[str, pa.DataType], dialect: _Dialect
) -> dict[str, pa.DataType]:
    """Read a file through. Raises pa.ArrowInvalid where it is mixed or cannot be read."""
    with open_file() as file:
        reader = _reader(file, types, dialect)
        for _ in reader:
            pass
    return {dialect.written(field.name).decode(): field.type for field in reader.schema}


def _lossy(open_file: Opener, types: dict[str, pa.DataType], dialect: _Dialect) -> set[str]:
    """Return the columns of numbers that, as numbers, would not be what is written."""
    signs = {pa.int64(): _CODE, pa.float64(): f"{_CODE}|{_INEXACT_FRACTION}"}
    numbers = {name: signs[kind] for name, kind in types.items() if kind in signs}
    lossy: set[str] = set()
    if not numbers:
        return lossy
    with open_file() as file:
        for batch in _reader(
            file, dict.fromkeys(numbers, pa.string()), dialect, only=list(numbers)
        ):
            for name in numbers.keys() - lossy:
                pattern = pc.MatchSubstringOptions(numbers[name])
                written = batch[dialect.read_as(name)].view(pa.string())
                if pc.call_function("match_substring_regex", [written], pattern).true_count:
                    lossy.add(name)
    return lossy


def _batches(
    open_file: Opener, schema: pa.Schema, types: dict[str, pa.DataType], dialect: _Dialect
) -> Iterator[pa.RecordBatch]:
    rejects: dict[int, str] = {}
    number = 0

    def reject(row: pyarrow.csv.InvalidRow) -> None:
        # Arrow counts lines from 1, a header line among them.
        rejects[row.number - (1 if dialect.header else 2)] = _why(row, dialect)

    with open_file() as file:
        for batch in _reader(file, types, dialect, on_skip=reject):
            free = (n for n in itertools.count(number) if n not in rejects)
            numbers = pa.array(itertools.islice(free, batch.num_rows), pa.int64())
            number = numbers[-1].as_py() + 1 if batch.num_rows else number
            reasons = pa.nulls(batch.num_rows, pa.string())
            columns = [
                _texts(values, dialect) if pa.types.is_string(field.type) else values
                for values, field in zip(batch.columns, schema, strict=False)
            ]
            yield pa.RecordBatch.from_arrays([*columns, numbers, reasons], schema=schema)
    if rejects:  # at the end, where a file that is converted once more must have them again
        numbers, reasons = pa.array(rejects, pa.int64()), pa.array(rejects.values(), pa.string())
        nulls = [pa.nulls(len(rejects), kind) for kind in schema.types[:-2]]
        yield pa.RecordBatch.from_arrays([*nulls, numbers, reasons], schema=schema)


def _texts(values: pa.Array, dialect: _Dialect) -> pa.Array:
    """Return texts that were read as bytes; some may not be UTF-8."""
    if dialect.encoding != "utf8":
        as_read = values.view(pa.string()).to_pylist()
        written = [text if text is None else dialect.written(text) for text in as_read]
        values = pa.array(written, pa.binary())
    return values.view(pa.string())


def _reader(
    file,
    types: dict[str, pa.DataType],
    dialect: _Dialect,
    *,
    only: Sequence[str] = (),
    on_skip: Callable[[pyarrow.csv.InvalidRow], None] = lambda row: None,
) -> pyarrow.csv.CSVStreamingReader:
    # Texts are read as bytes: one that is not UTF-8 would make Arrow give up the whole file.
    types = {
        dialect.read_as(name): pa.binary() if pa.types.is_string(kind) else kind
        for name, kind in types.items()
    }
    return pyarrow.csv.open_csv(
        file,
        read_options=pyarrow.csv.ReadOptions(
            use_threads=False,
            block_size=dialect.block,
            column_names=dialect.header and [*map(dialect.read_as, dialect.header)],
            encoding=dialect.encoding,
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=dialect.quoted and '"',
            newlines_in_values=dialect.quoted,
            invalid_row_handler=lambda row: on_skip(row) or "skip",
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types, include_columns=[*map(dialect.read_as, only)]
        ),
    )


def _why(row: pyarrow.csv.InvalidRow, dialect: _Dialect) -> str:
    line = dialect.written(row.text).decode(errors="backslashreplace")[:60]
    return f"expected {row.expected_columns} values, not {row.actual_columns}: {line}"
