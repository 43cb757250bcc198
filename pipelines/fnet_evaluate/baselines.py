"""What an encoder must beat to earn its keep: words that are shared, counted by known libraries."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from fnet_registry.errors import InputError

_WORDS = r"(?u)\b\w+\b"


class TfIdf:
    """TF-IDF vectors of length 1, by scikit-learn.

    Args:
        texts: The texts whose words count.

    Raises:
        InputError: They have no words.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._vectorizer = TfidfVectorizer(token_pattern=_WORDS)
        try:
            self._vectorizer.fit(texts)
        except ValueError as error:
            raise InputError(f"Baselines need texts with words. Received: {error}") from None

    def encode(self, texts: Sequence[str]) -> Any:
        """Return a sparse array with a row for each text."""
        return self._vectorizer.transform(texts)


def bm25_scores(queries: Sequence[str], texts: Sequence[str]) -> Iterator[np.ndarray]:
    """Yield each query's scores of all texts, by bm25s with Lucene's formula.

    Raises:
        InputError: The texts have no words.
    """
    bm25s = _import_bm25s()

    def words(given: Sequence[str]) -> Any:
        return bm25s.tokenize(
            list(given), token_pattern=_WORDS, return_ids=False, show_progress=False
        )

    tokens = words(texts)
    if not any(tokens):
        raise InputError(f"Baselines need texts with words. Received: {len(texts)} without")
    index = bm25s.BM25()
    index.index(tokens, show_progress=False)
    for query in words(queries):
        yield index.get_scores(query) if query else np.zeros(len(texts))


def _import_bm25s() -> Any:
    """Import bm25s quietly, and without JAX.

    Where JAX is installed it would start it, with its threads and its hold on a GPU's memory, for
    a ranking that is not asked of it.
    """
    loaded = sys.modules.get("jax")
    sys.modules["jax"] = None  # pyright: ignore[reportArgumentType]
    try:
        import bm25s
    finally:
        del sys.modules["jax"]
        if loaded is not None:
            sys.modules["jax"] = loaded
    logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets its own to DEBUG
    return bm25s
