"""Third stage: a shard's tables to files, all visible or none."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Set
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from fnet_ray.output.commits import commit_shard
from fnet_ray.output.layout import EMBEDDINGS, REJECTS, TEXTS
from fnet_ray.output.store import Store
from fnet_ray.stages.message import unpack
from fnet_registry.errors import JobError

_USUAL_DICTIONARY = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitShard:
    """Writes and commits one shard. Takes what `EncodeShard` gives, gives a row of `commit`.

    Every data file says `metadata` of itself, and its columns `places`, which tell where a row
    comes from, are plain texts to its readers. `with_texts` says whether hashes of the texts are
    stored.
    """

    store: Store
    carried: pa.Schema
    places: Set[str]
    metadata: Mapping[str, str]
    with_texts: bool = False

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Commit the shard that is the batch's one row."""
        started = time.perf_counter()
        shard, tables = unpack(batch)
        work = tables["work"].to_pylist()[0]
        rejects = tables["rejected"]
        if work["embedded"] + rejects.num_rows != work["rows"]:
            raise JobError(
                f"Every row of shard {shard} must be embedded or rejected. Received: "
                f"{work['rows']} rows, {work['embedded']} embedded, {rejects.num_rows} rejected"
            )
        files = {EMBEDDINGS: self._file(shard, tables["embedded"])}
        if rejects.num_rows:
            files[REJECTS] = self._file(shard, rejects)
        if self.with_texts and tables["texts"].num_rows:
            files[TEXTS] = self._file(shard, tables["texts"])
        commit = commit_shard(
            self.store,
            shard,
            rows=work.pop("rows"),
            rejects=rejects.num_rows,
            files=files,
            work=work,
            started=started,
        )
        return pa.table({"commit": [commit.to_json().decode()]})

    def _file(self, shard: int, table: pa.Table) -> tuple[memoryview, int]:
        metadata = {**(table.schema.metadata or {}), **self.metadata, "fnet.shard": str(shard)}
        fields = [self._as_read(field) for field in table.schema]
        return to_parquet(table, pa.schema(fields, metadata)), table.num_rows

    def _as_read(self, field: pa.Field) -> pa.Field:
        if field.name not in self.places or not pa.types.is_dictionary(field.type):
            return field
        carried = field.name in self.carried.names
        kind = self.carried.field(field.name).type if carried else field.type.value_type
        return field.with_type(kind)


def to_parquet(table: pa.Table, schema: pa.Schema) -> memoryview:
    """Write a table as Parquet.

    Vectors neither repeat nor compress: without dictionary and compression they are written
    twice as fast and read without being copied.

    Texts that repeat may be dictionaries, which are stored as such; `schema` is what a reader of
    the file is to see: there, some of them are plain texts.
    """
    plain = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        table.schema,
        store_schema=False,
        use_dictionary=plain,  # pyright: ignore[reportArgumentType]
        compression=dict.fromkeys(plain, "zstd"),  # pyright: ignore[reportArgumentType]
        dictionary_pagesize_limit=_dictionary_limit(table),
    ) as writer:
        writer.write_table(table, row_group_size=max(1, table.num_rows))
        # Where Arrow's readers look for a file's types.
        stored = base64.b64encode(schema.serialize().to_pybytes())
        writer.add_key_value_metadata({**(schema.metadata or {}), "ARROW:schema": stored})
    return memoryview(sink.getvalue())


def _dictionary_limit(table: pa.Table) -> int:
    """Return the bytes up to which Parquet is to keep a dictionary, rather than write it out."""
    dictionaries = [c for c in table.columns if pa.types.is_dictionary(c.type)]
    sizes = [chunk.dictionary.nbytes for column in dictionaries for chunk in column.chunks]
    return max([_USUAL_DICTIONARY, *(2 * size for size in sizes)])
