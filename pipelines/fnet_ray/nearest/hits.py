"""The best rows of each query so far: exact, whatever the order and size of the blocks."""

from __future__ import annotations

import numpy as np

# Products in float32 are a first choice, for their last digits depend on where a row stands. They
# are this near to the exact ones; whatever may be among the best is computed anew.
_MARGIN = 1e-5
_PAIRS_AT_ONCE = 8192


class Hits:
    """The `k` rows of the highest cosine for each query; of equal ones, those of the lower rows.

    Args:
        queries: Float32 array of shape `(queries, dim)`.
        k: How many rows to find.
    """

    def __init__(self, queries: np.ndarray, k: int) -> None:
        self._exact = _unit(queries.astype(np.float64))
        self._quick = self._exact.astype(np.float32)
        self._k = k
        self.scores = np.full((len(queries), k), -np.inf)
        self.rows = np.full((len(queries), k), -1)

    def add(self, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Take in further rows, which stand behind all before them.

        Args:
            vectors: Float32 array of shape `(rows, dim)`; of zeros where a row has no direction.
            rows: Their numbers, rising.
        """
        lengths = np.sqrt(np.einsum("rd,rd->r", vectors, vectors))
        quick = self._quick @ vectors.T
        np.divide(quick, lengths, out=quick, where=lengths > 0)
        least = self.scores[:, -1]
        if quick.shape[1] > self._k:
            kth = np.partition(quick, -self._k, axis=1)[:, -self._k]
            least = np.maximum(least, kth)
        query, column = np.nonzero(quick >= (least - _MARGIN)[:, None])
        if len(query):
            self._keep(query, rows[column], self._cosines(query, vectors, column))

    def _cosines(self, query: np.ndarray, vectors: np.ndarray, column: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(query), _PAIRS_AT_ONCE):
            here = slice(start, start + _PAIRS_AT_ONCE)
            exact = _unit(vectors[column[here]].astype(np.float64))
            parts.append((self._exact[query[here]] * exact).sum(1))
        return np.concatenate(parts)

    def _keep(self, query: np.ndarray, rows: np.ndarray, scores: np.ndarray) -> None:
        touched, line = np.unique(query, return_inverse=True)
        old = np.repeat(np.arange(len(touched)), self._k)
        lines = np.concatenate([old, line])
        all_scores = np.concatenate([self.scores[touched].ravel(), scores])
        all_rows = np.concatenate([self.rows[touched].ravel(), rows])
        order = np.lexsort((all_rows, -all_scores, lines))
        counts = np.bincount(lines)
        place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        best = order[place < self._k]
        self.scores[touched] = all_scores[best].reshape(-1, self._k)
        self.rows[touched] = all_rows[best].reshape(-1, self._k)


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.sqrt((vectors * vectors).sum(1, keepdims=True))
    return np.divide(vectors, lengths, out=vectors, where=lengths > 0)
