"""BEIR folders: `corpus.jsonl`, `queries.jsonl` and `qrels/*.tsv`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from fnet_evaluate.data.rows import Rows
from fnet_evaluate.data.shapes import CORPUS, JUDGEMENTS
from fnet_ray.corpus.files import find_inputs
from fnet_ray.corpus.formats import recognise
from fnet_registry.errors import InputError

Judgements = dict[str, dict[str, float]]


def corpus_file(folder: str | os.PathLike[str]) -> Path | None:
    """Return a BEIR folder's file of texts, or None for what is no such folder."""
    return _file(Path(folder), "corpus") if _file(Path(folder), "queries") else None


def judgement_file(data: object) -> Path | None:
    """Return the judgements that data is, or holds; None for what is no BEIR folder.

    Args:
        data: A BEIR folder, whose split is `test` where it has several, or one file of its
            `qrels`.

    Raises:
        InputError: A folder has several splits, and none of them is `test`.
    """
    if not isinstance(data, str | os.PathLike):
        return None
    path = Path(data)
    if path.parent.name == "qrels" and _file(path.parent.parent, "queries"):
        return path
    found = sorted(path.glob("qrels/*.tsv"))
    if not (found and _file(path, "queries")):
        return None
    test = [each for each in found if each.stem == "test"]
    if len(found) > 1 and not test:
        raise InputError(
            "A BEIR folder must have one split, or one named test; name another by its file, such "
            f"as {found[0]}. Received: {', '.join(each.name for each in found)}"
        )
    return (test or found)[0]


def read_queries(judgements: Path) -> dict[str, str]:
    """Return the texts of all queries by id.

    Raises:
        InputError: An id is there twice, or a text is missing.
    """
    path = _file(judgements.parent.parent, "queries")
    assert path is not None
    found: dict[str, str] = {}
    for batch in Rows(files=find_inputs(path), shape=CORPUS).batches():
        for name, text in zip(batch["id"].to_pylist(), batch["text"].to_pylist(), strict=True):
            if name in found:
                raise InputError(f"Ids must be there once. Received: {name!r} twice in {path}")
            found[name] = text
    return found


def read_judgements(path: Path) -> Judgements:
    """Return a query's id → its relevant texts' ids → how relevant each is.

    Raises:
        InputError: A pair of ids is there twice, or nothing is relevant.
    """
    found: Judgements = {}
    judged: set[tuple[str, str]] = set()
    for query, text, score in _triples(path):
        if (query, text) in judged:
            raise InputError(
                f"Judgements must be there once. Received: {query!r} and {text!r} twice in {path}"
            )
        judged.add((query, text))
        if score > 0:
            found.setdefault(query, {})[text] = score
    if not found:
        raise InputError(f"Judgements must name a relevant text. Received: none in {path}")
    return found


def _triples(path: Path) -> Iterator[tuple[str, str, float]]:
    for batch in Rows(files=find_inputs(path), shape=JUDGEMENTS).batches():
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _file(folder: Path, stem: str) -> Path | None:
    if "://" in str(folder) or not folder.is_dir():
        return None
    files = (path for path in sorted(folder.iterdir()) if path.name.partition(".")[0] == stem)
    return next((path for path in files if recognise(path.name)), None)
