"""Texts to be found, block by block: of files, of a list, or with vectors that a job stored."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from fnet_evaluate.data.beir import corpus_file
from fnet_evaluate.data.rows import BATCH_ROWS, Path, Rows, open_rows
from fnet_evaluate.data.shapes import CORPUS, STORED
from fnet_ray.corpus.files import find_inputs
from fnet_ray.output.layout import EMBEDDINGS
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.store import OBJECT_STORES
from fnet_ray.output.stores import open_store
from fnet_ray.status import read_status
from fnet_registry.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Some texts of a corpus.

    Args:
        ids: What relevance judgements call them.
        texts: The texts; None where the vectors' job kept none.
        vectors: Float32 array of shape `(texts, dim)`; None where there is none yet.
    """

    ids: list[str]
    texts: list[str] | None
    vectors: np.ndarray | None = None


class Corpus(Protocol):
    """Texts to be found."""

    def blocks(self) -> Iterator[Block]:
        """Yield the texts, `BATCH_ROWS` at a time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCorpus:
    """Texts that are their own ids."""

    texts: Sequence[str]

    def blocks(self) -> Iterator[Block]:
        """Yield the texts."""
        for start in range(0, len(self.texts), BATCH_ROWS):
            texts = list(self.texts[start : start + BATCH_ROWS])
            yield Block(ids=texts, texts=texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCorpus:
    """Texts in files; a title stands before its text."""

    rows: Rows

    def blocks(self) -> Iterator[Block]:
        """Yield the texts."""
        for batch in self.rows.batches():
            yield Block(ids=batch["id"].to_pylist(), texts=_texts(batch))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCorpus:
    """An output of `fnet embed`, whose vectors are used as they are.

    Args:
        rows: Its data files.
        output: Where it is.
        manifest: What it was begun with.
    """

    rows: Rows
    output: str
    manifest: Manifest

    def blocks(self) -> Iterator[Block]:
        """Yield the texts with their vectors."""
        for batch in self.rows.batches():
            vectors = batch["embedding"]
            yield Block(
                ids=batch["id"].to_pylist(),
                texts=_texts(batch),
                vectors=vectors.flatten().to_numpy().reshape(len(batch), -1),
            )

    def check_made_by(self, digest: str) -> None:
        """Make sure that a model's vectors can be compared with the stored ones.

        Args:
            digest: The model's `content_digest`, which tells its encoding, too.

        Raises:
            InputError: They are another model's, or of another encoding.
        """
        if digest != self.manifest.digest:
            raise InputError(
                f"Stored vectors must be of the model that is evaluated, with its encoding; embed "
                f"the corpus with it, or give --corpus the texts. Received: {self.output}, made by "
                f"{self.manifest.model} (digest {self.manifest.digest[:12]}, not {digest[:12]})"
            )


def open_corpus(path: Path | Sequence[Path], *, renamed: Mapping[str, str]) -> Corpus:
    """Open texts to be found.

    Args:
        path: Files as `fnet embed` takes them, a BEIR folder, or an output of `fnet embed`.
        renamed: A column's own name → its name in the files.

    Raises:
        InputError: There are no such files, or they lack a column.
        OutputError: The output's record is damaged.
    """
    if isinstance(path, str | os.PathLike):
        if stored := _open_stored(os.fspath(path), renamed):
            return stored
        path = corpus_file(path) or path
    return FileCorpus(rows=open_rows(path, renamed=renamed, shapes=[CORPUS]))


def _open_stored(path: str, renamed: Mapping[str, str]) -> StoredCorpus | None:
    if not (os.path.isdir(path) or path.partition("://")[0] in OBJECT_STORES):
        return None
    folder, _, last = path.rstrip("/").rpartition("/")
    store = open_store(folder if last == EMBEDDINGS else path)
    manifest = Manifest.read(store)
    if manifest is None:
        return None
    _check_whole(store.url, manifest)
    asked = manifest.parameters
    own = {"id": asked.id_column, "text": asked.column}
    names = {name: column for name, column in own.items() if column in manifest.carried.names}
    names["embedding"] = asked.output_column
    files = find_inputs(store.path(EMBEDDINGS))
    rows = Rows(files=files, shape=STORED, renamed={**names, **renamed})
    return StoredCorpus(rows=rows, output=store.url, manifest=manifest)


def _check_whole(output: str, manifest: Manifest) -> None:
    if manifest.parameters.window_rows:
        raise InputError(
            "Stored vectors must be one for each text. Received: "
            f"{output}, with one for each window (--windows rows)"
        )
    status = read_status(output)
    if status.shards_done < status.shards:
        raise InputError(
            "Stored vectors must be complete; the same fnet embed command goes on. Received: "
            f"{output}, with {status.shards_done:,} of {status.shards:,} shards"
        )


def _texts(batch: pa.RecordBatch) -> list[str] | None:
    if "text" not in batch.schema.names:
        return None
    texts = batch["text"].to_pylist()
    if "title" not in batch.schema.names:
        return texts
    titles = batch["title"].to_pylist()
    return [f"{title or ''} {text}".strip() for title, text in zip(titles, texts, strict=True)]
