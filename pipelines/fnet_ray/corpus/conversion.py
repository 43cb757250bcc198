"""Files without footers become Parquet first, so that the number of rows is known and true."""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import io
import json
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from fnet_ray.corpus.files import InputFile, check_unchanged, unreadable
from fnet_ray.corpus.formats import Format, compression
from fnet_ray.corpus.readers import delimited, json_lines, text_lines
from fnet_ray.corpus.readers.rows import Rows, UnreadableFileError
from fnet_ray.corpus.shards import Footer, first_line, read_footers
from fnet_ray.output.store import Store
from fnet_registry.errors import FNetError

_READERS = {
    Format.TEXT: text_lines.read,
    Format.JSON_LINES: json_lines.read,
    Format.CSV: delimited.read_csv,
    Format.TSV: delimited.read_tsv,
}

_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def staged_name(file: InputFile, column: str, id_column: str | None) -> str:
    """Return where a file is staged to, under the output; another version has another name."""
    key = json.dumps([file.path, file.version, file.size, column, id_column])
    return f"run/staged/{hashlib.sha256(key.encode()).hexdigest()[:32]}.parquet"


def stage(file: InputFile, store: Store, *, column: str, id_column: str | None) -> str:
    """Write one file's rows as Parquet, unless an earlier run did.

    Args:
        file: A file of any format but Parquet.
        store: The output folder.
        column: The column or field of texts; for plain text files, the column's name to be.
        id_column: The column that identifies rows, or None.

    Returns:
        The staged file's name in the store.

    Raises:
        InputError: The file is damaged as a whole, or has no such column.
    """
    name = staged_name(file, column, id_column)
    if store.exists(name) and isinstance(read_footers([store.path(name)])[0], Footer):
        return name
    schema, batches = _read(file, column, id_column)
    with store.create(name) as target, pq.ParquetWriter(target, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
        check_unchanged(file.opened, file.path, size=file.size, version=file.version)
    return name


def _read(file: InputFile, column: str, id_column: str | None) -> Rows:
    """Call the reader, whose errors are the file's; those of the store are not."""
    with _of_the_file(file):
        schema, batches = _READERS[file.format](lambda: _open(file), column, id_column)

    def checked() -> Iterator[pa.RecordBatch]:
        with _of_the_file(file):
            yield from batches

    return schema, checked()


@contextlib.contextmanager
def _of_the_file(file: InputFile) -> Iterator[None]:
    try:
        yield
    except (FNetError, MemoryError):
        raise
    except UnicodeDecodeError as error:  # of a header: of other lines, the rows are rejects
        raise unreadable(file, f"{_not_utf_8('LATIN1')} or the like") from error
    except Exception as error:  # the storages' clients have no error in common
        raise unreadable(file, first_line(error)) from None


def _open(file: InputFile) -> io.BufferedReader:
    import fsspec

    fs, name = fsspec.url_to_fs(file.opened)
    raw = fs.open(name, "rb")
    codec = compression(file.path)
    data = io.BufferedReader(pa.CompressedInputStream(raw, codec) if codec else raw)
    try:
        _skip_mark(data)
    except BaseException:
        data.close()
        raise
    return data


def _skip_mark(data: io.BufferedReader) -> None:
    """Skip UTF-8's byte-order mark; refuse what is no UTF-8 by its first bytes."""
    start = data.peek(4)[:4]
    if start.startswith(codecs.BOM_UTF8):
        data.read(len(codecs.BOM_UTF8))
    name = next((name for mark, name in _ENCODINGS.items() if start.startswith(mark)), None)
    if name is None and b"\0" in start:
        name = "UTF-16"
    if name is not None:
        raise UnreadableFileError(_not_utf_8(name))


def _not_utf_8(name: str) -> str:
    return f"expected UTF-8, as `iconv -f {name} -t UTF-8` writes it, not {name}"
