"""How a shard is committed: its files are staged, one marker names them, then they are moved.

Only the first marker of a shard counts. Staged files that no marker names are never data, so an
attempt that was cut off, or that comes back late, changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fnet_ray.output.store import Store

EMBEDDINGS, REJECTS = "embeddings", "rejects"
MARKERS, STAGING = "run/done", "run/staging"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedFile:
    """One data file of a shard."""

    name: str
    """Where it is for readers, relative to the output."""
    staged: str
    """Where the attempt that won wrote it."""
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """The record that a shard is done."""

    shard: int
    rows: int
    """Input rows: those embedded and those rejected."""
    rejects: int
    files: tuple[CommittedFile, ...]
    work: Mapping[str, Any]
    """Windows, tokens, seconds, and the worker that did it."""

    def to_json(self) -> bytes:
        """Return the marker as it is stored."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Marker:
        """Read what `to_json` gave."""
        values = json.loads(data)
        values["files"] = tuple(CommittedFile(**file) for file in values["files"])
        return cls(**values)


def marker_name(shard: int) -> str:
    """Return a marker's place in the output."""
    return f"{MARKERS}/shard-{shard:08d}.json"


def data_name(folder: str, shard: int) -> str:
    """Return the place of a shard's data file in a folder that readers know."""
    return f"{folder}/shard-{shard:08d}.parquet"


def commit_shard(
    store: Store,
    shard: int,
    *,
    rows: int,
    rejects: int,
    files: Mapping[str, tuple[bytes, int]],
    work: Mapping[str, Any],
) -> Marker:
    """Make a shard's files data, all or none, unless another attempt was first.

    Args:
        store: The output folder.
        shard: The shard's number.
        rows: Input rows of the shard.
        rejects: How many of them were rejected.
        files: A folder that readers know → the file's bytes and number of rows.
        work: What to record beside it.

    Returns:
        The marker that won, this attempt's or the earlier one's.
    """
    attempt = uuid.uuid4().hex[:12]
    committed = []
    for folder, (data, count) in files.items():
        staged = f"{STAGING}/shard-{shard:08d}-{attempt}-{folder}.parquet"
        store.write(staged, data)
        committed.append(
            CommittedFile(
                name=data_name(folder, shard),
                staged=staged,
                rows=count,
                size=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
            )
        )
    marker = Marker(shard=shard, rows=rows, rejects=rejects, files=tuple(committed), work=work)
    if not store.claim(marker_name(shard), marker.to_json()):
        for file in committed:
            store.remove(file.staged)
        marker = Marker.from_json(store.read(marker_name(shard)))
    publish(store, marker)
    return marker


def publish(store: Store, marker: Marker) -> None:
    """Move a shard's files to where readers look; may be repeated, by anyone."""
    for file in marker.files:
        store.move(file.staged, file.name)


def remove_leftovers(store: Store) -> None:
    """Delete staged files of attempts that did not win.

    Only for when every shard has its marker: before, a worker that was taken for dead may yet
    claim a shard with a file that is staged here.
    """
    store.clear(STAGING)
