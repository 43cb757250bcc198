"""Queries with their relevant texts among those to be found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fnet_evaluate.data.beir import Judgements, read_judgements, read_queries
from fnet_evaluate.data.corpus import Corpus, ListedCorpus
from fnet_evaluate.data.digest import RowDigest
from fnet_evaluate.data.rows import Rows
from fnet_registry.errors import InputError
from fnet_registry.shown import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """Queries, and texts to be found.

    Args:
        queries: The queries' texts.
        relevant: For each query, a row of the corpus → how relevant its text is, above 0.
        corpus: The texts to be found.
        digest: SHA-256 of all of it.
    """

    queries: Sequence[str]
    relevant: Sequence[Mapping[int, float]]
    corpus: Corpus
    digest: str


def retrieval_of_pairs(rows: Rows) -> Retrieval:
    """Take each distinct anchor for a query, which is to find its positives among all of them.

    Raises:
        InputError: A file cannot be used.
    """
    table = rows.table()
    anchors, positives = (table[name].to_pylist() for name in ("anchor", "positive"))
    relevant: Judgements = {}
    for anchor, positive in zip(anchors, positives, strict=True):
        relevant.setdefault(anchor, {})[positive] = 1.0
    corpus = ListedCorpus(texts=list(dict.fromkeys(positives)))
    return _resolve(list(relevant), list(relevant.values()), corpus)


def retrieval_of_queries(rows: Rows, corpus: Corpus) -> Retrieval:
    """Take each distinct text for a query; rows that share it share their relevant ids.

    Raises:
        InputError: A file cannot be used, or an id is none of the corpus.
    """
    table = rows.table()
    relevant: Judgements = {}
    queries, lists = (table[name].to_pylist() for name in ("query", "relevant_ids"))
    for query, ids in zip(queries, lists, strict=True):
        relevant.setdefault(query, {}).update(dict.fromkeys(ids, 1.0))
    return _resolve(list(relevant), list(relevant.values()), corpus)


def retrieval_of_beir(judgements: Path, corpus: Corpus) -> Retrieval:
    """Read a BEIR folder; queries without a relevant text are left out.

    Raises:
        InputError: A file cannot be used, or an id is none of the queries or the corpus.
    """
    queries, judged = read_queries(judgements), read_judgements(judgements)
    unknown = next((name for name in judged if name not in queries), None)
    if unknown is not None:
        raise InputError(
            "Judgements must name queries of queries.jsonl. Received: the query-id "
            f"{shown(unknown)} in {judgements}"
        )
    return _resolve([queries[name] for name in judged], list(judged.values()), corpus)


def _resolve(
    queries: Sequence[str], relevant: Sequence[Mapping[str, float]], corpus: Corpus
) -> Retrieval:
    """Read the corpus once, for its digest and for the rows of the relevant texts."""
    digest = RowDigest("retrieval")
    digest.add(
        [query, sorted(gains.items())] for query, gains in zip(queries, relevant, strict=True)
    )
    rows = _find_rows(corpus, {name for gains in relevant for name in gains}, digest)
    for query, gains in zip(queries, relevant, strict=True):
        unknown = next((name for name in gains if name not in rows), None)
        if unknown is not None:
            raise InputError(
                "Relevant ids must be ids of the corpus. Received: "
                f"{shown(unknown)}, of the query {shown(query)}"
            )
    found = [{rows[name]: gain for name, gain in gains.items()} for gains in relevant]
    return Retrieval(queries=queries, relevant=found, corpus=corpus, digest=digest.hex())


def _find_rows(corpus: Corpus, wanted: set[str], digest: RowDigest) -> dict[str, int]:
    """Return the rows of the wanted ids; what is kept of the others is a number of 8 bytes each."""
    rows: dict[str, int] = {}
    hashes, count = [], 0
    for block in corpus.blocks():
        digest.add(zip(block.ids, block.texts or [None] * len(block.ids), strict=True))
        rows |= {name: count + row for row, name in enumerate(block.ids) if name in wanted}
        hashes.append(np.fromiter(map(hash, block.ids), np.int64, len(block.ids)))
        count += len(block.ids)
    if not count:
        raise InputError("A corpus must have texts. Received: none")
    known = np.sort(np.concatenate(hashes))
    doubled = known[1:][known[1:] == known[:-1]]
    if doubled.size:
        name = _name_of(int(doubled[0]), corpus)
        raise InputError(f"A corpus's ids must be there once. Received: {shown(name)} twice")
    return rows


def _name_of(number: int, corpus: Corpus) -> str:
    return next(name for block in corpus.blocks() for name in block.ids if hash(name) == number)
