"""How far a job is, counted from its markers."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from fnet_ray.manifest import Manifest
from fnet_ray.markers import Marker


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A job's figures at one moment. Rates are of this run alone, counts of all runs."""

    rows: int
    """Input rows in all."""
    done: int
    rejects: int
    shards: int
    shards_done: int
    tokens: int
    truncated: int
    rows_per_second: float
    tokens_per_second: float
    seconds: float
    """Since this run's start."""

    @property
    def seconds_left(self) -> float | None:
        """An estimate, once there is a rate."""
        return (self.rows - self.done) / self.rows_per_second if self.rows_per_second else None


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
    devices: set[str] = field(default_factory=set)
    started: float = field(default_factory=time.monotonic)
    _rows_before: int = 0
    _tokens_before: int = 0

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
        self.done += marker.rows
        self.rejects += marker.rejects
        self.done_shards.add(marker.shard)
        self.devices.add(marker.work["device"])
        self.tokens += marker.work["tokens"]
        self.truncated += marker.work["truncated"]

    def snapshot(self) -> Progress:
        """Return the figures of this moment."""
        seconds = time.monotonic() - self.started
        return Progress(
            rows=self.rows,
            done=self.done,
            rejects=self.rejects,
            shards=self.shards,
            shards_done=len(self.done_shards),
            tokens=self.tokens,
            truncated=self.truncated,
            rows_per_second=(self.done - self._rows_before) / seconds if seconds else 0.0,
            tokens_per_second=(self.tokens - self._tokens_before) / seconds if seconds else 0.0,
            seconds=seconds,
        )
