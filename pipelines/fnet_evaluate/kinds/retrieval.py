"""Retrieval: does a query find its relevant texts among all others?

Figures are those of trec_eval on the first 100 texts that are found: gains as judged, MRR and MAP
over these 100.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from fnet_evaluate.baselines import TfIdf, bm25_scores
from fnet_evaluate.data.corpus import Block, StoredCorpus
from fnet_evaluate.data.retrieval import Retrieval, retrieval_of_pairs
from fnet_evaluate.data.rows import Rows
from fnet_evaluate.data.shapes import PAIRS, QUERIES
from fnet_evaluate.kinds.kind import Data, Encoder, Kind, means
from fnet_evaluate.search import DEPTH, QUERIES_AT_ONCE, TopHits, cosines, unit_rows
from fnet_registry.errors import InputError

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
    queries = unit_rows(encoder.encode(data.queries))
    hits, row = TopHits(data.itself), 0
    with tqdm(total=data.size, unit="text", unit_scale=True, disable=None, leave=False) as bar:
        for block in data.corpus.blocks():
            texts = unit_rows(_vectors(encoder, block))
            for start in range(0, len(queries), QUERIES_AT_ONCE):
                scores = cosines(queries[start : start + QUERIES_AT_ONCE], texts)
                hits.add(scores, first_query=start, first_row=row)
            row += len(block.ids)
            bar.update(len(block.ids))
    return figures(hits.rows, data.relevant)


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
    hits = TopHits(data.itself)
    for query, line in enumerate(scores):
        found = np.asarray(line.toarray() if hasattr(line, "toarray") else line).reshape(1, -1)
        ranked = np.where(found > 0, found, -np.inf).astype(np.float32)
        hits.add(ranked, first_query=query, first_row=0)
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
