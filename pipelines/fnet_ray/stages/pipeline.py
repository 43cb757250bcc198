"""The shards' way through Ray Data: read and tokenize, encode, commit."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from fnet_ray.cluster.environment import describe_worker
from fnet_ray.cluster.failures import own_error, release_actors
from fnet_ray.cluster.pool import WorkerPool
from fnet_ray.model import SharedModel
from fnet_ray.output.commits import Marker
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.store import Store
from fnet_ray.stages.commit import CommitShard
from fnet_ray.stages.encode import EncodeOptions, EncodeShard
from fnet_ray.stages.read import ReadShard, shard_request
from fnet_ray.stages.tokens import Windowing

# More shards than this share a block at the start, for each block costs about a millisecond there.
MOST_BLOCKS = 1000
READ_CPUS, COMMIT_CPUS = 0.75, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What the stages are made from."""

    manifest: Manifest
    model: SharedModel
    store: Store
    pool: WorkerPool
    windowing: Windowing
    batch_tokens: int | None
    opened: Mapping[str, str]
    """What to open in the place of the inputs' paths, where that differs."""

    def read(self) -> ReadShard:
        """Return the first stage."""
        parameters = self.manifest.parameters
        return ReadShard(
            column=parameters.column,
            id_column=parameters.id_column,
            carried=self.manifest.carried,
            reject_empty=parameters.reject_empty,
            windowing=self.windowing,
            tokenizer_proto=self.model.tokenizer_proto,
        )

    def encode(self) -> EncodeOptions:
        """Return the second stage's options."""
        parameters = self.manifest.parameters
        length = self.model.encoding.sequence_length
        value = pa.float16() if parameters.embedding_dtype == "float16" else pa.float32()
        return EncodeOptions(
            column=parameters.column,
            batch_size=max(1, self.batch_tokens // length) if self.batch_tokens else None,
            num_threads=self.pool.threads,
            embedding_type=pa.list_(value, self.model.config.hidden_dim),
            mean_windows=parameters.long_text == "split" and parameters.windows == "mean",
            number_windows=parameters.window_rows,
            with_source=parameters.id_column is None,
        )

    def commit(self) -> CommitShard:
        """Return the third stage."""
        manifest = self.manifest
        return CommitShard(
            store=self.store,
            carried=manifest.carried,
            places=frozenset({"source_file", manifest.parameters.id_column or "source_file"}),
            metadata={
                "fnet.model": manifest.model,
                "fnet.digest": manifest.digest,
                "fnet.encoding": json.dumps(manifest.encoding),
                "fnet.run": manifest.tracking_run or "",
            },
        )


def run_shards(job: Job, *, done: Container[int], board: Any) -> Iterator[Marker]:
    """Do what is left of a job; yield each shard's marker when it is committed.

    Args:
        job: What to do.
        done: Numbers of the shards to leave out.
        board: The actor that the workers tell how far they are with a shard.
    """
    pending = [
        shard_request(shard, pieces)
        for plan in job.manifest.plans
        for shard, pieces in plan.pieces(job.opened)
        if shard not in done
    ]
    if not pending:
        return
    import ray.data
    from ray.data import ActorPoolStrategy, DataContext

    context = DataContext.get_current().copy()
    # A shard is one row, and each row is its own block: it is handed on as soon as it is ready.
    context.target_max_block_size = 1
    context.enable_progress_bars = False
    context.raise_original_map_exception = True
    with DataContext.current(context):
        shards = ray.data.from_items(pending, override_num_blocks=min(len(pending), MOST_BLOCKS))
        committed = (
            shards.map_batches(job.read(), batch_size=1, batch_format="pyarrow", num_cpus=READ_CPUS)
            .map_batches(
                EncodeShard,
                fn_constructor_args=(job.model, job.encode(), describe_worker("none"), board),
                batch_size=1,
                batch_format="pyarrow",
                num_cpus=job.pool.cpus,
                num_gpus=job.pool.gpus or None,
                compute=ActorPoolStrategy(
                    min_size=min(job.pool.least, len(pending)),
                    max_size=min(job.pool.most, len(pending)),
                ),
            )
            .map_batches(job.commit(), batch_size=1, batch_format="pyarrow", num_cpus=COMMIT_CPUS)
        )
        try:
            # With prefetching, as in `iter_rows`, a shard would be heard of one shard late.
            batches: Iterable[Any] = committed.iter_batches(
                prefetch_batches=0, batch_size=None, batch_format="pyarrow"
            )
            for batch in batches:
                for marker in batch["marker"].to_pylist():
                    yield Marker.from_json(marker)
        except Exception as error:
            release_actors(error)
            raise own_error(error) from None
