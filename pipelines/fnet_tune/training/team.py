"""The workers that take a step together: each computes some of its parts, all know the sum.

One process by itself is a team of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

from fnet_registry.errors import FNetError, TuningError

T = TypeVar("T")


class TeamError(TuningError):
    """Another worker failed, and says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A worker among others, which `torch.distributed` connects.

    Args:
        rank: Its number.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the worker that speaks and writes for all."""
        return self.rank == 0

    def share(self, parts: Sequence[T]) -> Sequence[T]:
        """Return the parts that this worker computes; the first has a share wherever one has."""
        return parts[self.rank :: self.size]

    def add_up(self, values: torch.Tensor) -> torch.Tensor:
        """Set values to their sum over all workers, the same bits at each, and return them."""
        if self.size > 1:
            torch.distributed.all_reduce(values)
        return values

    def from_leader(self, compute: Callable[[], float], device: torch.device) -> float:
        """Return to all what the leader computes.

        Raises:
            FNetError: It could not; the others, which would wait for it, raise `TeamError`.
        """
        if self.size == 1:
            return compute()
        value = 0.0
        with self.together(device):
            if self.leads:
                value = compute()
        return self.add_up(torch.tensor(value, dtype=torch.float64, device=device)).item()

    @contextmanager
    def together(self, device: torch.device) -> Iterator[None]:
        """Have all go on behind a block only where none failed in it.

        Raises:
            FNetError: This worker's own error in the block.
            TeamError: It was another one that failed.
        """
        own = None
        try:
            yield
        except FNetError as error:
            own = error
        failed = self.add_up(torch.tensor(float(own is not None), device=device)).item()
        if own is not None:
            raise own
        if failed:
            raise TeamError("All workers must go on. Received: an error of another one")


ALONE = Team()
