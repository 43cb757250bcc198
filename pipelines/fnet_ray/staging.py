"""Files without footers become Parquet first, so that the number of rows is known and true."""

from __future__ import annotations

import hashlib
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq

from fnet_ray.formats import Format, compression
from fnet_ray.inputs import InputFile
from fnet_ray.readers import delimited, json_lines, text_lines
from fnet_ray.readers.rows import UnreadableFileError
from fnet_ray.store import Store
from fnet_registry.errors import InputError

_READERS = {
    Format.TEXT: text_lines.read,
    Format.JSON_LINES: json_lines.read,
    Format.CSV: delimited.read_csv,
    Format.TSV: delimited.read_tsv,
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
    if store.exists(name):
        return name
    try:
        schema, batches = _READERS[file.format](lambda: _open(file), column, id_column)
        with store.create(name) as target, pq.ParquetWriter(target, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
    except (UnreadableFileError, pa.ArrowException, OSError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"An input file cannot be read: {reason}. Received: {file.path}"
        ) from error
    return name


def _open(file: InputFile) -> io.BufferedReader:
    import fsspec

    fs, name = fsspec.url_to_fs(file.opened)
    raw = fs.open(name, "rb")
    codec = compression(file.path)
    return io.BufferedReader(pa.CompressedInputStream(raw, codec) if codec else raw)
