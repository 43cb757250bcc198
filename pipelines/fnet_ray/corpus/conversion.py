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

from fnet_ray.cluster.failures import first_line
from fnet_ray.corpus.files import InputFile, check_unchanged, unreadable
from fnet_ray.corpus.formats import compression
from fnet_ray.corpus.parquet import Footer, read_footers
from fnet_ray.corpus.readers.rows import Rows, UnreadableFileError
from fnet_ray.options import Columns
from fnet_ray.output.layout import CONVERTED_FILE
from fnet_ray.output.store import Store
from fnet_registry.errors import FNetError

_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def convert(file: InputFile, store: Store, columns: Columns) -> str:
    """Write one file's rows as Parquet, unless an earlier run did.

    Returns the converted file's name in the store.

    Raises:
        InputError: The file is damaged as a whole, or has no such column.
    """
    name = _converted_name(file, columns)
    if store.exists(name) and isinstance(read_footers([store.path(name)])[0], Footer):
        return name
    schema, batches = _read(file, columns)
    with store.create(name) as target, pq.ParquetWriter(target, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
        check_unchanged(file.opened, file.path, size=file.size, version=file.version)
    return name


def _converted_name(file: InputFile, columns: Columns) -> str:
    """Return where a file is converted to; another version of it has another name."""
    key = json.dumps([file.path, file.version, file.size, columns.text, columns.id])
    return CONVERTED_FILE.format(key=hashlib.sha256(key.encode()).hexdigest()[:32])


def _read(file: InputFile, columns: Columns) -> Rows:
    """Call the reader, whose errors are the file's; those of the store are not."""
    assert file.format.read
    with _of_the_file(file):
        schema, batches = file.format.read(lambda: open_lines(file), columns)

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


def open_lines(file: InputFile) -> io.BufferedReader:
    """Open a file that is not Parquet, without its compression and byte-order mark."""
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
    """Skip UTF-8's byte-order mark; refuse a file whose first bytes are not UTF-8."""
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
