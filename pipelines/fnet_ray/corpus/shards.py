"""What there is to do: the sources with their true row counts, cut into shards.

The rows of all sources are counted through, in the order of the inputs. A shard is a run of these
numbers, so a plan of a hundred thousand shards is three integers, and small files share a shard.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq

from fnet_ray.corpus.arrow_types import can_carry, plain_type
from fnet_ray.corpus.files import InputFile
from fnet_ray.corpus.ids import can_identify
from fnet_ray.corpus.partitions import partition_values
from fnet_ray.corpus.readers.rows import REJECT, ROW
from fnet_registry.errors import InputError

FOOTER_THREADS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A Parquet file to read: an input file itself, or what it was staged to."""

    file: InputFile
    data: str
    """Path or URL of the Parquet file; empty for a damaged file that is left out."""
    rows: int

    def piece(self, start: int, rows: int, opened: Mapping[str, str]) -> Piece:
        """Return a run of this source's rows; `opened` is as in `Plan.pieces`."""
        file = self.file
        is_staged = self.data != file.path
        return Piece(
            source=file.path,
            data=opened.get(self.data, self.data),
            start=start,
            rows=rows,
            size=None if is_staged else file.size,
            version=None if is_staged else file.version,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Rows `start … start + rows` of one source."""

    source: str
    """The input file, as its user knows it."""
    data: str
    """What is opened."""
    start: int
    rows: int
    size: int | None = None
    """The input file's bytes when the job was planned; None where a staged copy is read."""
    version: str | None = None
    """The input file's version then; None where a staged copy is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Sources, cut into shards of equal size (the last may be smaller)."""

    sources: tuple[Source, ...]
    rows: int
    """Rows to do in all; fewer than the sources hold under a limit."""
    shard_rows: int
    first_shard: int = 0
    """Number of the first shard: appended inputs go on counting."""

    @property
    def shards(self) -> range:
        """The shards' numbers; the first plan has one in any case, so that there is a file."""
        count = max(-(-self.rows // self.shard_rows), 0 if self.first_shard else 1)
        return range(self.first_shard, self.first_shard + count)

    def pieces(
        self, opened: Mapping[str, str] = MappingProxyType({})
    ) -> Iterator[tuple[int, list[Piece]]]:
        """Yield every shard's number with where its rows are, in order.

        Args:
            opened: What to open in the place of a source's data, where that differs.
        """
        sources = iter(self.sources)
        source, used = next(sources, None), 0
        for shard in self.shards:
            wanted = self.shard_length(shard)
            pieces = []
            while wanted and source:
                taken = min(wanted, source.rows - used)
                if taken:
                    pieces.append(source.piece(used, taken, opened))
                used += taken
                wanted -= taken
                if used == source.rows:
                    source, used = next(sources, None), 0
            yield shard, pieces

    def shard_length(self, shard: int) -> int:
        """Return a shard's number of rows."""
        start = (shard - self.first_shard) * self.shard_rows
        return min(self.shard_rows, self.rows - start)


def open_parquet(path: str, *, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
    """Open a Parquet file on a disk or an object store.

    Args:
        path: Local path or URL.
        dictionaries: Names of columns to read as dictionaries with indices of 32 bits.
    """
    import fsspec

    if "://" not in path and path.isprintable():  # Arrow takes no name that is not UTF-8
        return pq.ParquetFile(path, read_dictionary=dictionaries)
    fs, name = fsspec.url_to_fs(path)
    return pq.ParquetFile(fs.open(name, "rb"), pre_buffer=True, read_dictionary=dictionaries)


def open_texts(path: str, column: str) -> pq.ParquetFile:
    """Open a Parquet file so that texts that are not UTF-8 can be read, too."""
    file = open_parquet(path)
    if not pa.types.is_dictionary(file.schema_arrow.field(column).type):
        return file
    file.close()  # Arrow refuses such texts where it widens or narrows a dictionary's indices
    return open_parquet(path, dictionaries=[column])


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """What the end of a Parquet file says."""

    rows: int
    schema: pa.Schema


def read_footers(paths: Sequence[str]) -> list[Footer | str]:
    """Read the footers of many Parquet files; for a damaged one, say what is wrong instead."""
    with ThreadPoolExecutor(FOOTER_THREADS) as threads:
        return list(threads.map(_read_footer, paths))


def _read_footer(path: str) -> Footer | str:
    try:
        with open_parquet(path) as file:
            rows, groups = file.metadata.num_rows, group_rows(file)
            if rows != sum(groups) or min(groups, default=0) < 0:
                return f"its footer names {rows} rows, and {sum(groups)} in its row groups"
            return Footer(rows=rows, schema=file.schema_arrow)
    except Exception as error:  # the storages' clients have no error in common
        return first_line(error)


def group_rows(file: pq.ParquetFile) -> list[int]:
    """Return the number of rows of each row group."""
    metadata = file.metadata
    return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


def first_line(error: Exception) -> str:
    """Return what an error says, without the rest that Arrow's add to it."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def carried_schema(
    footers: Sequence[tuple[InputFile, Footer]],
    *,
    column: str,
    id_column: str | None,
    keep: Sequence[str] | None,
    partitions: Mapping[str, pa.DataType] = MappingProxyType({}),
) -> pa.Schema:
    """Return the input's columns that the output carries, with one type each for all files.

    Args:
        footers: Every input file with what its footer says.
        column: The column of texts, which must be there and hold texts.
        id_column: The column that identifies rows, always carried, or None. Where files disagree
            on its type, it is text.
        keep: The columns to carry along, or None for all.
        partitions: The types of the columns that the files' folders name.

    Raises:
        InputError: A file lacks a column, names it twice, holds no texts or ids, or disagrees with
            the others on a type.
    """
    if keep is not None and id_column is not None and id_column not in keep:
        keep = [id_column, *keep]
    wanted = keep if keep is not None else [id_column] if id_column else []
    merged: dict[str, pa.Field] = {}
    for file, footer in footers:
        schema = _with_partitions(footer.schema, file, partitions)
        carried = schema.names if keep is None else keep
        _check_once(file, schema, {column, *carried})
        _check_texts(file, footer.schema, column)
        missing = [name for name in wanted if name not in schema.names]
        if missing:
            raise InputError(
                f"Every input must have the columns asked for; {file.path} has no {missing[0]!r}. "
                f"Received columns: {_names(schema)}"
            )
        if id_column is not None:
            _check_ids(file, schema.field(id_column))
        for field in _plain(schema, column):
            if field.name not in (ROW, REJECT) and (keep is None or field.name in keep):
                _check_carried(file, schema.field(field.name))
                known = merged.get(field.name)
                if field.name == id_column and known and known.type != field.type:
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
            f"Received {doubled[0]!r} twice in: {file.path}"
        )


def _check_texts(file: InputFile, schema: pa.Schema, column: str) -> None:
    if schema.get_all_field_indices(column) == []:
        raise InputError(
            f"Every input must have the column {column!r} (choose one with --column); "
            f"{file.path} has none. Received columns: {_names(schema)}"
        )
    if not is_text(schema.field(column).type):
        raise InputError(
            f"The column {column!r} must hold texts. "
            f"Received: {schema.field(column).type} in {file.path}"
        )


def _check_ids(file: InputFile, field: pa.Field) -> None:
    if not can_identify(field.type):
        raise InputError(
            f"The column {field.name!r} must hold ids, such as numbers, texts or UUIDs. "
            f"Received: {field.type} in {file.path}"
        )


def _check_carried(file: InputFile, field: pa.Field) -> None:
    if not can_carry(field.type):
        raise InputError(
            f"The column {field.name!r} must be of a type whose rows can be selected, or be left "
            f"out with --keep. Received: {field.type} in {file.path}"
        )


def is_text(kind: pa.DataType) -> bool:
    """Return whether a column of this type can hold texts."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_null(kind)
    )


def _plain(schema: pa.Schema, column: str) -> Iterator[pa.Field]:
    """Yield a file's columns without metadata and views, and the texts without a dictionary."""
    for field in schema:
        kind = plain_type(field.type)
        is_packed = field.name == column and pa.types.is_dictionary(kind)
        yield pa.field(field.name, kind.value_type if is_packed else kind)


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
    """Return a column of nothing but nulls as one of texts, which every reader knows."""
    return pa.field(field.name, pa.string()) if pa.types.is_null(field.type) else field


def _names(schema: pa.Schema) -> str:
    return ", ".join(name for name in schema.names if name not in (ROW, REJECT))
