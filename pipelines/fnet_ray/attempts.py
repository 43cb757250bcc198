"""Which row kills the process that encodes it: found by counting attempts that never ended.

A row that makes the encoder raise is found by halving (`isolation`). One that takes its process
down leaves no error behind, only an attempt without an end. Such a shard is encoded again with a
note of the batch at hand, so that the next attempt knows where the last one died, and halves that.
A worker that is killed for other reasons costs a shard some notes, and no rows.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, dataclass, field
from typing import Self

import numpy as np

from fnet_ray.isolation import IsolatingEncoder
from fnet_ray.store import Store
from fnet_registry.encoding.packing import Tokens

FOLDER = "run/attempts"
TRUSTED_ATTEMPTS = 2
"""Attempts that may end without an end before the shard is suspected."""
MOST_NOTES = 64
"""Notes of a shard's windows at hand: each takes as long as a write to disk does."""
DEATHS_OF_A_ROW = 2
"""How often a window must be alone with its process's death to be blamed for it."""


@dataclass(slots=True, kw_only=True)
class Record:
    """What is known of a shard's attempts."""

    attempts: int = 0
    trying: tuple[int, int] | None = None
    """The windows at hand, `start … stop`."""
    suspect: tuple[int, int] | None = None
    """The fewest windows that a process died over."""
    deaths: dict[str, int] = field(default_factory=dict)
    """A window → how often a process died over it alone."""

    @classmethod
    def read(cls, store: Store, shard: int) -> Self:
        """Return a shard's record."""
        try:
            values = json.loads(store.read(_name(shard)))
            for name in ("trying", "suspect"):
                values[name] = values[name] and tuple(values[name])
            return cls(**values)
        except (FileNotFoundError, ValueError, TypeError, KeyError):  # none, or a damaged one
            return cls()

    def write(self, store: Store, shard: int) -> None:
        """Store the record."""
        store.write(_name(shard), json.dumps(asdict(self)).encode())

    def learn(self) -> None:
        """Take the last attempt's death into account."""
        if self.trying is not None:
            start, stop = self.trying
            if stop - start == 1:
                self.deaths[str(start)] = self.deaths.get(str(start), 0) + 1
            self.suspect, self.trying = self.trying, None
        self.attempts += 1

    def blamed(self) -> dict[int, str]:
        """Return the windows that are not to be tried again, with why."""
        return {
            int(window): f"the worker died {times} times while it encoded this"
            for window, times in self.deaths.items()
            if times >= DEATHS_OF_A_ROW
        }


class Attempt:
    """One attempt at a shard, known to those that come after it.

    Args:
        store: The output folder.
        shard: The shard's number.
    """

    def __init__(self, store: Store, shard: int) -> None:
        self._store, self._shard = store, shard
        self._record = Record.read(store, shard)
        self._record.learn()
        self._record.write(store, shard)

    @property
    def is_suspect(self) -> bool:
        """Whether earlier attempts ended without an end."""
        return self._record.attempts > TRUSTED_ATTEMPTS

    def encode(
        self,
        encode: IsolatingEncoder,
        tokens: Tokens,
    ) -> tuple[np.ndarray, dict[int, str]]:
        """Encode with a note of each batch, leaving out the windows to blame.

        Args:
            encode: Encodes the windows of a batch.
            tokens: The shard's windows.

        Returns:
            Vectors of shape `(windows, dim)`, and a window's index → why it failed.
        """
        vectors = np.full((len(tokens), encode.dim), np.nan, np.float32)
        failed = self._record.blamed()
        for start, stop in self._ranges(len(tokens), encode.batch_size, sorted(failed)):
            self._record.trying = (start, stop)
            self._record.write(self._store, self._shard)
            vectors[start:stop], failures = encode(tokens[start:stop])
            failed |= {start + window: why for window, why in failures.items()}
        self._record.trying = None
        self._record.write(self._store, self._shard)
        return vectors, failed

    def _ranges(self, count: int, batch_size: int, blamed: list[int]) -> list[tuple[int, int]]:
        """Cut the windows evenly, around the blamed ones, and in the middle of the suspect."""
        step = max(batch_size, -(-count // MOST_NOTES))
        cuts = {*range(0, count, step), count}
        cuts |= {edge for window in blamed for edge in (window, window + 1)}
        if self._record.suspect is not None:
            start, stop = self._record.suspect
            cuts |= {start, (start + stop) // 2, stop}
        edges = sorted(cuts)
        ranges = itertools.pairwise(edges)
        return [(start, stop) for start, stop in ranges if start not in blamed]


def forget_attempts(store: Store) -> None:
    """Delete all records, once every shard is done."""
    store.clear(FOLDER)


def _name(shard: int) -> str:
    return f"{FOLDER}/shard-{shard:08d}.json"
