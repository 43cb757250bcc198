"""Which texts an older output holds, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

SHARD_BITS = 32


@dataclass(frozen=True, slots=True)
class KnownTexts:
    """Texts by their hashes, sorted: 24 bytes for each.

    Args:
        first: Uint64 of shape `(texts,)`: the first halves of their hashes.
        second: Likewise the second halves.
        place: Int64 of shape `(texts,)`: the shard's number times 2^32 and the row within it.
    """

    first: np.ndarray
    second: np.ndarray
    place: np.ndarray

    @classmethod
    def of(cls, hashes: np.ndarray, places: np.ndarray) -> Self:
        """Sort texts; of equal ones, the lowest place stays.

        Args:
            hashes: Uint64 of shape `(rows, 2)`.
            places: Int64 of shape `(rows,)`.
        """
        order = np.argsort(hashes[:, 0])
        first, second = hashes[order, 0], hashes[order, 1]
        is_new, differs = first[1:] != first[:-1], second[1:] != second[:-1]
        if (differs & ~is_new).any():  # different texts share half of a hash
            order = np.lexsort((hashes[:, 1], hashes[:, 0]))
            second = hashes[order, 1]
            is_new |= second[1:] != second[:-1]
        begins = np.flatnonzero(np.append(True, is_new))[: len(order)]
        lowest = np.minimum.reduceat(places[order], begins) if len(order) else places
        return cls(first[begins], second[begins], lowest)

    def find(self, hashes: np.ndarray) -> np.ndarray:
        """Return the place of each text, or -1 for one that is not known.

        Args:
            hashes: Uint64 of shape `(texts, 2)`.
        """
        found = np.full(len(hashes), -1, dtype=np.int64)
        at = np.searchsorted(self.first, hashes[:, 0])
        left = np.arange(len(hashes))
        while len(left):  # a second time only for texts that share half of a hash
            left = left[at[left] < len(self.first)]
            left = left[self.first[at[left]] == hashes[left, 0]]
            is_same = self.second[at[left]] == hashes[left, 1]
            found[left[is_same]] = self.place[at[left[is_same]]]
            left = left[~is_same]
            at[left] += 1
        return found
