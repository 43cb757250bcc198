"""Where a sample's vectors lie: their lengths, how alike they are, and a map of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ALIKE = 0.8
"""From this mean cosine of random pairs on, what is near can hardly be told from what is not."""

_PAIRS = 5000
_LEAST_ROWS_FOR_TSNE = 50
_DIMENSIONS_BEFORE = 30
_PERPLEXITY = 30
_ROUNDS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How long and how alike vectors are.

    Args:
        norms: Their lengths, of shape `(rows,)`.
        cosines: Of random pairs of unlike rows, of shape `(pairs,)`.
    """

    norms: np.ndarray
    cosines: np.ndarray

    @property
    def mean_cosine(self) -> float | None:
        """The mean of the pairs' cosines, where there is a pair."""
        return float(self.cosines.mean()) if len(self.cosines) else None

    @property
    def is_poor(self) -> bool:
        """Whether vectors are so alike that search will be poor."""
        return self.mean_cosine is not None and self.mean_cosine >= ALIKE


def measure(vectors: np.ndarray) -> Likeness:
    """Measure vectors, a float32 array of shape `(rows, dim)`."""
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    unlike = np.unique(vectors, axis=0)  # rows of one text say nothing of the model
    unit = _unit(unlike)
    count = len(unit)
    if count * (count - 1) // 2 <= _PAIRS:
        first, second = np.triu_indices(count, 1)
    else:
        draw = np.random.default_rng(0)
        first = draw.integers(count, size=_PAIRS)
        second = (first + draw.integers(1, count, size=_PAIRS)) % count
    return Likeness(norms=norms, cosines=np.einsum("pd,pd->p", unit[first], unit[second]))


def project(vectors: np.ndarray) -> tuple[np.ndarray, str]:
    """Lay vectors out in two dimensions, by direction; the same vectors always lie the same.

    Args:
        vectors: Float32 array of shape `(rows, dim)`.

    Returns:
        Float64 array of shape `(rows, 2)`, and the name of the method.
    """
    import sklearn.manifold  # noqa: F401 - only a library that is loaded can be limited
    from threadpoolctl import threadpool_limits

    unit = _unit(vectors)
    # Threads that share their cores with a job wait for each other: they take ten times as long.
    with threadpool_limits(1):
        # Where all rows are one, t-SNE divides by zero, and its tree ends the process.
        if len(unit) >= _LEAST_ROWS_FOR_TSNE and np.ptp(unit, axis=0).any():
            return _tsne(unit), "t-SNE"
        return _principal(unit, 2), "principal components"


def _tsne(unit: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE

    method = TSNE(
        perplexity=min(_PERPLEXITY, (len(unit) - 1) / 3),
        init="pca",
        random_state=0,
        max_iter=_ROUNDS,
    )
    return method.fit_transform(_principal(unit, _DIMENSIONS_BEFORE)).astype(np.float64)


def _principal(unit: np.ndarray, dimensions: int) -> np.ndarray:
    """Return the first principal components; zeros where there are fewer."""
    from sklearn.decomposition import PCA

    found = np.zeros((len(unit), dimensions))
    most = min(dimensions, *unit.shape)
    if len(unit) > 1 and np.ptp(unit, axis=0).any():
        found[:, :most] = PCA(most, svd_solver="full").fit_transform(unit)
    return found


def _unit(vectors: np.ndarray) -> np.ndarray:
    wide = vectors.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.divide(wide, norms, out=np.zeros_like(wide), where=norms > 0)
