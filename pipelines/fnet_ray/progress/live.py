"""Figures between commits: what the workers have encoded of the shards that they are at."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from fnet_ray.progress.tally import AtHand, Progress, Tally

BEAT_SECONDS = 1.0


class Board:
    """An actor: what is encoded of each shard at hand. Lost notes cost nothing but the view."""

    def __init__(self) -> None:
        self._at_hand: dict[int, AtHand] = {}

    def note(self, shard: int, at_hand: AtHand) -> None:
        """Take a worker's figures of a shard."""
        self._at_hand[shard] = at_hand

    def read(self, forget: set[int]) -> dict[int, AtHand]:
        """Return the figures of all shards but those that are committed by now."""
        for shard in forget:
            self._at_hand.pop(shard, None)
        return self._at_hand


@dataclass(slots=True, kw_only=True)
class Notes:
    """A worker's way to the board, for one shard; it writes once a second at most."""

    board: Any
    shard: int
    rows: int
    windows: int
    _done: AtHand = field(default=AtHand(0.0, 0), init=False)
    _written: float = field(default=0.0, init=False)

    def add(self, windows: int, tokens: int) -> None:
        """Count a batch."""
        rows = self.rows * windows / self.windows
        self._done = AtHand(self._done.rows + rows, self._done.tokens + tokens)
        now = time.monotonic()
        if now - self._written >= BEAT_SECONDS:
            self._written = now
            self.board.note.remote(self.shard, self._done)


class Pulse:
    """Reports a job's figures every second, from a thread of its own.

    Args:
        tally: What is committed.
        report: Takes the figures, one call at a time. What it raises is raised again by `now`.
    """

    def __init__(self, tally: Tally, report: Callable[[Progress], None]) -> None:
        import ray

        # Close to no work, and wherever there is room: without a CPU of its own.
        self.board: Any = ray.remote(num_cpus=0, max_restarts=-1)(Board).remote()
        self._tally, self._report = tally, report
        self._at_hand: dict[int, AtHand] = {}
        self._one_at_a_time = threading.Lock()
        self._failure: Exception | None = None

    def now(self) -> None:
        """Report at once, with what the workers said last."""
        with self._one_at_a_time:
            if self._failure is None:
                self._report(self._tally.snapshot(self._at_hand))
        if self._failure is not None:
            raise self._failure

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Report every second as long as the context lasts."""
        ended = threading.Event()
        thread = threading.Thread(target=self._beat, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _beat(self, ended: threading.Event) -> None:
        while not ended.wait(BEAT_SECONDS):
            try:
                self._listen()
                self.now()
            except Exception as error:  # for the main thread to raise
                self._failure = error
                return

    def _listen(self) -> None:
        import ray
        from ray.exceptions import RayError

        committed = {shard for shard in self._at_hand if shard in self._tally.done_shards}
        answer: Any = self.board.read.remote(committed)
        # It may be starting, starting again, or lost with its node: no reason to stop a job.
        with contextlib.suppress(RayError):
            self._at_hand = ray.get(answer, timeout=BEAT_SECONDS)
