"""Exact search over stored vectors: one query and a thousand, beside reading alone and indexes.

    python benchmarks/search.py [--rows 1000000] [--folder /tmp]

The vectors lie as a job stores them, in shards of 32,000 rows, in the page cache. Each contender
but ours and pyarrow holds all vectors in memory, which is loaded before it is timed.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from machine import description

from fnet_ray.nearest.hits import NearestRows
from fnet_ray.nearest.stored import StoredRows
from fnet_ray.options import Parameters
from fnet_ray.output.layout import DATA_FILE, EMBEDDINGS
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.stores import open_store
from fnet_ray.stages.commit import to_parquet

DIM, SHARD, K = 768, 32_000, 10
LANCE_QUERIES = 20  # which it answers one after the other


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", help="where the vectors are written; 3 kB a row")
    arguments = parser.parse_args()
    queries = np.random.default_rng(1).normal(size=(1000, DIM)).astype("float32")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        stored = write_shards(Path(folder), arguments.rows)
        print(description(), "\n")
        print(f"### {arguments.rows:,} rows of {DIM}, the best {K}\n")
        print("| | one query, s | 1,000 queries, s |\n|---|---|---|")
        row("read the column with pyarrow", lambda _: read_all(stored), queries)
        row("fnet search", lambda asked: find(stored, asked), queries)
        print(f"\nPeak memory so far: {peak():.2f} GB.\n")
        peers = (
            ("faiss, flat index", faiss_index, len(queries)),
            (
                f"lancedb, no index ({LANCE_QUERIES} queries, multiplied)",
                lance_table,
                LANCE_QUERIES,
            ),
        )
        for name, make, asked in peers:
            try:
                row(name, make(stored, Path(folder)), queries, asked)
            except ModuleNotFoundError as error:
                print(f"| {name} | not installed: {error.name} | |")


def write_shards(folder: Path, rows: int) -> StoredRows:
    store = open_store(folder)
    generator = np.random.default_rng(0)
    names = []
    for number, start in enumerate(range(0, rows, SHARD)):
        values = generator.normal(size=(min(SHARD, rows - start), DIM)).astype("float32")
        column = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), DIM)
        table = pa.table({"embedding": column})
        names.append(DATA_FILE.format(folder=EMBEDDINGS, shard=number))
        store.write(names[-1], to_parquet(table, table.schema))
    manifest = Manifest(
        model="random",
        digest="",
        encoding={},
        parameters=Parameters(),
        carried=pa.schema([]),
        shardings=(),
    )
    return StoredRows(store=store, manifest=manifest, names=names)


def row(
    name: str, run: Callable[[np.ndarray], object], queries: np.ndarray, asked: int | None = None
) -> None:
    """Times one query and all of them, by as many as are asked."""
    asked = asked or len(queries)
    one, some = (seconds(run, queries[:count]) for count in (1, asked))
    print(f"| {name} | {one:.2f} | {some * len(queries) / asked:.2f} |", flush=True)


def seconds(run: Callable[[np.ndarray], object], queries: np.ndarray, rounds: int = 3) -> float:
    taken = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        run(queries)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[1:])


def read_all(stored: StoredRows) -> None:
    for name in stored.names:
        pq.read_table(stored.store.path(name), columns=["embedding"])


def find(stored: StoredRows, queries: np.ndarray) -> np.ndarray:
    nearest = NearestRows(queries, K)
    fresh = StoredRows(store=stored.store, manifest=stored.manifest, names=stored.names)
    for block in fresh.blocks(DIM):
        nearest.add(block.vectors, block.rows)
    return nearest.hits.rows


def unit_blocks(stored: StoredRows) -> Iterator[np.ndarray]:
    for name in stored.names:
        column = pq.read_table(stored.store.path(name))["embedding"].combine_chunks()
        values = column.flatten().to_numpy().reshape(-1, DIM)
        yield values / np.linalg.norm(values, axis=1, keepdims=True)


def faiss_index(stored: StoredRows, _folder: Path) -> Callable[[np.ndarray], object]:
    import faiss

    index = faiss.IndexFlatIP(DIM)
    for block in unit_blocks(stored):
        index.add(block)
    return lambda queries: index.search(queries, K)


def lance_table(stored: StoredRows, folder: Path) -> Callable[[np.ndarray], object]:
    import lancedb

    schema = pa.schema({"vector": pa.list_(pa.float32(), DIM)})
    blocks = (
        pa.record_batch([pa.FixedSizeListArray.from_arrays(pa.array(b.ravel()), DIM)], schema)
        for b in unit_blocks(stored)
    )
    table = lancedb.connect(folder / "lance").create_table("rows", blocks, schema=schema)

    def search(queries: np.ndarray) -> None:
        for query in queries:
            table.search(query).distance_type("dot").limit(K).to_arrow()

    return search


def peak() -> float:
    return psutil.Process().memory_info().rss / 1e9


if __name__ == "__main__":
    main()
