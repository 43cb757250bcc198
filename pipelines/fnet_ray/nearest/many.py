"""The nearest rows for files of queries, however many: through Ray, block by block."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fnet_ray.cluster.failures import quiet_execution
from fnet_ray.cluster.runtime import ray_cluster
from fnet_ray.corpus.files import InputFile, find_inputs
from fnet_ray.model import PinnedModel
from fnet_ray.nearest.queries import read_queries
from fnet_ray.nearest.searching import Lookup, check_any, encode_queries, same_model
from fnet_ray.nearest.stored import count_rows, renamed
from fnet_ray.output.local_store import writing
from fnet_ray.output.stores import open_store
from fnet_registry.errors import InputError

QUERIES_AT_ONCE, HITS_AT_ONCE = 8192, 1 << 22
"""How many are looked up in one pass over the output."""

VECTOR, _QUERY_TEXT = "vector", "query_text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search for files of queries wrote.

    Args:
        queries: How many queries there were.
        neighbours: How many hits were written, over all queries.
        rows: Rows of the output.
        seconds: How long it took.
    """

    queries: int
    neighbours: int
    rows: int
    seconds: float


def search_files(
    output: str | os.PathLike[str],
    queries: str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    column: str = "text",
    model: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Found:
    """Write the nearest rows for each query of files to a Parquet file.

    Where there are more queries than one pass over the output takes, they are encoded and looked
    up in Ray, and none of memory, here or on a worker, grows with their number.

    Args:
        output: The folder or URL that `embed` wrote to.
        queries: A file, folder or glob, of any format that `embed` reads.
        to: The Parquet file, which appears when it is complete. Its columns are those of
            `Search.hits`, and the query's text as `query_text`.
        column: The column of queries, or a field inside one, as `doc.text`.
        model: As in `search`.
        **options: `k`, `show` and `where`, as in `search`.

    Raises:
        FNetError: The output, the model or a query cannot be used; the message says why.
        mlflow.MlflowException: The registry knows no such model.
    """
    target = Path(to)
    if target.is_dir() or not target.absolute().parent.is_dir():
        raise InputError(
            "Expected a file to write, such as found.parquet, in a folder that is there. "
            f"Received: {to}"
        )
    lookup = replace(Lookup(output=output, **options), output=open_store(output).url)
    manifest = lookup.check()
    files = find_inputs(queries)
    counts = [sum(map(len, read_queries(file, column))) for file in files]
    started, neighbours = time.perf_counter(), 0
    pinned = same_model(manifest, model)
    at_once = max(1, min(QUERIES_AT_ONCE, HITS_AT_ONCE // lookup.k))
    if sum(counts) <= at_once:
        texts = [text for file in files for part in read_queries(file, column) for text in part]
        check_any(texts)
        hits, _ = lookup.run(encode_queries(pinned, manifest, texts))
        tables = iter([_with_texts(hits, pa.array(texts, pa.string()))])
    else:
        starts = list(accumulate(counts, initial=0))[:-1]
        read = ReadQueries(files=files, starts=starts, column=column)
        tables = _through_ray(read, pinned, lookup, manifest.parameters.dtype, at_once)
    with _created(target) as file:
        first = next(tables, None)
        if first is None:  # Ray passes on no table without rows
            hits, _ = lookup.run(np.empty((0, pinned.checkpoint.dim), np.float32))
            first = _with_texts(hits, pa.array([], pa.string()))
        with pq.ParquetWriter(file, first.schema) as writer:
            for table in chain([first], tables):
                writer.write_table(table)
                neighbours += len(table)
    return Found(
        queries=sum(counts),
        neighbours=neighbours,
        rows=count_rows(str(lookup.output)),
        seconds=time.perf_counter() - started,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadQueries:
    """Reads files of queries; takes a row for each file, with its number.

    Args:
        files: The files.
        starts: The number of each file's first query.
        column: Their column of queries.
    """

    files: Sequence[InputFile]
    starts: Sequence[int]
    column: str

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        """Yield numbered queries."""
        [place] = batch["id"].to_pylist()
        at = self.starts[place]
        for texts in read_queries(self.files[place], self.column):
            numbers = pa.array(range(at, at + len(texts)), pa.int64())
            yield pa.table({"query": numbers, _QUERY_TEXT: pa.array(texts, pa.string())})
            at += len(texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindNearest:
    """Looks queries up, which are numbered and encoded."""

    lookup: Lookup

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Return the hits of a batch of queries."""
        vectors = pa.concat_arrays([chunk.storage for chunk in batch[VECTOR].chunks])
        hits, _ = self.lookup.run(vectors.flatten().to_numpy().reshape(len(batch), -1))
        found = _with_texts(hits, batch[_QUERY_TEXT])
        return found.set_column(0, "query", batch["query"].take(hits["query"]))


def _through_ray(
    read: ReadQueries, pinned: PinnedModel, lookup: Lookup, dtype: str | None, at_once: int
) -> Iterator[pa.Table]:
    with ray_cluster(), quiet_execution() as context:
        context.execution_options.preserve_order = True
        yield from _tables(read, pinned, lookup, dtype, at_once)


def _tables(
    read: ReadQueries, pinned: PinnedModel, lookup: Lookup, dtype: str | None, at_once: int
) -> Iterator[pa.Table]:
    import ray.data

    from fnet_ray.dataset import BATCH_ROWS, encode

    count = len(read.files)
    queries = (
        ray.data.range(count, override_num_blocks=count)
        .map_batches(read, batch_size=1, batch_format="pyarrow")
        .repartition(target_num_rows_per_block=BATCH_ROWS)
    )
    encoded = encode(queries, pinned, column=_QUERY_TEXT, output_column=VECTOR, dtype=dtype)
    found = encoded.map_batches(
        FindNearest(lookup=lookup), batch_size=at_once, batch_format="pyarrow"
    )
    yield from found.iter_batches(prefetch_batches=0, batch_size=None, batch_format="pyarrow")


def _with_texts(hits: pa.Table, texts: pa.Array | pa.ChunkedArray) -> pa.Table:
    hits = hits.rename_columns(renamed(hits.column_names, beside=[_QUERY_TEXT]))
    return hits.add_column(1, _QUERY_TEXT, pc.take(texts, hits["query"]))


@contextmanager
def _created(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears when the block ends without an error."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with writing(path):
        file = temporary.open("xb")
    try:
        with file:
            yield file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
