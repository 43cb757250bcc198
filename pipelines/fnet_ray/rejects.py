"""Rows that cannot be embedded: where they are and why, in a table of their own."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

PLACE = pa.schema([("id", pa.string()), ("source_file", pa.string()), ("source_row", pa.int64())])
"""Where a row comes from: its id (null without an id column), its file, its number there."""

REJECTS = PLACE.append(pa.field("reason", pa.string()))


def rejects_table(places: pa.Table, reasons: Mapping[int, str]) -> pa.Table:
    """Return the rejects among some rows.

    Args:
        places: Where every row comes from, of schema `PLACE`.
        reasons: A row's index → why it is rejected.
    """
    rows = sorted(reasons)
    chosen = places.take(pa.array(rows, pa.int64()))
    why = pa.array([reasons[row] for row in rows], pa.string())
    return chosen.append_column("reason", why).cast(REJECTS)


def without(table: pa.Table, rows: Mapping[int, str]) -> pa.Table:
    """Return a table without some of its rows, given by index."""
    if not rows:
        return table
    keep = [row for row in range(table.num_rows) if row not in rows]
    return table.take(pa.array(keep, pa.int64()))
