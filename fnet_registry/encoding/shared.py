"""One encoder for many threads: batches that they ask for at once are computed together."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock
from typing import Any

import torch

from fnet_registry.encoding.encoder import TextEncoder
from fnet_registry.encoding.packing import Tokens, join_tokens

_Outcome = torch.Tensor | Exception


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A thread's batch, and where the thread is told its vectors, an error, or None: its turn."""

    tokens: Tokens
    told: SimpleQueue[_Outcome | None] = field(default_factory=SimpleQueue)


class SharedEncoder(TextEncoder):
    """A `TextEncoder` for a server, whose requests in flight share products.

    Computed side by side, they would fight over the processor's threads. Here the thread that has
    waited longest computes for those behind it, too, up to `batch_size` texts; then the next one
    does. A thread that nobody else is with computes at once. No vector tells the difference, for
    a text has the same bits in any batch, and an error reaches the thread whose texts caused it.
    """

    def _assemble(self, *args: Any, **options: Any) -> None:
        super()._assemble(*args, **options)
        self._lock = Lock()
        self._queue: deque[_Asked] = deque()

    def _embed(self, tokens: Tokens) -> torch.Tensor:
        asked = _Asked(tokens)
        try:
            with self._lock:
                self._queue.append(asked)
                alone = len(self._queue) == 1
            told = None if alone else asked.told.get()
            outcome = self._compute_oldest() if told is None else told
        except BaseException:  # such as Ctrl-C, while it waits or computes: the others go on
            self._leave([asked])
            raise
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _compute_oldest(self) -> _Outcome:
        """Compute for the caller, who is first in the queue, and for those behind it."""
        with self._lock:
            together = self._oldest()
        own, *others = self._outcomes(together)
        self._leave(together)
        for asked, outcome in zip(together[1:], others, strict=True):
            asked.told.put(outcome)
        return own

    def _leave(self, gone: Sequence[_Asked]) -> None:
        """Take threads out of the queue; with the first of them, its turn goes to the next."""
        with self._lock:
            first = self._queue[0] if self._queue else None
            self._queue = deque(asked for asked in self._queue if asked not in gone)
            if first in gone and self._queue:
                self._queue[0].told.put(None)

    def _oldest(self) -> list[_Asked]:
        together, room = [], self.batch_size
        for asked in self._queue:
            room -= len(asked.tokens)
            if together and room < 0:
                break
            together.append(asked)
        return together

    def _outcomes(self, together: Sequence[_Asked]) -> list[_Outcome]:
        try:
            vectors = super()._embed(join_tokens([asked.tokens for asked in together]))
        except Exception as error:
            if len(together) == 1:
                return [error]
            return [outcome for asked in together for outcome in self._outcomes([asked])]
        return list(vectors.split([len(asked.tokens) for asked in together]))
