"""Files without footers become Parquet first, so that the number of rows is known and true."""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import io
import json
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fnet_ray.cluster.failures import first_line, own_error
from fnet_ray.cluster.runtime import live_nodes, own_cpus
from fnet_ray.corpus.files import InputFile, check_unchanged, unreadable
from fnet_ray.corpus.formats import compression
from fnet_ray.corpus.parquet import Footer, read_footers
from fnet_ray.corpus.readers.rows import Rows, UnreadableFileError
from fnet_ray.corpus.storages import open_storage
from fnet_ray.options import Columns, Layout
from fnet_ray.output.layout import CONVERTED, CONVERTED_FILE
from fnet_ray.output.store import Store
from fnet_registry.errors import FNetError, InputError

UTF_8 = "utf-8"
_MARKS = {
    codecs.BOM_UTF8: "UTF-8",
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}

_UNDECODABLE = "fnet_ray.undecodable"

Converted = tuple[InputFile, str | InputError]
"""A file, and where it is as Parquet, or what is wrong with it."""

Converting = Callable[[Sequence[InputFile], Store, Columns], Generator[Converted, None, None]]


def convert_on_ray(
    files: Sequence[InputFile], store: Store, columns: Columns, *, on_this_node: bool = False
) -> Generator[Converted, None, None]:
    """Convert files in parallel: on all nodes, unless the store is a folder of this one's."""
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    place: Any = here if on_this_node else "DEFAULT"

    # A head node may be there for the driver alone, and offer no CPU to any task.
    cpus = 0 if on_this_node else 1
    there = own_cpus() if on_this_node else sum(node.get("CPU", 0) for node in live_nodes())
    most = max(1, int(there))
    task: Any = ray.remote(num_cpus=cpus, max_retries=3, scheduling_strategy=place)(convert_one)

    waiting, running = iter(files), {}
    try:
        while True:
            for file in islice(waiting, most - len(running)):
                running[task.remote(file, store, columns)] = file
            if not running:
                return
            [done], _ = ray.wait(list(running))
            yield running.pop(done), ray.get(done)
    except RayError as error:
        raise own_error(error) from None
    finally:
        if running:
            from fnet_ray.cluster.stopping import end_tasks

            end_tasks(list(running))


def convert_files(
    files: Sequence[InputFile],
    store: Store,
    columns: Columns,
    *,
    skip_damaged: bool,
    convert_each: Converting = convert_on_ray,
) -> dict[str, str | InputError]:
    """Convert files to Parquet.

    Returns an input's path → the converted file's, or what is wrong with it.

    Raises:
        InputError: A file cannot be converted, unless `skip_damaged`.
    """
    if not files:
        return {}
    store.clear_unfinished(CONVERTED)
    converted: dict[str, str | InputError] = {}
    with contextlib.closing(convert_each(files, store, columns)) as done:
        for file, found in done:
            if isinstance(found, InputError) and not skip_damaged:
                raise found
            converted[file.path] = found
    return converted


def convert_one(file: InputFile, store: Store, columns: Columns) -> str | InputError:
    """Convert one file; return where it is then, or what is wrong with it."""
    try:
        return store.path(convert(file, store, columns))
    except InputError as error:
        return error


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
    asked: list[Any] = [file.path, file.version, file.size, columns.text, columns.id]
    kept = [name for name in columns.nested if name not in (columns.text, columns.id)]
    if kept or columns.layout != Layout():  # else as earlier releases did
        asked += [kept, asdict(columns.layout)]
    key = json.dumps(asked)
    return CONVERTED_FILE.format(key=hashlib.sha256(key.encode()).hexdigest()[:32])


def _read(file: InputFile, columns: Columns) -> Rows:
    """Call the reader, whose errors are the file's; those of the store are not."""
    assert file.format.read
    encoding = columns.layout.encoding
    with _of_the_file(file, encoding):
        schema, batches = file.format.read(lambda: open_lines(file, encoding), columns)

    def checked() -> Iterator[pa.RecordBatch]:
        with _of_the_file(file, encoding):
            yield from batches

    return schema, checked()


@contextlib.contextmanager
def _of_the_file(file: InputFile, encoding: str) -> Iterator[None]:
    try:
        yield
    except (FNetError, MemoryError):
        raise
    except UnicodeDecodeError as error:  # of a header: of other lines, the rows are rejects
        raise unreadable(file, f"{_not_in(encoding, 'LATIN1')} or the like") from error
    except Exception as error:  # the storages' clients have no error in common
        raise unreadable(file, first_line(error)) from None


def open_lines(file: InputFile, encoding: str = UTF_8) -> io.BufferedReader:
    """Open a file that is not Parquet as UTF-8, without its compression and byte-order mark.

    What is not of the file's encoding is not UTF-8, either.
    """
    fs, name = open_storage(file.opened)
    raw = fs.open(name, "rb")
    codec = compression(file.path)
    data = io.BufferedReader(pa.CompressedInputStream(raw, codec) if codec else raw)
    try:
        _check_mark(data, encoding)
        if encoding != UTF_8:
            recoded: Any = _AsUtf8(data, encoding)
            data = io.BufferedReader(recoded)
        _skip_mark(data, encoding)
    except BaseException:
        data.close()
        raise
    return data


class _AsUtf8(io.RawIOBase):
    """Reads another encoding as UTF-8; what cannot be decoded becomes a byte that UTF-8 lacks."""

    def __init__(self, data: io.BufferedReader, encoding: str) -> None:
        codecs.register_error(_UNDECODABLE, _replace_by_no_text)
        self._data = data
        self._decoder = codecs.getincrementaldecoder(encoding)(_UNDECODABLE)
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        read = b" "
        while read and not self._waiting:
            read = self._data.read(io.DEFAULT_BUFFER_SIZE)
            text = self._decoder.decode(read, final=not read)
            self._waiting = text.encode(errors="surrogateescape")
        part, self._waiting = self._waiting[: len(buffer)], self._waiting[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        self._data.close()
        super().close()


def _replace_by_no_text(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "\udcff", error.end


def _check_mark(data: io.BufferedReader, encoding: str) -> None:
    """Refuse a file whose byte-order mark is that of another encoding."""
    start = data.peek(4)[:4]
    name = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
    if name is not None and not encoding.startswith(name.lower()):
        raise UnreadableFileError(_not_in(encoding, name))


def _skip_mark(data: io.BufferedReader, encoding: str) -> None:
    """Skip UTF-8's byte-order mark; refuse a file whose first characters are no text's."""
    start = data.peek(4)[:4]
    if start.startswith(codecs.BOM_UTF8):
        data.read(len(codecs.BOM_UTF8))
    elif b"\0" in start:
        raise UnreadableFileError(_not_in(encoding, "UTF-16"))


def _not_in(encoding: str, name: str) -> str:
    if encoding != UTF_8:
        return f"expected {encoding}, as --encoding says, not {name}"
    return (
        f"expected UTF-8, as `iconv -f {name} -t UTF-8` writes it, or --encoding "
        f"{name.lower()} of fnet embed, not {name}"
    )
