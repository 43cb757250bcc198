"""Queries with their relevant texts among those to be found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fnet_evaluate.data.beir import Judgements, read_judgements, read_queries
from fnet_evaluate.data.corpus import Block, Corpus, ListedCorpus
from fnet_evaluate.data.digest import RowDigest
from fnet_evaluate.data.rows import Rows
from fnet_registry.errors import InputError
from fnet_registry.shown import shown


class Query(NamedTuple):
    """A query, and its relevant texts' ids → how relevant each is."""

    text: str
    relevant: Mapping[str, float]
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """Queries, and texts to be found.

    Args:
        queries: The queries' texts.
        relevant: For each query, a row of the corpus → how relevant its text is, above 0.
        itself: For each query, the row of the corpus that is the query itself; -1 for none.
        corpus: The texts to be found.
        size: How many these are.
        digest: SHA-256 of all of it.
    """

    queries: Sequence[str]
    relevant: Sequence[Mapping[int, float]]
    itself: Sequence[int]
    corpus: Corpus
    size: int
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
    return _resolve([Query(*each) for each in relevant.items()], corpus)


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
    return _resolve([Query(*each) for each in relevant.items()], corpus)


def retrieval_of_beir(judgements: Path, corpus: Corpus) -> Retrieval:
    """Read a BEIR folder; queries without a relevant text are left out.

    Where a query is itself a text of the corpus, under its own id, it is not to find itself.

    Raises:
        InputError: A file cannot be used, or an id is none of the queries or the corpus.
    """
    texts, judged = read_queries(judgements), read_judgements(judgements)
    unknown = next((name for name in judged if name not in texts), None)
    if unknown is not None:
        raise InputError(
            "Judgements must name queries of queries.jsonl. Received: the query-id "
            f"{shown(unknown)} in {judgements}"
        )
    return _resolve([Query(texts[name], gains, name) for name, gains in judged.items()], corpus)


def _resolve(queries: Sequence[Query], corpus: Corpus) -> Retrieval:
    """Read the corpus once, for its digest and for the rows of the texts that are named."""
    digest, index = RowDigest("retrieval"), _Index(queries)
    digest.add([query.text, sorted(query.relevant.items())] for query in queries)
    for block in corpus.blocks():
        digest.add(zip(block.ids, block.texts or [None] * len(block.ids), strict=True))
        index.add(block)
    index.check_distinct(corpus)
    return Retrieval(
        queries=[query.text for query in queries],
        relevant=[index.relevant(query) for query in queries],
        itself=[index.itself(query) for query in queries],
        corpus=corpus,
        size=index.size,
        digest=digest.hex(),
    )


class _Index:
    """Where the texts are that queries name; of all others, 8 bytes are kept."""

    def __init__(self, queries: Sequence[Query]) -> None:
        self.size = 0
        self._rows: dict[str, int] = {}
        self._own: dict[str | None, int] = {}
        self._named = {name for query in queries for name in query.relevant}
        self._texts = {query.id: query.text for query in queries if query.id is not None}
        self._hashes: list[np.ndarray] = []

    def add(self, block: Block) -> None:
        """Take in the corpus's next texts."""
        texts = block.texts or [""] * len(block.ids)
        for row, (name, text) in enumerate(zip(block.ids, texts, strict=True), self.size):
            if name in self._named:
                self._rows[name] = row
            if name in self._texts and text.endswith(self._texts[name]):  # a title may precede it
                self._own[name] = row
        self._hashes.append(np.fromiter(map(hash, block.ids), np.int64, len(block.ids)))
        self.size += len(block.ids)

    def relevant(self, query: Query) -> dict[int, float]:
        """Return the rows of a query's relevant texts.

        Raises:
            InputError: One is none of the corpus.
        """
        unknown = next((name for name in query.relevant if name not in self._rows), None)
        if unknown is not None:
            raise InputError(
                "Relevant ids must be ids of the corpus. Received: "
                f"{shown(unknown)}, of the query {shown(query.text)}"
            )
        return {self._rows[name]: gain for name, gain in query.relevant.items()}

    def itself(self, query: Query) -> int:
        """Return the row of the text that a query is, unless it is relevant; -1 for none."""
        return -1 if query.id in query.relevant else self._own.get(query.id, -1)

    def check_distinct(self, corpus: Corpus) -> None:
        """Refuse a corpus without texts, or with an id that is there twice.

        Raises:
            InputError: It is so.
        """
        if not self.size:
            raise InputError("A corpus must have texts. Received: none")
        hashes = np.sort(np.concatenate(self._hashes))
        doubled = hashes[1:][hashes[1:] == hashes[:-1]]
        if doubled.size:
            ids = (name for block in corpus.blocks() for name in block.ids)
            name = next(name for name in ids if hash(name) == doubled[0])
            raise InputError(f"A corpus's ids must be there once. Received: {shown(name)} twice")
