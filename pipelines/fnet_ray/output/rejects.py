"""Rows that cannot be embedded: where they are and why, in a table of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyarrow as pa

from fnet_registry.errors import JobError, RejectsError
from fnet_registry.shown import shown

PLACE = pa.schema([("id", pa.string()), ("source_file", pa.string()), ("source_row", pa.int64())])
"""Where a row comes from: its id (null without an id column), its file, its number there."""

DAMAGED = "damaged"
"""What the reason of a row begins with that a file's damage took."""

REJECTS = PLACE.append(pa.field("reason", pa.string()))


def rejects_table(places: pa.Table, reasons: Mapping[int, str]) -> pa.Table:
    """Return the rejects among rows at `places`, from a row's index → why it is rejected."""
    rows = sorted(reasons)
    chosen = places.take(pa.array(rows, pa.int64()))
    why = pa.array([reasons[row] for row in rows], pa.string())
    return chosen.append_column("reason", why).cast(REJECTS)


def count_damaged(rejects: pa.Table) -> int:
    """Return how many of some rejects a file's damage took."""
    return sum(reason.startswith(DAMAGED) for reason in rejects["reason"].to_pylist())


def without(table: pa.Table, rows: Mapping[int, str]) -> pa.Table:
    """Return a table without some of its rows, given by index."""
    if not rows:
        return table
    keep = [row for row in range(table.num_rows) if row not in rows]
    return table.take(pa.array(keep, pa.int64()))


class RejectLimit:
    """How many rows a job may reject.

    Args:
        text: `N` rows or `P%` of all rows.

    Raises:
        JobError: It is neither.
    """

    def __init__(self, text: str | int) -> None:
        self._text = str(text)
        number = self._text.removesuffix("%")
        if not re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", number):
            raise JobError(
                f"Rejects are limited by N or P%, such as 100 or 1%. Received: {shown(text)}"
            )
        self._number = float(number)

    def check(self, rejects: int, rows: int) -> None:
        """Stop a job of so many rows that goes wrong.

        Raises:
            RejectsError: There are more rejects than allowed.
        """
        if rejects > (self._number * rows / 100 if self._text.endswith("%") else self._number):
            raise RejectsError(
                f"At most {self._text} of the rows may be rejected; their reasons are in the "
                f"output's rejects. Received: {rejects} of {rows}"
            )
