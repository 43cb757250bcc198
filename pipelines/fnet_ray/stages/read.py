"""First stage: a shard's rows from its files; good ones are tokenized, bad ones get a reason."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fnet_ray.cluster.failures import first_line
from fnet_ray.corpus.arrow_types import as_plain, id_texts
from fnet_ray.corpus.damage import invalid_values, read_range
from fnet_ray.corpus.files import reading
from fnet_ray.corpus.partitions import with_partitions
from fnet_ray.corpus.readers.rows import REJECT, ROW
from fnet_ray.corpus.shards import RowRange, digest_of
from fnet_ray.options import Columns
from fnet_ray.output.rejects import PLACE, rejects_table, without
from fnet_ray.reuse.hashes import TEXT_HASH, hash_column, text_hashes
from fnet_ray.reuse.taking import Reuse
from fnet_ray.stages.guarded import guarded_tokenizer
from fnet_ray.stages.message import pack
from fnet_ray.stages.pieces import NO_PIECES, of_rows, unique_texts
from fnet_ray.stages.tokens import Windowing, count_lengths
from fnet_registry.encoding.config import LARGEST_TEXT
from fnet_registry.errors import InputError


def shard_request(shard: int, ranges: Sequence[RowRange]) -> dict[str, Any]:
    """Return the row that asks for a shard."""
    return {"shard": shard, "ranges": json.dumps([asdict(each) for each in ranges])}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadShard:
    """Reads and tokenizes one shard.

    Takes a row that `shard_request` made. Gives a row of `shard` and the tables `rows` (the
    carried columns of the good rows), `places` (where these come from), `texts` (the number of each
    one's text, as equal ones are tokenized once, and its hash), `windows` (the tokens of the
    texts), `known` (those whose vectors an older output holds instead) `rejected`,
    and `reading` (one row: what it took, and how long the texts are that were tokenized).
    """

    columns: Columns
    carried: pa.Schema
    reject_empty: bool
    windowing: Windowing
    tokenizer_proto: bytes
    reuse: Reuse | None = None

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Read the shard that the batch's one row names."""
        started = time.perf_counter()
        ranges = [RowRange(**each) for each in json.loads(batch["ranges"][0].as_py())]
        read = [(each, self._read(each)) for each in ranges]
        carried = [self._carry(each, raw) for each, raw in read]
        rows = pa.concat_tables(carried or [self.carried.empty_table()])
        places = pa.concat_tables([PLACE.empty_table(), *(self._places(r, raw) for r, raw in read)])

        invalid = self._invalid(rows)
        texts, unusable = self._texts([raw for _, raw in read], invalid)
        rejects = [rejects_table(places, unusable)]
        rows, places = without(rows, unusable), without(places, unusable)

        different, text_of_row = unique_texts(texts)
        hashes = text_hashes(different)
        known = self.reuse.take(hashes) if self.reuse else NO_PIECES.empty_table()
        new = np.setdiff1d(np.arange(len(different)), known["document"].to_numpy())

        tokenizer = guarded_tokenizer(self.tokenizer_proto)
        was_read = time.perf_counter()
        windows, refused = tokenizer.make_windows([different[i] for i in new], self.windowing)
        numbers = np.delete(new, list(refused))
        windows = replace(windows, document=numbers[windows.document])
        reasons = of_rows({int(new[i]): why for i, why in refused.items()}, text_of_row)
        took = {
            "ranges": digest_of(ranges),
            "read_seconds": was_read - started,
            "tokenize_seconds": time.perf_counter() - was_read,
        }
        rejects.append(rejects_table(places, reasons))
        rows, places = without(rows, reasons), without(places, reasons)
        text_of_row = np.delete(text_of_row, list(reasons))
        rows_of = np.bincount(text_of_row, minlength=len(different))[numbers]
        measured = took | {"lengths": count_lengths(np.repeat(windows.lengths, rows_of))}
        text_columns = {"text": text_of_row, TEXT_HASH: hash_column(hashes[text_of_row])}
        return pack(
            batch["shard"][0].as_py(),
            {
                "rows": rows,
                "places": places,
                "texts": pa.table(text_columns),
                "windows": windows.to_table(),
                "known": known,
                "rejected": pa.concat_tables(rejects),
                "reading": pa.Table.from_pylist([measured]),
            },
        )

    def _read(self, wanted: RowRange) -> pa.Table:
        places = {ROW} | ({self.columns.id} if self.columns.id else set())
        others = places | {REJECT, *self.carried.names}
        with reading(wanted.source):
            rows = read_range(wanted, self.columns.text, others, places=places)
        plain = pa.table({name: as_plain(rows[name]) for name in rows.column_names})
        return with_partitions(plain, wanted.source, self.carried)

    def _carry(self, read: RowRange, raw: pa.Table) -> pa.Table:
        """Return the carried columns; one that this file lacks is null."""
        columns = [
            _cast(raw[field.name], field, read.source)
            if field.name in raw.column_names
            else pa.nulls(raw.num_rows, field.type)
            for field in self.carried
        ]
        return pa.table(columns, schema=self.carried) if columns else raw.select([])

    def _places(self, read: RowRange, raw: pa.Table) -> pa.Table:
        numbers = pa.array(range(read.start, read.start + raw.num_rows), pa.int64())
        if ROW in raw.column_names:
            numbers = pc.call_function("coalesce", [raw[ROW], numbers])
        sources = pa.repeat(pa.scalar(read.source), raw.num_rows)
        return pa.table([self._ids(raw), sources, numbers], schema=PLACE)

    def _ids(self, raw: pa.Table) -> pa.Array | pa.ChunkedArray:
        if self.columns.id not in raw.column_names:
            return pa.nulls(raw.num_rows, pa.string())
        ids = id_texts(raw[self.columns.id])
        invalid = invalid_values(ids)
        if not invalid:
            return ids
        kept = np.ones(len(ids), dtype=bool)
        kept[invalid] = False
        return pc.call_function("if_else", [pa.array(kept), ids, pa.scalar(None, ids.type)])

    def _invalid(self, rows: pa.Table) -> dict[int, str]:
        """Return the rows with a value that no reader of the output could read, with why."""
        return {
            row: f"the column {name!r} holds no valid {rows[name].type}"
            for name in rows.column_names
            if name != self.columns.text
            for row in invalid_values(rows[name])
        }

    def _texts(
        self, tables: list[pa.Table], invalid: Mapping[int, str]
    ) -> tuple[list[str], dict[int, str]]:
        """Return the usable texts, and the reasons of the other rows by their index."""
        texts = chain.from_iterable(decode_texts(table[self.columns.text]) for table in tables)
        known = chain.from_iterable(
            table[REJECT].to_pylist() if REJECT in table.column_names else [None] * table.num_rows
            for table in tables
        )
        usable: list[str] = []
        reasons: dict[int, str] = {}
        for row, (text, reason) in enumerate(zip(texts, known, strict=True)):
            why = reason or invalid.get(row) or self._why_refused(text)
            if isinstance(text, str) and why is None:
                usable.append(text)
            else:
                reasons[row] = str(why)
        return usable, reasons

    def _why_refused(self, text: str | bytes | None) -> str | None:
        if text is None:
            return "null"
        if isinstance(text, bytes):
            return "not UTF-8"
        if not text and self.reject_empty:
            return "empty"
        return "larger than 64 MiB" if _is_too_large(text) else None


def _cast(column: pa.ChunkedArray, field: pa.Field, source: str) -> pa.ChunkedArray:
    try:
        return column.cast(field.type)
    except pa.ArrowException as error:
        raise InputError(
            f"The column {field.name!r} must fit the type that all inputs share, {field.type}, or "
            f"be left out with --keep. Received: {column.type} in {source} ({first_line(error)})"
        ) from error


def _is_too_large(text: str) -> bool:
    return len(text) > LARGEST_TEXT // 4 and len(text.encode()) > LARGEST_TEXT


def decode_texts(column: pa.ChunkedArray) -> list[str | bytes | None]:
    """Return the texts; one that is not UTF-8, which Parquet does not check, stays bytes."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return [_decode_one(value) for value in pc.cast(column, pa.binary()).to_pylist()]
    return column.to_pylist()


def _decode_one(value: bytes | None) -> str | bytes | None:
    try:
        return value if value is None else value.decode()
    except UnicodeDecodeError:
        return value
