"""Figures between commits: what the workers have encoded of the shards that they are at.

Shards cannot be so small that commits alone would do. At length 512 a core encodes two rows of the
base model in a second: shards of a second would make half a million files of a million rows, and
each would read its row groups whole.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Self

from fnet_ray.output.commits import Commit
from fnet_ray.progress.tally import Encoded, Progress, Tally
from fnet_registry.errors import JobError

BEAT_SECONDS = 1.0
MOST_ATTEMPTS = 4


class Board:
    """An actor: what is encoded of each shard at work, and how often it was begun.

    Where it is lost and starts again, only these figures are lost.
    """

    def __init__(self) -> None:
        self._encoded: dict[int, Encoded] = {}
        self._attempts: Counter[int] = Counter()

    def begin(self, shard: int) -> int:
        """Count an attempt at a shard; return how many there were."""
        self._attempts[shard] += 1
        return self._attempts[shard]

    def note(self, shard: int, encoded: Encoded) -> None:
        """Take a worker's figures of a shard."""
        self._encoded[shard] = encoded

    def read(self, forget: set[int]) -> dict[int, Encoded]:
        """Return the figures of all shards but those that are committed by now."""
        for shard in forget:
            self._encoded.pop(shard, None)
        return self._encoded


class ShardProgress:
    """What a worker tells the board about one shard, once a second at most.

    Args:
        board: The actor; without one, nobody is told.
        shard: The shard's number.
        windows: How many it has, which is told at once.
        truncated: How many of them lose tokens.

    Raises:
        JobError: Earlier attempts at the shard ended with their processes.
    """

    def __init__(self, board: Any, shard: int, *, windows: int, truncated: int) -> None:
        self._board, self._shard = board, shard
        self._encoded, self._noted = Encoded(0.0, 0, windows, truncated), 0.0
        if board is not None:
            self._begin()

    def _begin(self) -> None:
        import ray
        from ray.exceptions import RayError

        with contextlib.suppress(RayError):
            asked = self._board.begin.remote(self._shard)
            attempts: Any = ray.get(asked, timeout=10 * BEAT_SECONDS)
            if attempts > MOST_ATTEMPTS:
                raise many_died(self._shard)
        self._board.note.remote(self._shard, self._encoded)

    def add(self, rows: float, tokens: int) -> None:
        """Count a batch."""
        before = self._encoded
        self._encoded = before._replace(rows=before.rows + rows, tokens=before.tokens + tokens)
        now = time.monotonic()
        if self._board is not None and now - self._noted >= BEAT_SECONDS:
            self._noted = now
            self._board.note.remote(self._shard, self._encoded)


def many_died(shard: int) -> JobError:
    """Say over which shard workers died again and again."""
    return JobError(
        "A worker must live to the end of a shard; it may need more memory than there is. "
        f"Received: shard {shard}, over which {MOST_ATTEMPTS} workers died"
    )


def start_board() -> Any:
    """Start the actor that the workers of a job tell how far they are."""
    import ray

    # Close to no work, and wherever there is room: without a CPU of its own.
    return ray.remote(num_cpus=0, max_restarts=-1)(Board).remote()


class Reporter:
    """Reports a job's figures when a shard is committed, and every second of a `with` block.

    Args:
        tally: What is committed.
        listeners: Take the figures, one call at a time. What they raise, the next `add` raises.
        board: The actor that knows of shards at work, if there is one.
    """

    def __init__(
        self, tally: Tally, listeners: Sequence[Callable[[Progress], None]], board: Any = None
    ) -> None:
        self._board = board
        self._tally, self._listeners = tally, listeners
        self._encoded: dict[int, Encoded] = {}
        self._one_at_a_time = threading.Lock()
        self._failure: Exception | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_reporting, daemon=True)

    def __enter__(self) -> Self:
        """Begin to report."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._ended.set()
        self._thread.join()

    def add(self, commit: Commit) -> None:
        """Count a shard that was committed, and report."""
        with self._one_at_a_time:
            self._tally.add(commit)
            if self._failure is not None:
                raise self._failure
            self._report()

    def _report(self) -> None:
        progress = self._tally.snapshot(self._encoded)
        for listener in self._listeners:
            listener(progress)

    def _keep_reporting(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            try:
                if self._board is not None:
                    self._listen()
                with self._one_at_a_time:
                    self._report()
            except Exception as error:  # for the main thread to raise
                self._failure = error
                return

    def _listen(self) -> None:
        import ray
        from ray.exceptions import RayError

        committed = self._encoded.keys() & self._tally.shards_done
        answer: Any = self._board.read.remote(committed)
        # It may be starting, starting again, or lost with its node: no reason to stop a job.
        with contextlib.suppress(RayError):
            self._encoded = ray.get(answer, timeout=BEAT_SECONDS)
