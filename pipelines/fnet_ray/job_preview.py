"""What a job would do, found out without writing anything: rows, tokens, shards and time."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Unpack

import pyarrow as pa

from fnet_ray.cluster.pool import WorkerPool, WorkerRequest, choose_workers, shard_rows
from fnet_ray.cluster.runtime import live_nodes, ray_cluster
from fnet_ray.corpus.files import find_inputs, opened_as
from fnet_ray.corpus.planning import open_sources
from fnet_ray.corpus.shards import Plan
from fnet_ray.model import SharedModel, resolve_model, share_model
from fnet_ray.options import Options
from fnet_ray.output.manifest import Parameters
from fnet_ray.output.store import open_store
from fnet_ray.stages.message import unpack
from fnet_ray.stages.read import ReadShard, shard_request
from fnet_ray.stages.tokens import Windows
from fnet_registry.encoding.packing import Tokens

SAMPLE_PIECES, SAMPLE_ROWS = 16, 1024
SAMPLE_SECONDS = 5.0

Path = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a job would do. Shares and rates are those of a sample."""

    model: str
    files: int
    rows: int
    shards: int
    tokens: int
    """Without padding."""
    truncated_share: float
    """Windows that would lose tokens, of all."""
    rejected_share: float
    """Rows that have no text, or one that is refused, of all."""
    workers: int
    rows_per_second: float
    seconds: float | None
    """The time to encode, once the workers run; None where no row of the sample has a text."""


def preview(
    model: Path,
    inputs: Path | Sequence[Path],
    *,
    output: Path | None = None,
    skip_damaged: bool = False,
    workers: WorkerRequest | None = None,
    **options: Unpack[Options],
) -> Preview:
    """Find out what `embed` would do, by counting rows and encoding a sample on one worker.

    Args:
        model: As in `embed`.
        inputs: As in `embed`.
        output: As in `embed`.
        skip_damaged: As in `embed`.
        workers: As in `embed`.
        **options: As in `embed`.

    Raises:
        FNetError: As in `embed`.
    """
    parameters = Parameters(**options)
    files = find_inputs(inputs, output=None if output is None else open_store(output).url)
    pinned = resolve_model(model)
    windowing = parameters.windowing(pinned.encoding.sequence_length)
    with tempfile.TemporaryDirectory(prefix="fnet-plan-") as folder, ray_cluster():
        pool = choose_workers(workers or WorkerRequest(), live_nodes())
        found = open_sources(
            files, open_store(folder), parameters, skip_damaged=skip_damaged, on_this_node=True
        )
        rows = found.rows if parameters.limit is None else min(found.rows, parameters.limit)
        size = shard_rows(rows, pool, pinned.checkpoint.config, windowing.sequence_length)
        plan = Plan(sources=found.sources, rows=rows, shard_rows=size)
        shared = share_model(pinned, dtype=parameters.dtype)
        read = ReadShard(
            column=parameters.column,
            id_column=None,
            carried=pa.schema([]),
            reject_empty=parameters.reject_empty,
            windowing=windowing,
            tokenizer_proto=shared.tokenizer_proto,
        )
        sample = _sample(plan, read, opened_as(files))
        tokens, windows = sample.tokens, len(sample.tokens)
        rate = _measure(shared, tokens, pool) * pool.most if windows else 0.0
    return Preview(
        model=pinned.uri,
        files=len(files),
        rows=rows,
        shards=len(plan.shards),
        tokens=round(rows * len(tokens.values) / max(1, sample.rows)),
        truncated_share=float(tokens.truncated.mean()) if windows else 0.0,
        rejected_share=sample.rejects / max(1, sample.rows),
        workers=pool.most,
        rows_per_second=rate * sample.rows / windows if windows else 0.0,
        seconds=rows * windows / sample.rows / rate if windows else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """Some rows, as the job would read them."""

    rows: int
    rejects: int
    tokens: Tokens
    """Their windows."""


def _sample(plan: Plan, read: ReadShard, opened: Mapping[str, str]) -> _Sample:
    """Read rows from places that are spread over all inputs."""
    pieces = [piece for _, shard in plan.pieces(opened) for piece in shard]
    chosen = pieces[:: max(1, len(pieces) // SAMPLE_PIECES)]
    most = -(-SAMPLE_ROWS // max(1, len(chosen)))
    chosen = [replace(piece, rows=min(piece.rows, most)) for piece in chosen]
    _, tables = unpack(read(pa.Table.from_pylist([shard_request(0, chosen)])))
    return _Sample(
        rows=sum(piece.rows for piece in chosen),
        rejects=tables["rejects"].num_rows,
        tokens=Windows.from_table(tables["windows"]).tokens,
    )


def _measure(model: SharedModel, sample: Tokens, pool: WorkerPool) -> float:
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
