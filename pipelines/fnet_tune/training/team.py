"""The workers that take a step together: each computes some of its parts, all know the sum.

One process by itself is a team of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

T = TypeVar("T")


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

    def from_leader(self, value: float, device: torch.device) -> float:
        """Return the leader's value to all."""
        told = torch.tensor(value if self.leads else 0.0, dtype=torch.float64, device=device)
        return self.add_up(told).item()


ALONE = Team()
