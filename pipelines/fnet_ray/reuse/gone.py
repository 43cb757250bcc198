"""What went away: the rows of an older output that a new one lacks."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fnet_ray.corpus.arrow_types import id_texts
from fnet_ray.corpus.files import reading
from fnet_ray.corpus.parquet import open_parquet
from fnet_ray.output.layout import GONE
from fnet_ray.output.manifest import TEXTS_FORMAT, Manifest
from fnet_ray.output.rejects import PLACE
from fnet_ray.output.store import Store
from fnet_ray.reuse.hashes import text_hashes
from fnet_ray.reuse.known import KnownTexts
from fnet_ray.reuse.older import OlderOutput, StoredShard, stored_shards
from fnet_registry.errors import InputError, OutputError

logger = logging.getLogger(__name__)

NO_ID = 0
"""In the place of the hash of an id: no id has that one."""


def write_gone(older: OlderOutput, store: Store, manifest: Manifest) -> int | None:
    """Write which rows of an older output a new one, which is complete, lacks.

    Rows are told by their ids where both outputs have them, else by their texts.

    Returns:
        How many went away; None where the new output holds no hashes, as an earlier release began
        it.

    Raises:
        InputError: A file of the new output cannot be read, or lacks a column.
        OutputError: The new one has become incomplete.
    """
    if manifest.format_version < TEXTS_FORMAT:
        logger.warning("What went away is not listed for an output that an older release began")
        return None
    new = OlderOutput(store=store, manifest=manifest, shards=stored_shards(store, manifest))
    by_id = bool(manifest.parameters.id_column and older.manifest.parameters.id_column)
    parts = [hashes for _, hashes in (_ids(new) if by_id else new.hashes())]
    if len(parts) < len(new.shards):
        raise OutputError(f"The output must hold all its shards. Received: {store.url}, damaged")
    here = np.concatenate([np.empty((0, 2), np.uint64), *parts])
    kept = KnownTexts.of(here, np.zeros(len(here), np.int64))
    count = 0
    with store.create(GONE) as file, pq.ParquetWriter(file, PLACE) as writer:
        for shard in older.shards:
            try:
                gone = _gone(older.only(shard), kept, by_id=by_id)
            except InputError as error:  # all rows of the new output are there, whatever happens
                logger.warning(
                    "What went away from shard %d is not listed: %s", shard.number, error
                )
                continue
            writer.write_table(gone)
            count += len(gone)
    return count


def _gone(older: OlderOutput, kept: KnownTexts, *, by_id: bool) -> pa.Table:
    """Return which rows of an output of one shard are not kept."""
    parts = [
        _places(older, shard, np.flatnonzero(kept.find(hashes) < 0))
        for shard, hashes in (_ids(older) if by_id else older.hashes())
    ]
    return pa.concat_tables([PLACE.empty_table(), *parts])


def _ids(output: OlderOutput) -> Iterator[tuple[StoredShard, np.ndarray]]:
    column = str(output.manifest.parameters.id_column)
    for shard in output.shards:
        ids = id_texts(_read(output, shard, [column])[column])
        hashes = text_hashes(ids.fill_null("").to_pylist()).copy()
        hashes[ids.is_null().to_numpy()] = NO_ID
        yield shard, hashes


def _places(output: OlderOutput, shard: StoredShard, rows: np.ndarray) -> pa.Table:
    """Return where rows of a shard came from, each once, whatever windows it has."""
    parameters = output.manifest.parameters
    names = [parameters.id_column] if parameters.id_column else PLACE.names[1:]
    windows = ["window"] if parameters.window_rows else []
    table = _read(output, shard, [*names, *windows]).take(rows)
    if windows:
        table = table.filter(pc.call_function("equal", [table["window"], pa.scalar(0)]))
    columns = {name: pa.nulls(len(table), PLACE.field(name).type) for name in PLACE.names}
    found = {name: table[name] for name in PLACE.names[1:] if name in names}
    if parameters.id_column:
        found = {"id": id_texts(table[parameters.id_column])}
    places = pa.table(columns | found).cast(PLACE)
    # A row without an id cannot be told from another one.
    return places.filter(pc.field("id").is_valid()) if parameters.id_column else places


def _read(output: OlderOutput, shard: StoredShard, columns: list[str]) -> pa.Table:
    path = output.store.path(shard.vectors.name)
    with reading(path), open_parquet(path) as file:
        missing = set(columns) - set(file.schema_arrow.names)
        if missing:
            raise InputError(
                "A file of an output must have the columns that its manifest names, such as "
                f"{min(missing)}. Received: {path}"
            )
        return file.read(columns=columns)
