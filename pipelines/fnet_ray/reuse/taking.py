"""What a worker takes from an older output: the vectors of the texts that it finds there."""

from __future__ import annotations

import json
import logging
import pickle
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from fnet_ray.cluster.pool import ActorPool
from fnet_ray.model import SharedModel
from fnet_ray.nearest.stored import as_array
from fnet_ray.options import Parameters
from fnet_ray.output.store import Store
from fnet_ray.reuse.hashes import TRUNCATED
from fnet_ray.reuse.kind import Kind, difference, kind_of_output, kinds_of_workers
from fnet_ray.reuse.known import SHARD_BITS
from fnet_ray.reuse.older import OlderOutput, StoredShard, read_verified
from fnet_ray.stages.pieces import NO_PIECES, Pieces, runs
from fnet_registry.errors import FNetError, JobError

logger = logging.getLogger(__name__)

UNREAD, KIND = b"unread", b"kind"
"""Where a table says how many texts were known and could not be read, and what computed the others.
"""

WINDOW = ["window", "start", "end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """An older output, as workers see it. Small: what is known of it stays in Ray's object store.

    Args:
        store: The output.
        column: Its column of vectors.
        window_rows: Whether it has a row for each window.
        dim: The length of its vectors.
        kind: What computed them.
        index: `ray.ObjectRef` of `KnownTexts` and of its shards by number, which all workers of a
            node share. Each shard is pickled by itself: a task needs few of them.
    """

    store: Store
    column: str
    window_rows: bool
    dim: int
    kind: Kind
    index: Any

    def take(self, hashes: np.ndarray) -> pa.Table:
        """Return the pieces of the texts that are known; what cannot be read is not known.

        Args:
            hashes: Uint64 of shape `(texts, 2)`; the pieces number the texts in this order.
        """
        import ray

        known, shards = ray.get(self.index)
        places = known.find(hashes)
        numbers = np.where(places < 0, -1, places >> SHARD_BITS)
        taken = [
            self._take(pickle.loads(shards[number]), texts, places[texts] & (2**SHARD_BITS - 1))
            for number in np.unique(numbers[numbers >= 0]).tolist()
            for texts in [np.flatnonzero(numbers == number)]
        ]
        found = pa.concat_tables(list(filter(None, taken)) or [NO_PIECES.empty_table()])
        unread = np.setdiff1d(np.flatnonzero(places >= 0), found["document"].to_numpy())
        return found.replace_schema_metadata(
            {UNREAD: str(len(unread)), KIND: json.dumps(dict(self.kind))}
        )

    def _take(self, shard: StoredShard, texts: np.ndarray, rows: np.ndarray) -> pa.Table | None:
        """Return the pieces of texts that begin at rows of a shard, or None where it is damaged."""
        columns = [self.column, *(WINDOW if self.window_rows else [])]
        try:
            table = read_verified(self.store, shard.vectors, columns)
            truncated = read_verified(self.store, shard.texts, [TRUNCATED])[TRUNCATED].to_numpy()
            vectors = as_array(table, self.column, self.dim)
        except (FNetError, FileNotFoundError, pa.ArrowException):
            return None
        counts = np.ones(len(rows), dtype=np.int64)
        number, span = np.zeros(len(table), np.int32), np.zeros((len(table), 2), np.int64)
        if self.window_rows:
            number, *ends = (table[name].to_numpy() for name in WINDOW)
            span = np.stack(ends, axis=1)
            first = np.append(np.flatnonzero(number == 0), len(number))
            counts = first[np.searchsorted(first, rows) + 1] - rows
        pieces = Pieces(
            document=np.arange(len(table)),
            number=number,
            span=span,
            truncated=truncated,
            vectors=vectors,
        ).take(runs(rows, counts))
        return replace(pieces, document=np.repeat(texts, counts)).to_table()


def check_kind(known: pa.Table, kind: Kind) -> None:
    """Refuse vectors from `Reuse.take` of another kind than a worker's, which records its own.

    Raises:
        JobError: There are such vectors: this worker is on a node that joined after the start.
    """
    stored = (known.schema.metadata or {}).get(KIND)
    why = known.num_rows and stored and difference(json.loads(stored), kind)
    if why:
        raise JobError(
            "With --reuse, all nodes must be of the kind that was there at the start: the same "
            f"command goes on once others are gone. Received: a node on which {why}"
        )


def share_older(
    older: OlderOutput | None,
    *,
    digest: str,
    asked: Parameters,
    model: SharedModel,
    pool: ActorPool,
) -> Reuse | None:
    """Put what is known of an older output where all workers see it.

    Args:
        older: The older output, if there is one.
        digest: The model's.
        asked: The options of the new output.
        model: The model, as the workers see it.
        pool: The workers.

    Returns:
        None where there is none; and where the new vectors would not be equal to the last bit,
        which a warning then says.
    """
    if older is None:
        return None
    import ray

    before = older.manifest
    kinds = kinds_of_workers(pool, model.compute_dtype)
    why = difference(
        kind_of_output(before.digest, before.parameters), kind_of_output(digest, asked)
    )
    if len(kinds) != 1:
        why = "the nodes of this cluster are of different kinds"
    if why:
        logger.warning("Nothing of %s is reused: %s", older.store.url, why)
        return None
    older = older.computed_by(kinds[0])
    return Reuse(
        store=older.store,
        column=before.parameters.output_column,
        window_rows=before.parameters.window_rows,
        dim=model.checkpoint.dim,
        kind=kinds[0],
        index=ray.put((older.known_texts(), {s.number: pickle.dumps(s) for s in older.shards})),
    )
