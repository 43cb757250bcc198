"""Why rows were rejected: reasons that are alike, put together, with some rows of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from fnet_ray.corpus.files import reading
from fnet_ray.corpus.parquet import open_parquet
from fnet_ray.output.store import Store

_SAMPLES = 3
_MOST_REASONS = 100
_NUMBER = re.compile(r"\d[\d,.]*")


@dataclass(slots=True, kw_only=True)
class RejectedRows:
    """Rows that were rejected for like reasons.

    Args:
        reason: The reason; `N` stands for numbers that differ.
        rows: How many rows.
        samples: Some of them: where they come from, and the reason of each.
    """

    reason: str
    rows: int = 0
    samples: list[tuple[str, str]] = field(default_factory=list)


OTHER_REASONS = "other reasons"


def read_rejects(store: Store, names: Sequence[str]) -> list[RejectedRows]:
    """Put an output's rejects together by reason, the most frequent first.

    Args:
        store: The output.
        names: The files of its rejects.
    """
    found: dict[str, RejectedRows] = {}
    for name in names:
        for reason, count, places in _counted(_read(store, name)):
            key = _NUMBER.sub("N", reason)
            if key not in found and len(found) >= _MOST_REASONS:
                key = OTHER_REASONS
            group = found.setdefault(key, RejectedRows(reason=reason))
            if group.reason != reason:
                group.reason = key
            group.rows += count
            room = _SAMPLES - len(group.samples)
            group.samples += [(place, reason) for place in places[: max(0, room)]]
    return sorted(found.values(), key=lambda group: -group.rows)


def _read(store: Store, name: str) -> pa.Table:
    with reading(store.path(name)), open_parquet(store.path(name)) as file:
        return file.read(columns=["id", "source_file", "source_row", "reason"])


def _counted(rejects: pa.Table) -> Iterator[tuple[str, int, list[str]]]:
    """Yield each reason, how many rows have it, and where some of them come from."""
    counts = {
        each["values"]: each["counts"] for each in rejects["reason"].value_counts().to_pylist()
    }
    places: dict[str, list[str]] = {reason: [] for reason in counts}
    for row, reason in enumerate(rejects["reason"].to_pylist()):
        if len(places[reason]) < _SAMPLES:
            places[reason].append(place_of(rejects.slice(row, 1).to_pylist()[0]))
    for reason, count in counts.items():
        yield reason, count, places[reason]


def place_of(row: dict) -> str:
    """Say where a row comes from."""
    if row.get("id") is not None:
        return str(row["id"])
    return f"row {row['source_row']:,} of {row['source_file']}"
