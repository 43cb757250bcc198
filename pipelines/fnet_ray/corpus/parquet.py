"""Parquet files, wherever they are: opened for their rows, or for their footers alone."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from fnet_ray.cluster.failures import first_line
from fnet_ray.corpus.nested import find_column
from fnet_ray.corpus.storages import open_storage

FOOTER_THREADS = 16


def open_parquet(path: str, *, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
    """Open a Parquet file; columns in `dictionaries` come as such, with indices of 32 bits."""
    if "://" not in path and path.isprintable():  # Arrow takes no name that is not UTF-8
        return pq.ParquetFile(path, read_dictionary=dictionaries)
    fs, name = open_storage(path)
    return pq.ParquetFile(fs.open(name, "rb"), pre_buffer=True, read_dictionary=dictionaries)


def open_texts(path: str, column: str) -> pq.ParquetFile:
    """Open a Parquet file so that texts that are not UTF-8 can be read, too."""
    file = open_parquet(path)
    if not pa.types.is_dictionary(find_column(file.schema_arrow, column)[-1].type):
        return file
    file.close()  # Arrow refuses such texts where it widens or narrows a dictionary's indices
    return open_parquet(path, dictionaries=[column])


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """What the end of a Parquet file says; `size` is its bytes without compression."""

    rows: int
    schema: pa.Schema
    size: int = 0


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
            size = sum(file.metadata.row_group(n).total_byte_size for n in range(len(groups)))
            return Footer(rows=rows, schema=file.schema_arrow, size=size)
    except Exception as error:  # the storages' clients have no error in common
        return first_line(error)


def group_rows(file: pq.ParquetFile) -> list[int]:
    """Return the number of rows of each row group."""
    metadata = file.metadata
    return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
