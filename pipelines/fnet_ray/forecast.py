"""What a job would do, found out without writing anything: rows, tokens, shards and time."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fnet_ray.cluster import live_nodes, ray_cluster
from fnet_ray.damage import read_piece
from fnet_ray.inputs import find_inputs
from fnet_ray.model import PinnedModel, SharedModel, resolve_model, share_model
from fnet_ray.plan import Plan
from fnet_ray.planning import open_sources
from fnet_ray.stages.read import decode_texts
from fnet_ray.store import open_store
from fnet_ray.workers import WorkerPool, WorkerRequest, choose_workers, shard_rows
from fnet_registry.encoding.packing import Tokens, pack_texts
from fnet_registry.encoding.tokenizer import FNetTokenizer
from fnet_registry.errors import InputError

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
    """Texts longer than the model's sequence length, of all."""
    workers: int
    rows_per_second: float
    seconds: float | None
    """The time to encode, once the workers run; None where no row of the sample has a text."""


def preview(
    model: Path,
    inputs: Path | Sequence[Path],
    *,
    output: Path | None = None,
    column: str = "text",
    id_column: str | None = None,
    keep: Sequence[str] | None = None,
    limit: int | None = None,
    dtype: str | None = None,
    skip_damaged: bool = False,
    workers: WorkerRequest | None = None,
) -> Preview:
    """Find out what `embed` would do, by counting rows and encoding a sample on one worker.

    Args:
        model: As in `embed`.
        inputs: As in `embed`.
        output: As in `embed`.
        column: As in `embed`.
        id_column: As in `embed`.
        keep: As in `embed`.
        limit: As in `embed`.
        dtype: As in `embed`.
        skip_damaged: As in `embed`.
        workers: As in `embed`.

    Raises:
        FNetError: As in `embed`.
    """
    files = find_inputs(inputs, output=None if output is None else open_store(output).url)
    pinned = resolve_model(model)
    with tempfile.TemporaryDirectory(prefix="fnet-plan-") as folder, ray_cluster():
        pool = choose_workers(workers or WorkerRequest(), live_nodes())
        found = open_sources(
            files,
            open_store(folder),
            column=column,
            id_column=id_column,
            keep=keep,
            skip_damaged=skip_damaged,
            on_this_node=True,
        )
        rows = found.rows if limit is None else min(found.rows, limit)
        length = pinned.encoding.sequence_length
        size = shard_rows(rows, pool, pinned.checkpoint.config, length)
        plan = Plan(sources=found.sources, rows=rows, shard_rows=size)
        if not rows:
            raise InputError(f"The inputs must hold at least one row. Received: {len(files)} files")
        sample = _tokenize(_sample(plan, column), pinned)
        rate = _measure(share_model(pinned, dtype=dtype), sample, pool) if sample else 0.0
    return Preview(
        model=pinned.uri,
        files=len(files),
        rows=rows,
        shards=len(plan.shards),
        tokens=round(rows * float(sample.lengths.mean())) if sample else 0,
        truncated_share=float(sample.truncated.mean()) if sample else 0.0,
        workers=pool.most,
        rows_per_second=rate * pool.most,
        seconds=rows / (rate * pool.most) if sample else None,
    )


def _sample(plan: Plan, column: str) -> list[str]:
    """Return texts from places that are spread over all inputs."""
    pieces = [piece for _, shard in plan.pieces() for piece in shard]
    chosen = pieces[:: max(1, len(pieces) // SAMPLE_PIECES)]
    texts: list[str] = []
    for piece in chosen:
        count = min(piece.rows, -(-SAMPLE_ROWS // len(chosen)))
        rows = read_piece(replace(piece, rows=count), column, set(), places=set())
        texts += [text for text in decode_texts(rows[column]) if isinstance(text, str)]
    return texts


def _tokenize(texts: list[str], model: PinnedModel) -> Tokens:
    tokenizer = FNetTokenizer(model.checkpoint.tokenizer_proto or b"")
    return pack_texts(
        tokenizer.tokenize(texts),
        model.encoding.sequence_length,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
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
