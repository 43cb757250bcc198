"""Which examples a step reads: a function of the seed and the step alone, held nowhere.

An epoch is a permutation of all examples that is computed place by place, so that millions of
examples take no memory, and a run that goes on after a kill reads what it would have read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fnet_registry.errors import InputError
from fnet_tune.data.tokens import TokenizedExamples

Integer = np.ndarray | np.uint64

FEWEST_LABELS = 2
_ROUNDS = 6


class Sampler(Protocol):
    """Draws the examples of a step."""

    def __len__(self) -> int:
        """Return how many examples an epoch has."""
        ...

    def draw(self, step: int, batch_size: int) -> np.ndarray:
        """Return rows of examples, int64 of shape `(batch, members)`: those set side by side."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EachOnce:
    """Every example once in an epoch.

    Args:
        count: How many examples there are.
        seed: The run's seed.
    """

    count: int
    seed: int

    def __len__(self) -> int:
        return self.count

    def draw(self, step: int, batch_size: int) -> np.ndarray:
        """Return rows of shape `(batch, 1)`; see `Sampler`."""
        return _positions(self.count, self.seed, step, batch_size)[:, None]


class WithPartner:
    """Every text once in an epoch, each beside another text of its label.

    Texts that are the only one of their label are left out.

    Args:
        labels: Integers of shape `(texts,)`.
        seed: The run's seed.
    """

    def __init__(self, labels: np.ndarray, seed: int) -> None:
        order = np.argsort(labels, kind="stable")
        _, place, counts = np.unique(labels[order], return_inverse=True, return_counts=True)
        self._rows = order[counts[place] > 1]
        counts = counts[counts > 1]
        self._ends = np.cumsum(counts)
        self._counts = counts
        self._seed = seed

    def __len__(self) -> int:
        return len(self._rows)

    def draw(self, step: int, batch_size: int) -> np.ndarray:
        """Return rows of shape `(batch, 2)`; see `Sampler`."""
        places = _positions(len(self), self._seed, step, batch_size)
        label = np.searchsorted(self._ends, places, side="right")
        counts = self._counts[label]
        begins = self._ends[label] - counts
        drawn = _mixed(_mixed(np.uint64(self._seed) + np.uint64(step)) ^ places.astype(np.uint64))
        steps = 1 + (drawn % (counts - 1).astype(np.uint64)).astype(np.int64)
        partners = begins + (places - begins + steps) % counts
        return self._rows[np.stack([places, partners], axis=1)]


def sampler_of(examples: TokenizedExamples, *, seed: int, paired: bool) -> Sampler:
    """Return what draws these examples, each beside a partner of its label or by itself.

    Raises:
        InputError: Fewer than two labels are those of several texts.
    """
    if not paired:
        return EachOnce(count=len(examples), seed=seed)
    assert examples.targets is not None
    counts = np.unique(examples.targets, return_counts=True)[1]
    many = int((counts > 1).sum())
    if many < FEWEST_LABELS:
        raise InputError(
            "At least two labels must have two texts or more, to learn from. Received: "
            f"{len(counts):,} labels of {len(examples):,} texts, {many} of them so"
        )
    return WithPartner(np.asarray(examples.targets), seed)


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Return how many steps read so many examples once; the rest of an epoch is left out."""
    return max(1, count // batch_size)


def _positions(count: int, seed: int, step: int, batch_size: int) -> np.ndarray:
    size = min(batch_size, count)
    epoch, place = divmod(step, steps_per_epoch(count, size))
    key = _mixed(_mixed(np.uint64(seed)) + np.uint64(epoch))
    return permuted(np.arange(place * size, (place + 1) * size), count, key)


def permuted(places: np.ndarray, count: int, key: Integer) -> np.ndarray:
    """Return where places of `range(count)` go in a permutation that is drawn by a key.

    A Feistel network permutes the next larger square of a power of two; what falls outside the
    range is permuted again until it falls inside (Black and Rogaway, 2002).
    """
    half = max(1, (int(count - 1).bit_length() + 1) // 2)
    found = places.astype(np.uint64)
    outside = np.ones(len(found), bool)
    while outside.any():
        found[outside] = _feistel(found[outside], np.uint64(half), key)
        outside = found >= count
    return found.astype(np.int64)


def _feistel(values: np.ndarray, half: np.uint64, key: Integer) -> np.ndarray:
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = values >> half, values & mask
    for turn in range(_ROUNDS):
        mixed = _mixed(right ^ _mixed(key + np.uint64(turn)))
        left, right = right, left ^ (mixed & mask)
    return (left << half) | right


def _mixed(values: Integer) -> np.ndarray:
    """Mix the bits of integers (SplitMix64, Steele et al., 2014)."""
    with np.errstate(over="ignore"):
        mixed = np.asarray(values, np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        return mixed ^ (mixed >> np.uint64(31))
