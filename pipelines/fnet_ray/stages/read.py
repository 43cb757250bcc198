"""First stage: a shard's rows from its files; good ones are tokenized, bad ones get a reason."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fnet_ray.corpus.arrow_types import as_plain
from fnet_ray.corpus.damage import invalid_values, read_piece
from fnet_ray.corpus.files import reading
from fnet_ray.corpus.ids import id_texts
from fnet_ray.corpus.partitions import with_partitions
from fnet_ray.corpus.readers.rows import REJECT, ROW
from fnet_ray.corpus.shards import Piece
from fnet_ray.output.rejects import PLACE, rejects_table, without
from fnet_ray.stages.guarded import guarded_tokenizer
from fnet_ray.stages.message import pack
from fnet_ray.stages.tokens import Windowing
from fnet_registry.errors import InputError

LARGEST_TEXT = 64 << 20  # bytes; the tokenizer's own limit


def shard_request(shard: int, pieces: Sequence[Piece]) -> dict[str, Any]:
    """Return the row that asks for a shard."""
    return {"shard": shard, "pieces": json.dumps([asdict(piece) for piece in pieces])}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadShard:
    """Reads and tokenizes one shard.

    Takes a row that `shard_request` made. Gives a row of `shard` and the tables `rows` (the
    carried columns of the good rows), `places` (where these come from), `windows` (their tokens)
    and `rejects`.
    """

    column: str
    id_column: str | None
    carried: pa.Schema
    reject_empty: bool
    windowing: Windowing
    tokenizer_proto: bytes

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Read the shard that the batch's one row names."""
        pieces = [Piece(**piece) for piece in json.loads(batch["pieces"][0].as_py())]
        read = [(piece, self._read(piece)) for piece in pieces]
        rows = pa.concat_tables([self._carry(p, raw) for p, raw in read] or [self._no_rows()])
        places = pa.concat_tables([PLACE.empty_table(), *(self._places(p, raw) for p, raw in read)])

        invalid = self._invalid(rows)
        texts, unusable = self._texts([raw for _, raw in read], invalid)
        rejects = [rejects_table(places, unusable)]
        rows, places = without(rows, unusable), without(places, unusable)

        tokenizer = guarded_tokenizer(self.tokenizer_proto)
        windows, reasons = tokenizer.make_windows(texts, self.windowing)
        rejects.append(rejects_table(places, reasons))
        rows, places = without(rows, reasons), without(places, reasons)
        return pack(
            batch["shard"][0].as_py(),
            {
                "rows": rows,
                "places": places,
                "windows": windows.to_table(),
                "rejects": pa.concat_tables(rejects),
            },
        )

    def _read(self, piece: Piece) -> pa.Table:
        places = {ROW} | ({self.id_column} if self.id_column else set())
        others = places | {REJECT, *self.carried.names}
        with reading(piece.source):
            rows = read_piece(piece, self.column, others, places=places)
        plain = pa.table({name: as_plain(rows[name]) for name in rows.column_names})
        return with_partitions(plain, piece.source, self.carried)

    def _carry(self, piece: Piece, raw: pa.Table) -> pa.Table:
        """Return the carried columns; one that this file lacks is null."""
        columns = [
            _cast(raw[field.name], field, piece)
            if field.name in raw.column_names
            else pa.nulls(raw.num_rows, field.type)
            for field in self.carried
        ]
        return pa.table(columns, schema=self.carried) if columns else raw.select([])

    def _no_rows(self) -> pa.Table:
        return self.carried.empty_table()

    def _places(self, piece: Piece, raw: pa.Table) -> pa.Table:
        count = raw.num_rows
        numbers = pa.array(range(piece.start, piece.start + count), pa.int64())
        if ROW in raw.column_names:
            numbers = pc.call_function("coalesce", [raw[ROW], numbers])
        columns = [
            self._ids(raw),
            pa.repeat(pa.scalar(piece.source), count),
            numbers,
        ]
        return pa.table(columns, schema=PLACE)

    def _ids(self, raw: pa.Table) -> pa.Array | pa.ChunkedArray:
        if self.id_column not in raw.column_names:
            return pa.nulls(raw.num_rows, pa.string())
        ids = id_texts(raw[self.id_column])
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
            if name != self.column
            for row in invalid_values(rows[name])
        }

    def _texts(
        self, tables: list[pa.Table], invalid: Mapping[int, str]
    ) -> tuple[list[str], dict[int, str]]:
        """Return the usable texts, and the reasons of the other rows by their index."""
        texts: list[str] = []
        reasons: dict[int, str] = {}
        row = 0
        for table in tables:
            known = [None] * table.num_rows
            if REJECT in table.column_names:
                known = table[REJECT].to_pylist()
            for text, reason in zip(decode_texts(table[self.column]), known, strict=True):
                if reason is not None:
                    reasons[row] = reason
                elif row in invalid:
                    reasons[row] = invalid[row]
                elif isinstance(text, str) and not self._is_refused(text):
                    texts.append(text)
                else:
                    reasons[row] = _why_refused(text)
                row += 1
        return texts, reasons

    def _is_refused(self, text: str) -> bool:
        return (self.reject_empty and not text) or _is_too_large(text)


def _cast(column: pa.ChunkedArray, field: pa.Field, piece: Piece) -> pa.ChunkedArray:
    try:
        return column.cast(field.type)
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"The column {field.name!r} must fit the type that all inputs share, {field.type}, or "
            f"be left out with --keep. Received: {column.type} in {piece.source} ({reason})"
        ) from error


def _why_refused(text: str | bytes | None) -> str:
    if text is None:
        return "null"
    if isinstance(text, bytes):
        return "not UTF-8"
    return "larger than 64 MiB" if text else "empty"


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
