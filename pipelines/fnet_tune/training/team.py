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


@dataclass(slots=True)
class _Told:
    value: float = 0.0


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
        with self.together(device) as told:
            if self.leads:
                told.value = compute()
        return told.value

    @contextmanager
    def together(self, device: torch.device) -> Iterator[_Told]:
        """Have all go on behind a block only where none failed in it.

        Yields the sum of what they tell there, once the block has ended.

        Raises:
            FNetError: This worker's own error in the block.
            TeamError: It was another one that failed.
        """
        own, told = None, _Told()
        try:
            yield told
        except FNetError as error:
            own = error
        sums = [told.value, float(own is not None)]
        told.value, failed = self.add_up(
            torch.tensor(sums, dtype=torch.float64, device=device)
        ).tolist()
        if own is not None:
            raise own
        if failed:
            raise TeamError("All workers must go on. Received: an error of another one")


ALONE = Team()
