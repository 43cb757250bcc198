"""The shards' way through Ray Data: read and tokenize, encode, commit."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from fnet_ray.cluster.environment import Environment
from fnet_ray.cluster.failures import quiet_execution
from fnet_ray.cluster.pool import ActorPool
from fnet_ray.model import SharedModel
from fnet_ray.output.commits import Commit
from fnet_ray.output.manifest import TEXTS_FORMAT, Manifest
from fnet_ray.output.store import Store
from fnet_ray.reuse.taking import Reuse
from fnet_ray.stages.commit import CommitShard
from fnet_ray.stages.encode import EncodeShard
from fnet_ray.stages.read import ReadShard
from fnet_ray.stages.requests import ShardRequests

# More shards than this share a block at the start, for each block costs about a millisecond there.
MOST_BLOCKS = 1000
READ_CPUS, COMMIT_CPUS = 0.75, 0.5


class Stages(NamedTuple):
    """What is done with a shard, in this order; `encode` has what an `EncodeShard` is made of."""

    read: ReadShard
    encode: tuple[Any, ...]
    commit: CommitShard


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A job's three stages.

    `opened` tells what to open in the place of the inputs' paths, `reuse` where vectors may be.
    """

    manifest: Manifest
    model: SharedModel
    store: Store
    pool: ActorPool
    opened: Mapping[str, str]
    reuse: Reuse | None = None

    def requests(self, *, done: Collection[int]) -> ShardRequests:
        """Return what asks for the shards that are left."""
        return ShardRequests(self.manifest.shardings, self.opened, done=done)

    def run(self, *, done: Collection[int], board: Any) -> Iterator[Commit]:
        """Do on Ray what is left; yield each shard's commit.

        Args:
            done: Numbers of the shards to leave out.
            board: The actor that workers tell how far they are with a shard.
        """
        requests = self.requests(done=done)
        if not requests:
            return
        with quiet_execution() as context:
            # A shard is one row, and each row is its own block: it goes on as soon as it is ready.
            context.target_max_block_size = 1
            yield from self._commits(requests, board)

    def _commits(self, requests: ShardRequests, board: Any) -> Iterator[Commit]:
        # With prefetching, as in `iter_rows`, a shard would be heard of one shard late.
        batches: Iterable[Any] = self._on_ray(requests, board).iter_batches(
            prefetch_batches=0, batch_size=None, batch_format="pyarrow"
        )
        for batch in batches:
            yield from map(Commit.from_json, batch["commit"].to_pylist())

    def _on_ray(self, requests: ShardRequests, board: Any) -> Any:
        import ray.data
        from ray.data import ActorPoolStrategy

        stages = self.stages(board)
        one_shard: dict[str, Any] = {"batch_size": 1, "batch_format": "pyarrow"}
        blocks = min(len(requests), MOST_BLOCKS)
        items: Any = requests  # Ray declares a list, and asks for one after the other
        shards = ray.data.from_items(items, override_num_blocks=blocks)
        return (
            shards.map_batches(stages.read, num_cpus=READ_CPUS, **one_shard)
            .map_batches(
                EncodeShard,
                fn_constructor_args=stages.encode,
                num_cpus=self.pool.cpus,
                num_gpus=self.pool.gpus or None,
                compute=ActorPoolStrategy(
                    min_size=min(self.pool.least, len(requests)),
                    max_size=min(self.pool.most, len(requests)),
                ),
                **one_shard,
            )
            .map_batches(stages.commit, num_cpus=COMMIT_CPUS, **one_shard)
        )

    def stages(self, board: Any = None) -> Stages:
        """Return the three stages, for one shard at a time."""
        manifest, parameters = self.manifest, self.manifest.parameters
        read = ReadShard(
            columns=parameters.columns,
            carried=manifest.carried,
            reject_empty=parameters.reject_empty,
            windowing=parameters.windowing(self.model.encoding.sequence_length),
            tokenizer_proto=self.model.tokenizer_proto,
            reuse=self.reuse,
        )
        driver = Environment.of_this_process()
        commit = CommitShard(
            store=self.store,
            carried=manifest.carried,
            places=frozenset({"source_file", parameters.id_column or "source_file"}),
            metadata={
                "fnet.model": manifest.model,
                "fnet.digest": manifest.digest,
                "fnet.encoding": json.dumps(manifest.encoding),
                "fnet.run": manifest.tracking_run or "",
            },
            with_texts=manifest.format_version >= TEXTS_FORMAT,
        )
        encode = (self.model, parameters, self.pool.threads, driver, board)
        return Stages(read=read, encode=encode, commit=commit)
