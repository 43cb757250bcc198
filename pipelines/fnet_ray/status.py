"""How far an output is, read from its record alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fnet_ray.output.audit import audit
from fnet_ray.output.commits import Commit
from fnet_ray.output.lease import Lease
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.stores import open_store
from fnet_ray.progress.tally import Tally
from fnet_registry.errors import OutputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """An output at one moment.

    Args:
        output: Its folder or URL.
        model: The model's URI, with its version.
        output_column: The column of vectors.
        state: `running`, `stopped` or `finished`.
        holder: The driver at work, where one is.
        rows: Input rows in all.
        done: Rows of the shards that are committed.
        rejected: How many of these were rejected.
        shards: Shards in all.
        shards_done: Shards that are committed.
        damage: What is wrong with shards that were done; the same `embed` call embeds them again.
        tokens: Tokens encoded, without padding.
        tracking_run: The MLflow run's id.
    """

    output: str
    model: str
    output_column: str
    state: str
    holder: str | None
    rows: int
    done: int
    rejected: int
    shards: int
    shards_done: int
    damage: Mapping[int, str]
    tokens: int
    tracking_run: str | None


def read_status(output: str | os.PathLike[str], *, check: bool = False) -> Status:
    """Return how far an output is.

    Args:
        output: The folder that a job writes to.
        check: Whether to read every file and compare its digest, rather than its size alone.

    Raises:
        OutputError: No job was begun there, or its record is damaged.
    """
    store = open_store(output)
    manifest = Manifest.read(store)
    if manifest is None:
        raise OutputError(f"Expected the output of an embedding job. Received: {store.url}")
    damage: dict[int, str] = {}

    def whole() -> Iterator[Commit]:
        for finding in audit(store, manifest, digests=check):
            if finding.damage:
                damage[finding.shard] = finding.damage
            elif finding.commit:
                yield finding.commit

    progress = Tally.of(manifest, whole()).snapshot()
    holder = Lease.holder(store)
    finished = progress.shards_done == progress.shards
    return Status(
        output=store.url,
        model=manifest.model,
        output_column=manifest.parameters.output_column,
        state="running" if holder else "finished" if finished else "stopped",
        holder=holder,
        rows=progress.rows,
        done=progress.done,
        rejected=progress.rejects,
        shards=progress.shards,
        shards_done=progress.shards_done,
        damage=damage,
        tokens=progress.tokens,
        tracking_run=manifest.tracking_run,
    )
