"""How far a job is, counted from its commits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, Self

from fnet_ray.output.commits import Commit
from fnet_ray.output.manifest import Manifest


class Encoded(NamedTuple):
    """What is encoded of a shard that is not committed yet, and how many windows it has in all."""

    rows: float
    tokens: int
    windows: int = 0
    truncated: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A job's figures at one moment. Rates are of this run alone, counts of all runs.

    Args:
        rows: Input rows in all.
        encoded: Rows that are done, and those encoded in shards that are not.
        done: Rows of the shards that are committed.
        rejects: How many of these were rejected.
        shards: Shards in all.
        shards_done: Shards that are committed.
        tokens: Tokens encoded, without padding.
        truncated: Windows that lost tokens.
        cut_share: Windows that lose tokens, of those of all shards that are tokenized.
        rows_per_second: Since the first row was encoded.
        tokens_per_second: Likewise.
        encoding_seconds: What both are counted over: the time since then.
        seconds: Since this run's start.
    """

    rows: int
    encoded: int
    done: int
    rejects: int
    shards: int
    shards_done: int
    tokens: int
    truncated: int
    cut_share: float
    rows_per_second: float
    tokens_per_second: float
    encoding_seconds: float
    seconds: float

    @property
    def seconds_left(self) -> float | None:
        """An estimate, once there is a rate."""
        return (self.rows - self.encoded) / self.rows_per_second if self.rows_per_second else None


@dataclass(slots=True, kw_only=True)
class Tally:
    """Adds up commits as they come in, out of so many rows and shards."""

    rows: int
    shards: int
    done: int = 0
    rejects: int = 0
    shards_done: set[int] = field(default_factory=set)
    tokens: int = 0
    windows: int = 0
    truncated: int = 0
    damaged: int = 0
    reused: int = 0
    unread: int = 0
    devices: set[str] = field(default_factory=set)
    started: float = field(default_factory=time.monotonic)
    rows_before: int = 0
    _tokens_before: int = 0
    _standing_since: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, manifest: Manifest, commits: Iterable[Commit]) -> Self:
        """Count what earlier runs did; rates are counted from here on."""
        self = cls(rows=manifest.rows, shards=manifest.shards)
        for commit in commits:
            self.add(commit)
        self.rows_before, self._tokens_before = self.done, self.tokens
        return self

    def begin(self, manifest: Manifest) -> None:
        """Count time from here on, towards what the manifest holds by now."""
        self.rows, self.shards = manifest.rows, manifest.shards
        self.started = self._standing_since = time.monotonic()

    def add(self, commit: Commit) -> None:
        """Count a shard."""
        self.done += commit.rows
        self.rejects += commit.rejects
        self.shards_done.add(commit.shard)
        self.devices.add(commit.work["device"])
        self.tokens += commit.work["tokens"]
        self.windows += commit.work.get("windows", 0)
        self.truncated += commit.work["truncated"]
        self.reused += commit.work.get("reused", 0)
        self.unread += commit.work.get("unread", 0)
        self.damaged += commit.work.get("damaged", 0)  # earlier runs stopped over damage

    def snapshot(self, encoded: Mapping[int, Encoded] = MappingProxyType({})) -> Progress:
        """Return the figures of this moment.

        Args:
            encoded: A shard → what is known to be encoded of it; committed ones do not count.
        """
        begun = [figures for shard, figures in encoded.items() if shard not in self.shards_done]
        rows = self.done + round(sum(figures.rows for figures in begun))
        tokens = self.tokens + sum(figures.tokens for figures in begun)
        windows = self.windows + sum(figures.windows for figures in begun)
        cut = self.truncated + sum(figures.truncated for figures in begun)
        now = time.monotonic()
        if rows == self.rows_before:
            self._standing_since = now
        seconds = now - self._standing_since
        return Progress(
            rows=self.rows,
            encoded=rows,
            done=self.done,
            rejects=self.rejects,
            shards=self.shards,
            shards_done=len(self.shards_done),
            tokens=tokens,
            truncated=self.truncated,
            cut_share=cut / windows if windows else 0.0,
            rows_per_second=(rows - self.rows_before) / seconds if seconds else 0.0,
            tokens_per_second=(tokens - self._tokens_before) / seconds if seconds else 0.0,
            encoding_seconds=seconds,
            seconds=now - self.started,
        )
