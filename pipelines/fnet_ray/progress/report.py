"""What a job did, for its caller and for `OUTPUT/run/report.json`."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass

from fnet_ray.output.manifest import Manifest
from fnet_ray.output.store import Store
from fnet_ray.progress.tally import Tally
from fnet_registry.errors import JobError

logger = logging.getLogger(__name__)

NAME = "run/report.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A finished job. Counts are of the whole output, times of the run that finished it."""

    output: str
    model: str
    digest: str
    rows: int
    """Input rows: those embedded and those rejected."""
    embedded: int
    rejected: int
    damaged: int
    """Of those rejected: rows that could not be read."""
    truncated: int
    """Windows that lost tokens."""
    tokens: int
    shards: int
    seconds: float
    rows_per_second: float
    devices: tuple[str, ...]
    """The devices that took part; different ones may round differently."""
    tracking_run: str | None

    def write(self, store: Store) -> None:
        """Store the report beside the manifest."""
        store.write(NAME, json.dumps(asdict(self), indent=1).encode())


def check_complete(manifest: Manifest, tally: Tally) -> None:
    """Make sure that the markers account for every shard and row of the plan.

    Raises:
        JobError: They do not.
    """
    shards = len(tally.done_shards)
    if shards != manifest.shards or tally.done != manifest.rows:
        raise JobError(
            f"The markers must account for {manifest.shards} shards of {manifest.rows} rows. "
            f"Received: {shards} shards of {tally.done} rows"
        )


def make_report(store: Store, manifest: Manifest, tally: Tally) -> Report:
    """Sum a job up, and warn of vectors that came from unlike devices."""
    devices = tuple(sorted(tally.devices))
    if len(devices) > 1:
        logger.warning("Vectors of unlike devices may differ slightly: %s", "; ".join(devices))
    progress = tally.snapshot()
    return Report(
        output=store.url,
        model=manifest.model,
        digest=manifest.digest,
        rows=progress.done,
        embedded=progress.done - progress.rejects,
        rejected=progress.rejects,
        damaged=tally.damaged,
        truncated=progress.truncated,
        tokens=progress.tokens,
        shards=progress.shards_done,
        seconds=progress.seconds,
        rows_per_second=progress.rows_per_second,
        devices=devices,
        tracking_run=manifest.tracking_run,
    )
