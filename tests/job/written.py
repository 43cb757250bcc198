"""Outputs as a job writes them, without a job: for what a page says of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fnet_ray.corpus.files import InputFile
from fnet_ray.corpus.formats import format_named
from fnet_ray.corpus.shards import Input, Sharding
from fnet_ray.options import Parameters
from fnet_ray.output.commits import commit_shard
from fnet_ray.output.layout import EMBEDDINGS, REJECTS
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.rejects import REJECTS as REJECTED
from fnet_ray.output.stores import open_store
from fnet_ray.stages.commit import to_parquet

ENCODING = {"sequence_length": 64, "pooling": "mean", "normalize": False}


def work_of(shard: int, *, host: str = "node-1", started: float = 1e9) -> dict[str, Any]:
    """Ten seconds of encoding in each shard, one after the other."""
    return {
        "windows": 10,
        "tokens": 100,
        "truncated": 1,
        "seconds": 10.0,
        "ended": started + 10.0 * (shard + 1),
        "read_seconds": 1.0,
        "tokenize_seconds": 2.0,
        "commit_seconds": 0.5,
        "lengths": [[5, 9], [70, 1]],
        "device": "cpu (test)",
        "host": host,
        "versions": "fnet-registry 0",
    }


def write_output(
    folder: Path | str,
    shards: Sequence[pa.Table],
    *,
    rejects: Sequence[str] = (),
    works: Mapping[int, Mapping[str, Any]] | None = None,
    planned: int | None = None,
    model: str = "models:/fnet/1",
    path: str = "/corpus/news.parquet",
    column: str = "text",
    id_column: str | None = None,
    dim: int = 4,
    length: float = 1.0,
    seed: int = 0,
) -> str:
    """Write shards of columns, to which random vectors are added; rejects go with the first.

    `length` is about that of a vector of one number.

    `planned` shards are in the manifest: by default those that are written.
    """
    store, random = open_store(folder), np.random.default_rng(seed)
    shard_rows = max([1, *(table.num_rows for table in shards)]) + len(rejects)
    rows = sum(table.num_rows for table in shards) + len(rejects)
    if planned is not None:
        rows = planned * shard_rows
    file = InputFile(path=path, format=format_named("parquet"), size=1000, version="1")
    carried = shards[0].schema if shards else pa.schema([])
    Manifest(
        model=model,
        digest="0" * 64,
        encoding=ENCODING,
        parameters=Parameters(column=column, id_column=id_column),
        carried=carried,
        shardings=(
            Sharding(
                inputs=(Input(file=file, parquet=path, rows=rows),),
                rows=rows,
                shard_rows=shard_rows,
            ),
        ),
    ).write(store)
    start = 0
    for shard, columns in enumerate(shards):
        table, count = columns, columns.num_rows
        vectors = (length * random.standard_normal((count, dim))).astype(np.float32)
        lists = pa.FixedSizeListArray.from_arrays(vectors.reshape(-1), dim)
        if id_column is None:
            table = table.append_column("source_file", pa.array([path] * count, pa.string()))
            numbers = pa.array(range(start, start + count), pa.int64())
            table = table.append_column("source_row", numbers)
        table = table.append_column(
            pa.field("embedding", pa.list_(pa.float32(), dim), nullable=False), lists
        )
        files = {EMBEDDINGS: (to_parquet(table, table.schema), count)}
        why = list(rejects) if shard == 0 else []
        if why:
            places = [{"id": None, "source_file": path, "source_row": n} for n in range(len(why))]
            rejected = pa.Table.from_pylist(
                [{**place, "reason": reason} for place, reason in zip(places, why, strict=True)],
                REJECTED,
            )
            files[REJECTS] = (to_parquet(rejected, REJECTED), len(why))
        work = (works or {}).get(shard, work_of(shard))
        commit_shard(store, shard, rows=count + len(why), rejects=len(why), files=files, work=work)
        start += count
    return store.url
