"""The older output: what of it can be used."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fnet_ray.corpus.files import place_of
from fnet_ray.output.audit import audit
from fnet_ray.output.commits import Commit, DataFile
from fnet_ray.output.layout import EMBEDDINGS, TEXTS
from fnet_ray.output.manifest import TEXTS_FORMAT, Manifest
from fnet_ray.output.store import Store
from fnet_ray.output.stores import open_store
from fnet_ray.reuse.hashes import TEXT_HASH, hashes_of
from fnet_ray.reuse.kind import Kind, difference, kind_of_work
from fnet_ray.reuse.known import SHARD_BITS, KnownTexts
from fnet_registry.errors import OutputError

logger = logging.getLogger(__name__)

THREADS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredShard:
    """A shard of an output, with its vectors and the hashes of their texts.

    Args:
        number: Its number.
        vectors: The data file with its vectors.
        texts: The data file with the hashes, a row for each of the other's.
        kind: What computed it.
    """

    number: int
    vectors: DataFile
    texts: DataFile
    kind: Kind

    @classmethod
    def of(cls, commit: Commit) -> StoredShard | None:
        """Return a committed shard, or None for one that has no vectors or no hashes."""
        files = {file.name.rpartition("/")[0]: file for file in commit.files}
        if TEXTS not in files or files[TEXTS].rows != files[EMBEDDINGS].rows:
            return None
        return cls(
            number=commit.shard,
            vectors=files[EMBEDDINGS],
            texts=files[TEXTS],
            kind=kind_of_work(commit.work),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OlderOutput:
    """An output whose vectors may be used again."""

    store: Store
    manifest: Manifest
    shards: Sequence[StoredShard]

    def computed_by(self, kind: Kind) -> OlderOutput:
        """Return the shards that workers of a kind computed, and say why others are not used."""
        unlike = [why for shard in self.shards if (why := difference(shard.kind, kind))]
        if unlike:
            logger.warning(
                "%d of %d shards of %s are not reused: %s",
                len(unlike),
                len(self.shards),
                self.store.url,
                unlike[0],
            )
        kept = [shard for shard in self.shards if difference(shard.kind, kind) is None]
        return OlderOutput(store=self.store, manifest=self.manifest, shards=kept)

    def only(self, shard: StoredShard) -> OlderOutput:
        """Return the output as if one shard were all of it."""
        return OlderOutput(store=self.store, manifest=self.manifest, shards=[shard])

    def hashes(self) -> Iterator[tuple[StoredShard, np.ndarray]]:
        """Yield each shard with the hashes of its texts: uint64 of shape `(rows, 2)`."""
        read = partial(_read_hashes, self.store)
        with ThreadPoolExecutor(THREADS) as threads:
            for shard, hashes in zip(self.shards, threads.map(read, self.shards), strict=True):
                if hashes is not None:
                    yield shard, hashes

    def known_texts(self) -> KnownTexts:
        """Sort all texts by their hashes, in one pass."""
        found, places = [np.empty((0, 2), np.uint64)], [np.empty(0, np.int64)]
        for shard, hashes in self.hashes():
            found.append(hashes)
            places.append((shard.number << SHARD_BITS) + np.arange(len(hashes)))
        whole = np.concatenate(found), np.concatenate(places)
        del found, places  # to sort takes memory enough
        return KnownTexts.of(*whole)


def open_older(url: str | os.PathLike[str], new: Store | None) -> OlderOutput:
    """Open an output to reuse in a new one.

    Raises:
        OutputError: It cannot be used, or is the new one itself.
    """
    store = open_store(url)
    if new and place_of(store.url) == place_of(new.url):
        raise OutputError(
            "The output to reuse must be another folder than the new one, whose own vectors are "
            f"kept in any case. Received: {store.url}"
        )
    manifest = Manifest.read(store)
    if manifest is None:
        raise OutputError(f"Expected the output of fnet embed to reuse. Received: {store.url}")
    if manifest.format_version < TEXTS_FORMAT:
        raise OutputError(
            "An output to reuse must hold hashes of its texts and what computed its vectors, as "
            f"outputs of format {TEXTS_FORMAT} do: embed it anew once. "
            f"Received: {store.url}, of format {manifest.format_version}"
        )
    return OlderOutput(store=store, manifest=manifest, shards=stored_shards(store, manifest))


def stored_shards(store: Store, manifest: Manifest) -> list[StoredShard]:
    """Return the shards of an output that are done and whole."""
    shards = []
    for finding in audit(store, manifest):
        if finding.damage is not None or finding.commit is None:
            logger.warning(
                "Shard %d of %s is left out: %s", finding.shard, store.url, finding.damage
            )
        elif shard := StoredShard.of(finding.commit):
            shards.append(shard)
    return shards


def read_verified(store: Store, file: DataFile, columns: Sequence[str]) -> pa.Table:
    """Read columns of a data file, after comparing its bytes with what was committed.

    Raises:
        OutputError: It holds other bytes, or cannot be reached.
        FileNotFoundError: It is gone.
    """
    data = store.read(file.name)
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise OutputError(
            "A file of an older output must hold the bytes that were committed. "
            f"Received: {store.path(file.name)}"
        )
    return pq.ParquetFile(pa.BufferReader(data)).read(columns=list(columns), use_threads=False)


def _read_hashes(store: Store, shard: StoredShard) -> np.ndarray | None:
    try:
        return hashes_of(read_verified(store, shard.texts, [TEXT_HASH])[TEXT_HASH])
    except (OutputError, FileNotFoundError, KeyError, pa.ArrowException) as error:
        logger.warning("Shard %d of %s is not reused: %s", shard.number, store.url, error)
        return None
