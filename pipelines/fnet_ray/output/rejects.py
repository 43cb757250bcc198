"""Rows that cannot be embedded: where they are and why, in a table of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import pyarrow as pa

from fnet_registry.errors import JobError, RejectsError

PLACE = pa.schema([("id", pa.string()), ("source_file", pa.string()), ("source_row", pa.int64())])
"""Where a row comes from: its id (null without an id column), its file, its number there."""

DAMAGED = "damaged"
"""What the reason of a row begins with that a file's damage took."""

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


def count_damaged(rejects: pa.Table) -> int:
    """Return how many of some rejects a file's damage took."""
    return sum(reason.startswith(DAMAGED) for reason in rejects["reason"].to_pylist())


def without(table: pa.Table, rows: Mapping[int, str]) -> pa.Table:
    """Return a table without some of its rows, given by index."""
    if not rows:
        return table
    keep = [row for row in range(table.num_rows) if row not in rows]
    return table.take(pa.array(keep, pa.int64()))


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectLimit:
    """How many rejects a job bears."""

    text: str
    """As its user wrote it."""
    rows: float | None
    share: float | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `N` rows or `P%` of all rows.

        Raises:
            JobError: It is neither.
        """
        number = text.removesuffix("%")
        if not number.replace(".", "", 1).isdigit():
            raise JobError(f"Rejects are limited by N or P%, such as 100 or 1%. Received: {text}")
        percent = text.endswith("%")
        return cls(
            text=text,
            rows=None if percent else float(number),
            share=float(number) / 100 if percent else None,
        )

    def check(self, rejects: int, rows: int) -> None:
        """Stop a job that goes wrong.

        Args:
            rejects: Rejects so far.
            rows: Rows of the whole job.

        Raises:
            RejectsError: There are more than allowed.
        """
        allowed = self.rows if self.share is None else self.share * rows
        if allowed is not None and rejects > allowed:
            raise RejectsError(
                f"At most {self.text} rows may be rejected; their reasons are in the output's "
                f"rejects. Received: {rejects} of {rows}"
            )
