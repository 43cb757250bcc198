"""Retrieval: does a query find its relevant texts among all others?

Figures are those of trec_eval on the first 100 texts that are found: gains as judged, MRR and MAP
over these 100.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from fnet_evaluate.baselines import TfIdf, bm25_scores
from fnet_evaluate.data.corpus import Block, StoredCorpus
from fnet_evaluate.data.retrieval import Retrieval, retrieval_of_pairs
from fnet_evaluate.data.rows import Rows
from fnet_evaluate.data.shapes import PAIRS, QUERIES
from fnet_evaluate.kinds.kind import Data, Encoder, Kind, means
from fnet_ray.nearest.hits import NearestRows, TopHits
from fnet_registry.errors import InputError
from fnet_registry.progress import progress_bar

DEPTH = 100
RECALLS = (1, 10, 100)
NDCG = 10


def as_data(content: Retrieval) -> Data[Retrieval]:
    """Return queries as data."""
    return Data(content=content, digest=content.digest, count=len(content.queries))


def read(rows: Rows) -> Data[Retrieval]:
    """Read pairs, whose positives are the corpus."""
    if rows.shape == QUERIES:
        raise InputError(
            "Queries with relevant ids need the texts that these name, as --corpus. Received: "
            f"{rows.name} without"
        )
    return as_data(retrieval_of_pairs(rows))


def items(encoder: Encoder, data: Retrieval) -> pa.Table:
    """Return each query's figures."""
    if isinstance(data.corpus, StoredCorpus):
        _check_made_by(encoder, data.corpus)
    nearest, row = NearestRows(encoder.encode(data.queries), DEPTH, left_out=data.itself), 0
    shape = {"unit": "text", "unit_scale": True, "leave": False}
    with progress_bar(total=data.size, disable=None, **shape) as bar:
        for block in data.corpus.blocks():
            following = row + len(block.ids)
            nearest.add(_vectors(encoder, block), np.arange(row, following))
            row = following
            bar.update(len(block.ids))
    return figures(nearest.hits.rows, data.relevant)


def bm25_items(data: Retrieval) -> pa.Table:
    """Return each query's figures under BM25."""
    texts = [text for block in data.corpus.blocks() for text in _texts(block)]
    return _lexical(bm25_scores(data.queries, texts), data)


def tf_idf_items(data: Retrieval) -> pa.Table:
    """Return each query's figures under the cosine of TF-IDF vectors."""
    encoder = TfIdf(text for block in data.corpus.blocks() for text in _texts(block))
    texts = encoder.encode([text for block in data.corpus.blocks() for text in _texts(block)])
    queries = encoder.encode(data.queries)
    return _lexical((query @ texts.T for query in queries), data)


def figures(rows: np.ndarray, relevant: Sequence[Mapping[int, float]]) -> pa.Table:
    """Return each query's figures.

    Args:
        rows: The rows that each query found, best first, shape `(queries, 100)`; -1 for none.
        relevant: For each query, a row → how relevant its text is.
    """
    gains = np.zeros(rows.shape)
    for line, (found, judged) in enumerate(zip(rows, relevant, strict=True)):
        gains[line] = [judged.get(row, 0.0) for row in found.tolist()]
    ideal = np.zeros((len(rows), NDCG))
    for line, judged in enumerate(relevant):
        best = sorted(judged.values(), reverse=True)[:NDCG]
        ideal[line, : len(best)] = best
    hit, places = gains > 0, np.arange(1, DEPTH + 1)
    total = np.array([len(judged) for judged in relevant], float)
    seen = hit.cumsum(axis=1)
    discounts = 1 / np.log2(places[:NDCG] + 1)
    columns = {f"ndcg@{NDCG}": gains[:, :NDCG] @ discounts / (ideal @ discounts)}
    columns |= {f"recall@{depth}": seen[:, depth - 1] / total for depth in RECALLS}
    columns["mrr"] = (hit / places).max(axis=1)
    columns["map"] = (hit * seen / places).sum(axis=1) / total
    return pa.table(columns)


def _check_made_by(encoder: Encoder, corpus: StoredCorpus) -> None:
    from fnet_mlflow.content.digest import content_digest

    corpus.check_made_by(content_digest(encoder.checkpoint, encoder.config, {}))


def _vectors(encoder: Encoder, block: Block) -> np.ndarray:
    return encoder.encode(_texts(block)) if block.vectors is None else block.vectors


def _texts(block: Block) -> list[str]:
    if block.texts is None:
        raise InputError(
            "Baselines need the corpus's texts; embed it with them, or give --corpus the texts. "
            "Received: vectors alone"
        )
    return block.texts


def _lexical(scores: Iterable[Any], data: Retrieval) -> pa.Table:
    """Rank by each query's scores of all texts; a text that shares no word is not found."""
    hits = TopHits(len(data.queries), DEPTH, left_out=data.itself)
    for query, line in enumerate(scores):
        found = np.asarray(line.toarray() if hasattr(line, "toarray") else line).ravel()
        found = found.astype(np.float32)  # so that equal texts are ties
        rows = np.flatnonzero(found > 0)
        hits.keep(np.full(len(rows), query), rows, found[rows])
    return figures(hits.rows, data.relevant)


RETRIEVAL = Kind(
    name="retrieval",
    unit="queries",
    shapes=(PAIRS, QUERIES),
    read=read,
    items=items,
    measure=means,
    baselines={"BM25": bm25_items, "TF-IDF": tf_idf_items},
)
