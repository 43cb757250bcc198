"""What a job would do, found out without writing anything: rows, tokens, shards and time."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, Unpack

import numpy as np
import pyarrow as pa

from fnet_ray.cluster.pool import ActorPool, WorkerRequest, choose_pool, shard_rows
from fnet_ray.cluster.runtime import live_nodes, ray_cluster
from fnet_ray.corpus.conversion import convert_on_ray
from fnet_ray.corpus.files import find_inputs, opened_as
from fnet_ray.corpus.planning import open_corpus
from fnet_ray.corpus.shards import Sharding
from fnet_ray.model import SharedModel, resolve_model, share_model
from fnet_ray.options import Columns, Options, Parameters
from fnet_ray.output.stores import open_store
from fnet_ray.reuse.older import open_older
from fnet_ray.reuse.taking import share_older
from fnet_ray.stages.message import unpack
from fnet_ray.stages.pieces import rows_of
from fnet_ray.stages.read import ReadShard, shard_request
from fnet_ray.stages.tokens import Windows
from fnet_registry.encoding.packing import Tokens

SAMPLE_RANGES, SAMPLE_ROWS = 16, 1024
SAMPLE_SECONDS = 5.0

Path = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a job would do. Shares and rates are those of a sample.

    Args:
        model: The model's URI, with its version.
        files: Input files.
        rows: Input rows.
        shards: Shards.
        tokens: Tokens to encode, without padding.
        truncated_share: Windows that would lose tokens, of all.
        rejected_share: Rows that have no text, or one that is refused, of all.
        reused_share: Rows whose vectors an older output holds, of all.
        workers: Workers that would encode.
        rows_per_second: What they would encode together.
        seconds: The time to encode, once the workers run; None where no row of the sample has a
            text to encode.
    """

    model: str
    files: int
    rows: int
    shards: int
    tokens: int
    truncated_share: float
    rejected_share: float
    reused_share: float
    workers: int
    rows_per_second: float
    seconds: float | None


def preview(
    model: Path,
    inputs: Path | Sequence[Path],
    *,
    output: Path | None = None,
    skip_damaged: bool = False,
    workers: WorkerRequest | None = None,
    reuse: Path | None = None,
    **options: Unpack[Options],
) -> Preview:
    """Find out what `embed` would do, by counting rows and encoding a sample on one worker.

    Takes and raises what `embed` does; the output is only asked so that its files are no inputs,
    and itself nothing to reuse.
    """
    parameters = Parameters(**options)
    store = None if output is None else open_store(output)
    files = find_inputs(inputs, output=store and store.url)
    parameters.check_used(file.format.name for file in files)
    older = None if reuse is None else open_older(reuse, store)
    pinned = resolve_model(model)
    windowing = parameters.windowing(pinned.encoding.sequence_length)
    with tempfile.TemporaryDirectory(prefix="fnet-plan-") as folder, ray_cluster():
        pool = choose_pool(workers or WorkerRequest(), live_nodes())
        found = open_corpus(
            files,
            open_store(folder),
            parameters,
            skip_damaged=skip_damaged,
            convert_each=partial(convert_on_ray, on_this_node=True),
        )
        rows = min(found.rows, parameters.limit or found.rows)
        config, length = pinned.checkpoint.config, windowing.sequence_length
        size = shard_rows(rows, pool, config, length, row_bytes=found.row_bytes)
        sharding = Sharding(inputs=found.inputs, rows=rows, shard_rows=size)
        shared = share_model(pinned, dtype=parameters.dtype)
        read = ReadShard(
            columns=Columns(text=parameters.column),
            carried=pa.schema([]),
            reject_empty=parameters.reject_empty,
            windowing=windowing,
            tokenizer_proto=shared.tokenizer_proto,
            reuse=share_older(
                older, digest=pinned.digest, asked=parameters, model=shared, pool=pool
            ),
        )
        sample = _sample(sharding, read, opened_as(files))
        windows, read_rows = len(sample.tokens), sample.rows
        rate = _measure(shared, sample.tokens, pool) * pool.most if windows else 0.0
    return Preview(
        model=pinned.uri,
        files=len(files),
        rows=rows,
        shards=len(sharding.shards),
        tokens=round(rows * len(sample.tokens.values) / max(1, read_rows)),
        truncated_share=sample.truncated_share,
        rejected_share=sample.rejected / max(1, read_rows),
        reused_share=sample.reused / max(1, read_rows),
        workers=pool.most,
        rows_per_second=rate * read_rows / windows if windows else 0.0,
        seconds=rows * windows / read_rows / rate if windows else None,
    )


class _Sample(NamedTuple):
    """Rows: how many, the rejects and those with older vectors among them, the others' tokens."""

    rows: int
    rejected: int
    reused: int
    tokens: Tokens
    truncated_share: float


def _sample(sharding: Sharding, read: ReadShard, opened: Mapping[str, str]) -> _Sample:
    """Read rows from all over the inputs."""
    ranges = [each for _, shard in sharding.ranges(opened) for each in shard]
    chosen = ranges[:: max(1, len(ranges) // SAMPLE_RANGES)]
    most = -(-SAMPLE_ROWS // max(1, len(chosen)))
    chosen = [replace(each, rows=min(each.rows, most)) for each in chosen]
    _, tables = unpack(read(pa.Table.from_pylist([shard_request(0, chosen)])))
    windows, text_of_row = Windows.from_table(tables["windows"]), tables["texts"]["text"].to_numpy()
    shared_by = rows_of(windows.document, text_of_row)
    truncated = shared_by[windows.tokens.truncated].sum() / max(1, shared_by.sum())
    return _Sample(
        rows=sum(each.rows for each in chosen),
        rejected=tables["rejected"].num_rows,
        reused=int(np.isin(text_of_row, tables["known"]["document"].to_numpy()).sum()),
        tokens=windows.tokens,
        truncated_share=float(truncated),
    )


def _measure(model: SharedModel, sample: Tokens, pool: ActorPool) -> float:
    """Return the rows per second that one worker encodes."""
    import ray

    @ray.remote(num_cpus=pool.cpus, num_gpus=pool.gpus)
    def measure() -> float:
        encoder = model.encoder(num_threads=pool.threads)
        encoder.encode_tokens(sample[:1])
        done, start = 0, time.perf_counter()
        while done < len(sample) and time.perf_counter() - start < SAMPLE_SECONDS:
            done += len(encoder.encode_tokens(sample[done : done + encoder.batch_size]))
        return done / (time.perf_counter() - start)

    return ray.get(measure.remote())
