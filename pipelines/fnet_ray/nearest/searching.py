"""The nearest rows of an output, exactly, with the model that made it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from fnet_ray.corpus.arrow_types import to_rows
from fnet_ray.model import PinnedModel, resolve_model
from fnet_ray.nearest.hits import NearestRows, TopHits
from fnet_ray.nearest.stored import StoredRows, open_rows, renamed
from fnet_ray.nearest.where import Condition, parse_condition
from fnet_ray.output.manifest import Manifest
from fnet_registry.errors import InputError
from fnet_registry.shown import shown

logger = logging.getLogger(__name__)

_MOST_HITS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a search found.

    Args:
        hits: A row for each hit: `query` (its number), `rank` (from 1), `score` (the cosine), the
            columns that tell the row, and those that were asked for; such a column of one of these
            names has `_` behind it.
        queries: How many queries were asked.
        rows: Rows of the output that were read.
        seconds: How long that took, from the query's vector on.
        model: The model's URI.
    """

    hits: pa.Table
    queries: int
    rows: int
    seconds: float
    model: str

    def results(self) -> list[list[dict[str, Any]]]:
        """Return the hits of each query, as plain values."""
        found: list[list[dict[str, Any]]] = [[] for _ in range(self.queries)]
        for hit in to_rows(self.hits):
            found[hit.pop("query")].append(hit)
        return found


def search(
    output: str | os.PathLike[str],
    queries: str | Sequence[str],
    *,
    k: int = 10,
    show: Sequence[str] | None = None,
    where: str | None = None,
    model: str | os.PathLike[str] | None = None,
) -> Search:
    """Find the rows of an output whose vectors have the highest cosine with a query's.

    Every vector is compared, file by file, in memory that does not grow with the output. Of equal
    scores, the lower row comes first.

    Args:
        output: The folder or URL that `embed` wrote to.
        queries: One text or several.
        k: How many rows to find for each.
        show: Columns of the output to show; by default the texts, where it has them.
        where: An SQL expression on the output's columns, which must be true of a row.
        model: Another name of the model that the output records, where that one is out of reach.

    Raises:
        FNetError: The output, the model or a query cannot be used; the message says why.
        mlflow.MlflowException: The registry knows no such model.
    """
    texts = [queries] if isinstance(queries, str) else list(queries)
    lookup = Lookup(output=output, k=k, show=show, where=where)
    check_any(texts)
    manifest = lookup.check()
    pinned = same_model(manifest, model)
    vectors = encode_queries(pinned, manifest, texts)
    started = time.perf_counter()
    hits, rows = lookup.run(vectors)
    return Search(
        hits=hits,
        queries=len(texts),
        rows=rows,
        seconds=time.perf_counter() - started,
        model=pinned.uri,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """What is to be found for each query: takes the arguments of `search`.

    Raises:
        InputError: `k` is no number of rows.
    """

    output: str | os.PathLike[str]
    k: int = 10
    show: Sequence[str] | None = None
    where: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.k, bool) or not isinstance(self.k, int) or not 1 <= self.k <= _MOST_HITS:
            raise InputError(
                f"`k` must be a number of rows from 1 to {_MOST_HITS:,}, such as 10. "
                f"Received: {shown(self.k)}"
            )

    def check(self) -> Manifest:
        """Return the output's manifest.

        Raises:
            FNetError: The output, its columns or the condition cannot be used.
        """
        self._condition()
        return self._open()[0].manifest

    def run(self, vectors: np.ndarray) -> tuple[pa.Table, int]:
        """Find the nearest rows.

        Args:
            vectors: Those of the queries, float32 of shape `(queries, dim)`.

        Returns:
            The hits, as in `Search`, and the number of rows that were read.
        """
        stored, columns = self._open()
        nearest = NearestRows(vectors, self.k)
        for block in stored.blocks(vectors.shape[1], self._condition()):
            if len(block.rows):
                nearest.add(block.vectors, block.rows)
        return _table(nearest.hits, stored, columns), stored.starts[-1]

    def _open(self) -> tuple[StoredRows, list[str]]:
        show = [self.show] if isinstance(self.show, str) else self.show
        return open_rows(os.fspath(self.output), show)

    def _condition(self) -> Condition | None:
        return None if self.where is None else parse_condition(self.where)


def same_model(manifest: Manifest, model: str | os.PathLike[str] | None) -> PinnedModel:
    """Return the model of queries, by default as the output records it.

    Raises:
        InputError: It is not the output's.
    """
    try:
        pinned = resolve_model(manifest.model if model is None else model)
    except Exception:
        if model is None:
            logger.warning(
                "The output's model, %s, is out of reach here; --model names it as it is called "
                "here, such as a copy's folder",
                manifest.model,
            )
        raise
    if pinned.digest != manifest.digest:
        raise InputError(
            f"The queries' model must be the output's own, {manifest.model} (digest "
            f"{manifest.digest[:12]}). Received: {pinned.uri} (digest {pinned.digest[:12]})"
        )
    return pinned


def check_any(texts: Sequence[str]) -> None:
    """Refuse to search for nothing.

    Raises:
        InputError: There is no text.
    """
    if not texts:
        raise InputError("A search must have a query, such as 'a text'. Received: none")


def encode_queries(model: PinnedModel, manifest: Manifest, texts: Sequence[str]) -> np.ndarray:
    """Return the vectors of texts, `(texts, dim)`, in the dtype that the output was computed in."""
    from fnet_registry import TextEncoder

    dtype: Any = manifest.parameters.dtype or model.compute_dtype
    return TextEncoder.from_checkpoint(model.checkpoint, model.encoding, dtype=dtype).encode(texts)


def _table(hits: TopHits, stored: StoredRows, columns: Sequence[str]) -> pa.Table:
    query, place = np.nonzero(hits.rows >= 0)
    own = {"query": query, "rank": place + 1, "score": hits.scores[query, place]}
    found = stored.columns(hits.rows[query, place], [*stored.places, *columns])
    names = renamed(found.column_names, beside=own)
    return pa.table({**own, **dict(zip(names, found.columns, strict=True))})
