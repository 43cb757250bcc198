"""How near vectors lie to each other."""

from __future__ import annotations

import numpy as np

from fnet_registry.errors import ConfigError
from fnet_registry.shown import shown


def cosines(vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the cosine of each vector with each of some others.

    Args:
        vectors: Array of shape `(n, dim)`, or `(dim,)` for one.
        others: Array of shape `(m, dim)`, or `(dim,)` for one.

    Returns:
        Float32 array of shape `(n, m)`; 0 where a vector is all zeros.

    Raises:
        ConfigError: If they are no vectors of one length.
    """
    rows, columns = _vectors(vectors), _vectors(others)
    if rows.shape[1] != columns.shape[1]:
        raise ConfigError(
            "Vectors to compare must be of one length, for example that of one encoder. "
            f"Received: {rows.shape[1]} and {columns.shape[1]}"
        )
    return _unit(rows) @ _unit(columns).T


def _vectors(vectors: np.ndarray) -> np.ndarray:
    try:
        array = np.atleast_2d(np.asarray(vectors, dtype=np.float32))
    except (TypeError, ValueError):
        array = np.empty(())
    if array.ndim != 2:  # noqa: PLR2004  (rows of values)
        raise ConfigError(
            "Similarity is of vectors, for example encoder.encode(texts). "
            f"Received: {shown(vectors)}"
        )
    return array


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)
