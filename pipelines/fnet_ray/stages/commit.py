"""Third stage: a shard's tables to files, all visible or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from fnet_ray.markers import EMBEDDINGS, REJECTS, Marker, commit_shard
from fnet_ray.stages.message import unpack
from fnet_ray.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitShard:
    """Writes and commits one shard. Takes what `EncodeShard` gives, gives a row of `marker`."""

    store: Store
    metadata: Mapping[str, str]
    """What every data file says of itself: model, digest, encoding, run."""

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Commit the shard that is the batch's one row."""
        shard, tables = unpack(batch)
        work = tables["work"].to_pylist()[0]
        rejects = tables["rejects"]
        assert work["embedded"] + rejects.num_rows == work["rows"], (shard, work)
        files = {EMBEDDINGS: self._file(shard, tables["embeddings"])}
        if rejects.num_rows:
            files[REJECTS] = self._file(shard, rejects)
        marker = commit_shard(
            self.store,
            shard,
            rows=work.pop("rows"),
            rejects=rejects.num_rows,
            files=files,
            work=work,
        )
        return marker_to_batch(marker)

    def _file(self, shard: int, table: pa.Table) -> tuple[bytes, int]:
        metadata = {**(table.schema.metadata or {}), **self.metadata, "fnet.shard": str(shard)}
        return to_parquet(table.replace_schema_metadata(metadata)), table.num_rows


def to_parquet(table: pa.Table) -> bytes:
    """Write a table as Parquet.

    Vectors neither repeat nor compress: without dictionary and compression they are written
    twice as fast and read without being copied.
    """
    plain = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=max(1, table.num_rows),
        use_dictionary=plain,  # pyright: ignore[reportArgumentType]
        compression=dict.fromkeys(plain, "zstd"),  # pyright: ignore[reportArgumentType]
    )
    return sink.getvalue().to_pybytes()


def marker_to_batch(marker: Marker) -> pa.Table:
    """Return the small row that tells the driver that a shard is done."""
    return pa.table({"marker": [marker.to_json().decode()]})
