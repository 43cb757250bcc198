"""What a job did, for its caller and for the output's record."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, replace

from fnet_ray.output.layout import REPORT
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.store import Store
from fnet_ray.progress.tally import Tally
from fnet_registry.errors import JobError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A finished job. Counts are of the whole output, times of the run that finished it.

    Args:
        output: The output's folder or URL.
        model: The model's URI, with its version.
        digest: SHA-256 of all that changes the model's vectors.
        rows: Input rows: those embedded and those rejected.
        embedded: Rows with a vector.
        rejected: Rows without one.
        before: Rows of which an earlier run had made either.
        damaged: Of those rejected: rows that could not be read.
        truncated: Windows that lost tokens.
        reused: Rows whose vectors were taken from an older output.
        gone: Rows of that output that are no longer here; None without one.
        tokens: Tokens encoded, without padding.
        shards: Shards.
        seconds: The time that it took.
        encoding_seconds: The part of it since the first row was encoded.
        rows_per_second: Rows that this run did, over those seconds.
        tokens_per_second: Likewise.
        devices: The devices that took part; different ones may round differently.
        tracking_run: The MLflow run's id.
    """

    output: str
    model: str
    digest: str
    rows: int
    embedded: int
    rejected: int
    before: int
    damaged: int
    truncated: int
    reused: int
    gone: int | None
    tokens: int
    shards: int
    seconds: float
    encoding_seconds: float
    rows_per_second: float
    tokens_per_second: float
    devices: tuple[str, ...]
    tracking_run: str | None

    def write(self, store: Store) -> None:
        """Store the report beside the manifest."""
        store.write(REPORT, json.dumps(asdict(self), indent=1).encode())

    def with_times_of_earlier(self, store: Store) -> Report:
        """Return the report of a run that found nothing left to do: it took no time.

        What it cannot know stands in the report of the run that finished the job, if that is whole.
        """
        try:
            earlier = json.loads(store.read(REPORT))
            if (earlier["rows"], earlier["shards"]) != (self.rows, self.shards):
                return self  # it is from before files were appended
            return replace(self, **{name: earlier[name] for name in _OF_THE_LAST_RUN})
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return self


_OF_THE_LAST_RUN = (
    *("before", "gone", "seconds", "encoding_seconds"),
    *("rows_per_second", "tokens_per_second"),
)


def check_complete(manifest: Manifest, tally: Tally) -> None:
    """Make sure that the commits account for every shard and row of the manifest.

    Raises:
        JobError: They do not.
    """
    shards = len(tally.shards_done)
    if shards != manifest.shards or tally.done != manifest.rows:
        raise JobError(
            f"The commits must account for {manifest.shards} shards of {manifest.rows} rows. "
            f"Received: {shards} shards of {tally.done} rows"
        )


def make_report(store: Store, manifest: Manifest, tally: Tally) -> Report:
    """Sum a job up, and warn of vectors that came from unlike devices."""
    devices = tuple(sorted(tally.devices))
    if len(devices) > 1:
        logger.warning("Vectors of unlike devices may differ slightly: %s", "; ".join(devices))
    if tally.unread:
        logger.warning(
            "%s texts of an older output could not be read there, and were computed anew; "
            "fnet status --check says which of its files are damaged",
            f"{tally.unread:,}",
        )
    progress = tally.snapshot()
    return Report(
        output=store.url,
        model=manifest.model,
        digest=manifest.digest,
        rows=progress.done,
        embedded=progress.done - progress.rejects,
        rejected=progress.rejects,
        before=tally.rows_before,
        damaged=tally.damaged,
        truncated=progress.truncated,
        reused=tally.reused,
        gone=None,
        tokens=progress.tokens,
        shards=progress.shards_done,
        seconds=progress.seconds,
        encoding_seconds=progress.encoding_seconds,
        rows_per_second=progress.rows_per_second,
        tokens_per_second=progress.tokens_per_second,
        devices=devices,
        tracking_run=manifest.tracking_run,
    )
