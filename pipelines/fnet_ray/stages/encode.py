"""Second stage: windows of tokens to vectors, on a CPU or a GPU."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa

from fnet_ray.cluster.environment import Environment
from fnet_ray.corpus.arrow_types import is_flat
from fnet_ray.model import SharedModel
from fnet_ray.options import Parameters
from fnet_ray.output.rejects import count_damaged, rejects_table
from fnet_ray.progress.live import ShardProgress
from fnet_ray.reuse.hashes import TEXT_HASH, TRUNCATED
from fnet_ray.reuse.kind import kind_of_work
from fnet_ray.reuse.taking import UNREAD, check_kind
from fnet_ray.stages.isolation import IsolatingEncoder
from fnet_ray.stages.message import pack, unpack
from fnet_ray.stages.pieces import Pieces, of_rows, rows_of
from fnet_ray.stages.tokens import Windows
from fnet_registry.collector import spare_collector
from fnet_registry.encoding.packing import Tokens
from fnet_registry.errors import InputError

logger = logging.getLogger(__name__)

LARGEST_REPEATED = 1 << 30  # bytes


class EncodeShard:
    """Encodes one shard; an actor, which loads the model once.

    Takes what `ReadShard` gives. Gives a row of `shard` and the tables `embedded`, `rejected` and
    `work` (one row: what was done, how long it took, and by whom), and `texts` (what is stored of
    the text of each row of `embedded`).
    """

    def __init__(
        self,
        model: SharedModel,
        parameters: Parameters,
        num_threads: int | None,
        driver: Environment,
        board: Any,
    ) -> None:
        spare_collector()
        self._parameters = parameters
        self._driver = driver
        self._board = board
        self._encoder = model.encoder(num_threads=num_threads)
        self._environment = Environment.of_this_process(self._encoder.device, num_threads)
        self._computed_by = {"dtype": model.compute_dtype, **asdict(self._environment)}
        value = pa.float16() if parameters.embedding_dtype == "float16" else pa.float32()
        self._type = pa.list_(value, self._encoder.dim)
        self._isolating = IsolatingEncoder(
            self._encode_batch, dim=self._encoder.dim, batch_size=self._encoder.batch_size
        )

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Encode the shard that is the batch's one row.

        Raises:
            JobError: This worker does not run the driver's versions, or is of another kind than
                what is reused, or several workers died over this shard. (An error of the
                constructor would reach the driver as text, without its type.)
        """
        self._environment.check_versions(self._driver)
        started = time.perf_counter()
        shard, tables = unpack(batch)
        windows = Windows.from_table(tables["windows"])
        read, known = tables["places"].num_rows, tables["known"]
        check_kind(known, kind_of_work(self._computed_by))
        text_of_row = tables["texts"]["text"].to_numpy()
        rows = rows_of(windows.document, text_of_row)
        truncated = int(rows[windows.tokens.truncated].sum())
        self._progress = ShardProgress(
            self._board, shard, windows=int(rows.sum()), truncated=truncated
        )
        self._rows_per_window = read / max(1, len(windows.tokens))
        vectors, failed = self._encode(shard, windows.tokens)
        refused = {int(windows.document[window]): why for window, why in failed.items()}
        reasons = of_rows(refused, text_of_row)
        pieces = self._pieces(tables, windows, vectors)
        kept = ~np.isin(pieces.document, list(reasons))
        embedded, texts = self._embedded(tables, pieces, kept)
        rejects = [tables["rejected"], rejects_table(tables["places"], reasons)]
        work = {
            "rows": read + tables["rejected"].num_rows,
            "embedded": read - len(reasons),
            "reused": int(np.isin(text_of_row, known["document"].to_numpy()).sum()),
            "unread": int((known.schema.metadata or {}).get(UNREAD, 0)),
            "windows": len(pieces.document),
            "tokens": len(windows.tokens.values),
            "damaged": count_damaged(tables["rejected"]),
            "truncated": int(pieces.truncated.sum()),
            "seconds": time.perf_counter() - started,
            "ended": time.time(),
            **tables["reading"].to_pylist()[0],
            **self._computed_by,
        }
        return pack(
            shard,
            {
                "embedded": embedded,
                "texts": texts,
                "rejected": pa.concat_tables(rejects),
                "work": pa.Table.from_pylist([work]),
            },
        )

    def _encode(self, shard: int, tokens: Tokens) -> tuple[np.ndarray, dict[int, str]]:
        import torch

        try:
            return self._isolating(tokens)
        except torch.AcceleratorError:
            # The device is unusable for this process from here on; Ray starts another.
            logger.exception("The device failed while shard %d was encoded", shard)
            os._exit(1)

    def _encode_batch(self, tokens: Tokens) -> np.ndarray:
        vectors = self._encoder.encode_tokens(tokens)
        self._progress.add(self._rows_per_window * len(tokens), len(tokens.values))
        return vectors

    def _pieces(self, tables: dict[str, pa.Table], windows: Windows, vectors: np.ndarray) -> Pieces:
        """Return the vectors of all rows, those that an older output holds among them."""
        pieces = Pieces.computed(windows, vectors)
        if self._parameters.mean_windows:
            pieces = mean_pieces(pieces, normalize=self._encoder.config.normalize)
        known = [each for each in tables["known"].to_batches() if len(each)]
        parts = [pieces, *map(Pieces.from_batch, known)]
        return Pieces.of_rows(parts, tables["texts"]["text"].to_numpy())

    def _embedded(
        self, tables: dict[str, pa.Table], pieces: Pieces, kept: np.ndarray
    ) -> tuple[pa.Table, pa.Table]:
        """Return the output's rows, and what is stored of their texts."""
        parameters = self._parameters
        rows, places = tables["rows"], tables["places"]
        if parameters.id_column is None:
            source = {name: places[name] for name in ("source_file", "source_row")}
            rows = pa.table({**dict(zip(rows.column_names, rows.columns, strict=True)), **source})
        row = pa.array(pieces.document[kept])
        if parameters.window_rows:
            table = window_rows(rows, pieces, kept, parameters.column)
        else:
            table = rows.take(row)
        embedded = table.append_column(
            pa.field(parameters.output_column, self._type, nullable=False),
            as_embeddings(pieces.vectors if kept.all() else pieces.vectors[kept], self._type),
        )
        hashes = tables["texts"][TEXT_HASH].take(row)
        return embedded, pa.table({TEXT_HASH: hashes, TRUNCATED: pieces.truncated[kept]})


def window_rows(
    rows: pa.Table, windows: Windows | Pieces, kept: np.ndarray, column: str
) -> pa.Table:
    """Return a row for each window, with its own characters as text and its document's values.

    Other texts and bytes come as dictionaries, which hold each value once: written out, they would
    grow with the square of a text's length.

    Args:
        rows: One row for each document.
        windows: The windows.
        kept: Bool of shape `(windows,)`: those to return.
        column: The column of texts, where it is carried.
    """
    document, span = windows.document[kept], windows.span[kept]
    table = {
        name: _cut(values, document, span) if name == column else _repeat(values, document)
        for name, values in zip(rows.column_names, rows.columns, strict=True)
    }
    places = {"window": windows.number[kept], "start": span[:, 0], "end": span[:, 1]}
    return pa.table({**table, **places})


def _cut(texts: pa.ChunkedArray, document: np.ndarray, span: np.ndarray) -> pa.Array:
    whole = texts.to_pylist()
    cut = [whole[row][start:end] for row, (start, end) in zip(document, span, strict=True)]
    return pa.array(cut, texts.type)


def _repeat(values: pa.ChunkedArray, document: np.ndarray) -> pa.ChunkedArray:
    if is_flat(values.type):
        values = values.dictionary_encode()
    elif pa.types.is_nested(values.type):
        _check_size(values, document)
    return values.take(pa.array(document)).unify_dictionaries()


def _check_size(values: pa.ChunkedArray, document: np.ndarray) -> None:
    """Refuse to repeat what neither Arrow nor Parquet can store once."""
    rows, counts = np.unique(document, return_counts=True)
    many = counts > 1
    sizes = [values.slice(int(row), 1).nbytes for row in rows[many]]
    size = int(np.dot(sizes, counts[many])) if sizes else 0
    if size > LARGEST_REPEATED:
        raise InputError(
            f"A column of {values.type} must be small where each window repeats it: leave it out "
            f"with --keep. Received: {size:,} bytes of it in one shard"
        )


def as_embeddings(vectors: np.ndarray, kind: pa.DataType) -> pa.FixedSizeListArray:
    """View float32 vectors of shape `(rows, dim)` as an Arrow column of fixed-size lists."""
    values = pa.array(vectors.reshape(-1).astype(kind.value_type.to_pandas_dtype(), copy=False))
    return pa.FixedSizeListArray.from_arrays(values, type=kind)


def mean_pieces(pieces: Pieces, *, normalize: bool) -> Pieces:
    """Average the windows of each text, which lie side by side; `normalize` is the model's."""
    texts, first, number = np.unique(pieces.document, return_index=True, return_inverse=True)
    vectors = mean_of_windows(pieces.vectors, number, len(texts))
    if normalize:
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return replace(pieces.take(first), document=texts, vectors=vectors)


def mean_of_windows(vectors: np.ndarray, document: np.ndarray, documents: int) -> np.ndarray:
    """Average the windows of each document.

    Args:
        vectors: Float32 of shape `(windows, dim)`.
        document: Sorted int64 of shape `(windows,)`, the document of each window.
        documents: Number of documents, each with one window at least.

    Returns:
        Float32 of shape `(documents, dim)`.
    """
    starts = np.searchsorted(document, np.arange(documents))
    sums = np.add.reduceat(vectors, starts) if documents else vectors
    return sums / np.bincount(document, minlength=documents)[:, None].astype(np.float32)
