"""How far a job is, counted from its markers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from fnet_ray.output.commits import Marker
from fnet_ray.output.manifest import Manifest


class AtHand(NamedTuple):
    """What is encoded of a shard that is not committed yet."""

    rows: float
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A job's figures at one moment. Rates are of this run alone, counts of all runs."""

    rows: int
    """Input rows in all."""
    encoded: int
    """Rows that are done, and those encoded in shards that are not."""
    done: int
    """Rows of the shards that are committed."""
    rejects: int
    shards: int
    shards_done: int
    tokens: int
    truncated: int
    rows_per_second: float
    """Since the first row was encoded."""
    tokens_per_second: float
    seconds: float
    """Since this run's start."""

    @property
    def seconds_left(self) -> float | None:
        """An estimate, once there is a rate."""
        return (self.rows - self.encoded) / self.rows_per_second if self.rows_per_second else None


@dataclass(slots=True, kw_only=True)
class Tally:
    """Adds up markers as they come in."""

    rows: int
    shards: int
    done: int = 0
    rejects: int = 0
    done_shards: set[int] = field(default_factory=set)
    tokens: int = 0
    truncated: int = 0
    damaged: int = 0
    devices: set[str] = field(default_factory=set)
    started: float = field(default_factory=time.monotonic)
    _rows_before: int = 0
    _tokens_before: int = 0
    _standing_since: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, manifest: Manifest, markers: Iterable[Marker]) -> Self:
        """Count what earlier runs did; rates are counted from here on."""
        self = cls(rows=manifest.rows, shards=manifest.shards)
        for marker in markers:
            self.add(marker)
        self._rows_before, self._tokens_before = self.done, self.tokens
        return self

    def add(self, marker: Marker) -> None:
        """Count a shard."""
        with self._lock:
            self.done += marker.rows
            self.rejects += marker.rejects
            self.done_shards.add(marker.shard)
            self.devices.add(marker.work["device"])
            self.tokens += marker.work["tokens"]
            self.truncated += marker.work["truncated"]
            self.damaged += marker.work.get("damaged", 0)  # earlier runs stopped over damage

    def snapshot(self, at_hand: Mapping[int, AtHand] | None = None) -> Progress:
        """Return the figures of this moment.

        Args:
            at_hand: Of shards that are not committed, as far as known.
        """
        with self._lock:
            open_shards = [
                figures
                for shard, figures in (at_hand or {}).items()
                if shard not in self.done_shards
            ]
            now = time.monotonic()
            encoded = self.done + round(sum(figures.rows for figures in open_shards))
            tokens = self.tokens + sum(figures.tokens for figures in open_shards)
            if encoded == self._rows_before:
                self._standing_since = now
            seconds = now - self._standing_since
            return Progress(
                rows=self.rows,
                encoded=encoded,
                done=self.done,
                rejects=self.rejects,
                shards=self.shards,
                shards_done=len(self.done_shards),
                tokens=tokens,
                truncated=self.truncated,
                rows_per_second=(encoded - self._rows_before) / seconds if seconds else 0.0,
                tokens_per_second=(tokens - self._tokens_before) / seconds if seconds else 0.0,
                seconds=now - self.started,
            )
