"""One encoder for many threads: batches that they ask for at once are computed together."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import torch

from fnet_registry.encoding.encoder import TextEncoder
from fnet_registry.encoding.packing import Tokens, join_tokens

_Outcome = torch.Tensor | Exception


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A thread's batch, and what comes of it."""

    tokens: Tokens
    vectors: Future[torch.Tensor] = field(default_factory=Future)


class SharedEncoder(TextEncoder):
    """A `TextEncoder` for a server, whose requests in flight share products.

    Computed side by side, they would fight over the processor's threads. Here a thread that nobody
    else is with computes at once. The batches of the others wait, and one thread of the encoder's
    own computes all that wait, up to `batch_size` texts together: threads that took turns at it
    would each bring a set of OpenMP's, which get in each other's way. No vector tells the
    difference, for a text has the same bits in any batch, and an error reaches the thread whose
    texts caused it.
    """

    def _assemble(self, *args: Any, **options: Any) -> None:
        super()._assemble(*args, **options)
        self._computing = Lock()
        self._waiting: deque[_Asked] = deque()
        self._own_thread = ThreadPoolExecutor(1, "fnet-shared-encoder")

    def _embed(self, tokens: Tokens) -> torch.Tensor:
        if not self._waiting and self._computing.acquire(blocking=False):
            try:
                return super()._embed(tokens)
            finally:
                self._computing.release()
        asked = _Asked(tokens)
        self._waiting.append(asked)
        self._own_thread.submit(self._compute_waiting)
        try:
            return asked.vectors.result()
        finally:
            asked.vectors.cancel()  # of a thread that was interrupted, such as by Ctrl-C

    @torch.inference_mode()
    def _compute_waiting(self) -> None:
        """Compute the batch that has waited longest, and those behind it."""
        with self._computing:
            together = self._take_oldest()
            if not together:
                return
            outcomes = self._outcomes(together)
        for asked, outcome in zip(together, outcomes, strict=True):
            if isinstance(outcome, Exception):
                asked.vectors.set_exception(outcome)
            else:
                asked.vectors.set_result(outcome)

    def _take_oldest(self) -> list[_Asked]:
        together, room = [], self.batch_size
        while self._waiting:
            room -= len(self._waiting[0].tokens)
            if together and room < 0:
                break
            asked = self._waiting.popleft()
            if asked.vectors.set_running_or_notify_cancel():
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
