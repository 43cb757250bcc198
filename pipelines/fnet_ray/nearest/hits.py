"""The best rows of each query so far: exact, whatever the order and size of the blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_SCORES_AT_ONCE = 1 << 24
_PAIRS_AT_ONCE = 8192
_SHORTEST = 1e-15  # the square of a shorter vector's length has few digits in float32, or none


class TopHits:
    """The `k` rows of the highest score for each query; of equal scores, the lower rows.

    Args:
        queries: How many queries there are.
        k: How many rows to find for each.
        left_out: For each query, a row that it never finds; -1 for none.
    """

    def __init__(self, queries: int, k: int, *, left_out: Sequence[int] | None = None) -> None:
        self.scores = np.full((queries, k), -np.inf)
        self.rows = np.full((queries, k), -1)
        self.left_out = np.full(queries, -1) if left_out is None else np.array(left_out)
        self.k = k

    def keep(self, query: np.ndarray, rows: np.ndarray, scores: np.ndarray) -> None:
        """Take in further rows of some queries.

        Args:
            query: The query of each pair, of shape `(pairs,)`.
            rows: The row of each.
            scores: The score of each.
        """
        allowed = rows != self.left_out[query]
        touched, line = np.unique(query[allowed], return_inverse=True)
        lines = np.concatenate([np.repeat(np.arange(len(touched)), self.k), line])
        all_scores = np.concatenate([self.scores[touched].ravel(), scores[allowed]])
        all_rows = np.concatenate([self.rows[touched].ravel(), rows[allowed]])
        order = np.lexsort((all_rows, -all_scores, lines))
        counts = np.bincount(lines)
        place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        best = order[place < self.k]
        self.scores[touched] = all_scores[best].reshape(-1, self.k)
        self.rows[touched] = all_rows[best].reshape(-1, self.k)


class NearestRows:
    """The `k` rows of the highest cosine for each query, found block by block.

    Args:
        queries: Float32 array of shape `(queries, dim)`.
        k: How many rows to find for each.
        left_out: For each query, a row that it never finds; -1 for none.
    """

    def __init__(
        self, queries: np.ndarray, k: int, *, left_out: Sequence[int] | None = None
    ) -> None:
        self.hits = TopHits(len(queries), k, left_out=left_out)
        self._exact = _unit(queries.astype(np.float64))
        self._quick = self._exact.astype(np.float32)
        # Products in float32 are a first choice, for their last digits depend on where a row
        # stands. They err by less than this; what may be among the best is computed anew.
        self._margin = queries.shape[1] * np.finfo(np.float32).eps

    def add(self, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Take in further rows, which stand behind all before them.

        Args:
            vectors: Float array of shape `(rows, dim)`; a vector of zeros is like nothing, and one
                with a value that is no number is never found.
            rows: Their numbers, rising.
        """
        vectors = vectors.astype(np.float32, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled, lengths = vectors, np.sqrt(np.einsum("rd,rd->r", vectors, vectors))
        if not (np.isfinite(lengths) & (lengths > _SHORTEST)).all():
            finite = np.isfinite(vectors).all(1)
            vectors, rows = vectors[finite], rows[finite]
            scaled, lengths = _scaled(vectors)
        step = max(1, _SCORES_AT_ONCE // max(1, len(rows)))
        for start in range(0, len(self._quick), step):
            here = slice(start, start + step)
            query, column = self._candidates(here, scaled, lengths, rows)
            if len(query):
                scores = self._cosines(query, vectors, column)
                self.hits.keep(query, rows[column], scores)

    def _candidates(
        self, here: slice, vectors: np.ndarray, lengths: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        quick = self._quick[here] @ vectors.T
        np.divide(quick, lengths, out=quick, where=lengths > 0)
        line, column = np.nonzero(self.hits.left_out[here, None] == rows)
        quick[line, column] = -np.inf
        least = self.hits.scores[here, -1]
        k = self.hits.k
        if quick.shape[1] > k:
            kth = np.partition(quick, -k, axis=1)[:, -k]
            least = np.maximum(least, kth - self._margin)
        line, column = np.nonzero(quick >= (least - self._margin)[:, None])
        return line + here.start, column

    def _cosines(self, query: np.ndarray, vectors: np.ndarray, column: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(query), _PAIRS_AT_ONCE):
            here = slice(start, start + _PAIRS_AT_ONCE)
            exact = _unit(vectors[column[here]].astype(np.float64))
            parts.append((self._exact[query[here]] * exact).sum(1))
        return np.concatenate(parts)


def _scaled(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale vectors so that float32 holds the squares of their lengths, and return these, too."""
    largest = np.abs(vectors).max(1, initial=0, keepdims=True)
    scaled = vectors / np.where(largest > 0, largest, 1)
    return scaled, np.linalg.norm(scaled, axis=1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Scale vectors to length 1, in place; a vector of zeros stays one."""
    lengths = np.sqrt((vectors * vectors).sum(1, keepdims=True))
    return np.divide(vectors, lengths, out=vectors, where=lengths > 0)
