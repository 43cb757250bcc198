"""Exact search, block by block: the best texts of each query so far, in memory that stays flat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

DEPTH = 100
QUERIES_AT_ONCE = 1024


class TopHits:
    """The best `DEPTH` texts for each query; of equal scores, those of the lower rows.

    Args:
        left_out: For each query, the row of a text that it never finds; -1 for none.
    """

    def __init__(self, left_out: Sequence[int]) -> None:
        self.scores = np.full((len(left_out), DEPTH), -np.inf, np.float32)
        self.rows = np.full((len(left_out), DEPTH), -1)
        self._left_out = np.array(left_out)

    def add(self, scores: np.ndarray, *, first_query: int, first_row: int) -> None:
        """Take in the scores of further texts, which stand behind all before them.

        Args:
            scores: Array of shape `(queries, texts)`; what is -inf is never found.
            first_query: The query of the first line.
            first_row: The text of the first column.
        """
        here = slice(first_query, first_query + len(scores))
        kept_scores, kept_rows = self.scores[here], self.rows[here]
        columns = self._left_out[here, None] - first_row
        scores = np.where(columns == np.arange(scores.shape[1]), -np.inf, scores)
        better = scores > kept_scores[:, -1:]
        if scores.shape[1] > DEPTH:
            least = np.partition(scores, -DEPTH, axis=1)[:, -DEPTH, None]
            better &= scores >= least
        lines, columns = np.nonzero(better)
        if not lines.size:
            return
        old_lines = np.repeat(np.arange(len(scores)), DEPTH)
        all_lines = np.concatenate([old_lines, lines])
        all_scores = np.concatenate([kept_scores.ravel(), scores[lines, columns]])
        all_rows = np.concatenate([kept_rows.ravel(), columns + first_row])
        order = np.lexsort((all_rows, -all_scores, all_lines))
        counts = np.bincount(all_lines)
        place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        best = order[place < DEPTH]
        self.scores[here] = all_scores[best].reshape(-1, DEPTH)
        self.rows[here] = all_rows[best].reshape(-1, DEPTH)


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Return vectors scaled to length 1, as float64; a vector of zeros stays one."""
    vectors = vectors.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=vectors, where=lengths > 0)


def cosines(queries: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Return the products of two sets of unit vectors, as float32.

    They are computed in float64 and rounded, for a product's last digits depend on where in the
    sets a text stands: equal texts would not be ties.
    """
    return (queries @ texts.T).astype(np.float32)
