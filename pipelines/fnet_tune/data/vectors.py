"""Teacher vectors: those of any encoder, which need not be at hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from fnet_registry.errors import InputError

FEWEST_TEXTS = 3
_ROUNDING = 1e-6


def unit_vectors(column: pa.Array) -> np.ndarray:
    """Return lists of numbers, scaled to length 1, as float32 of shape `(rows, width)`.

    Raises:
        InputError: They have several widths.
    """
    widths = np.unique(column.value_lengths().to_numpy(zero_copy_only=False))
    if len(widths) > 1:
        raise several_widths(widths.tolist())
    if not len(widths):
        return np.empty((0, 0), np.float32)
    exact = column.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    vectors = exact.reshape(len(column), *widths)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def several_widths(widths: list[int]) -> InputError:
    """Return what is wrong with vectors of several widths."""
    return InputError(
        "All teacher vectors must have one width, as those of one encoder do. Received: "
        f"{' and '.join(map(str, widths[:3]))} values"
    )


def scored_by_teacher(texts: pa.Table) -> pa.Table:
    """Make scored pairs of texts and their teacher vectors, which `fnet evaluate` knows.

    Each text stands beside the one that is nearest by the teacher, and beside the next one in
    order; a score is the cosine of the teacher's vectors.

    Raises:
        InputError: The vectors are all the same, or the texts too few.
    """
    text = texts["text"].combine_chunks()
    once = np.sort(np.unique(text.to_numpy(zero_copy_only=False), return_index=True)[1])
    if len(once) < FEWEST_TEXTS:
        raise InputError(
            f"At least {FEWEST_TEXTS} different texts must be held out; give more examples. "
            f"Received: {len(once)}"
        )
    vectors = unit_vectors(texts["embedding"].combine_chunks().take(pa.array(once)))
    cosines = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    if np.ptp(cosines) < _ROUNDING:
        raise InputError(
            "Teacher vectors must differ. Received: one and the same direction for "
            f"{len(vectors):,} texts"
        )
    rows = np.arange(len(once))
    nearest = np.argmax(cosines - 3 * np.eye(len(once)), axis=1)
    first, second = np.tile(rows, 2), np.concatenate([nearest, (rows + 1) % len(rows)])
    sides = [text.take(pa.array(once[side])) for side in (first, second)]
    return pa.table([*sides, pa.array(cosines[first, second])], ["text_a", "text_b", "score"])
