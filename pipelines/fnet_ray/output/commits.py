"""How a shard is committed: its files are written apart, a commit names them, they are moved.

Only the first commit of a shard counts. Uncommitted files are never data, so an attempt that was
cut off, or that comes back late, changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from fnet_ray.output.layout import COMMIT, DATA_FILE, UNCOMMITTED, UNCOMMITTED_FILE
from fnet_ray.output.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """One data file of a shard.

    Args:
        name: Where it is for readers, relative to the output.
        uncommitted: Where the attempt that won wrote it, before it was moved.
        rows: Its rows.
        size: Its bytes.
        sha256: Its digest.
    """

    name: str
    uncommitted: str
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The record that a shard is done.

    Args:
        shard: The shard's number.
        rows: Input rows: those embedded and those rejected.
        rejects: How many of them were rejected.
        files: Its data files.
        work: Windows, tokens, seconds, and the worker that did it.
    """

    shard: int
    rows: int
    rejects: int
    files: tuple[DataFile, ...]
    work: Mapping[str, Any]

    def to_json(self) -> bytes:
        """Return the commit as it is stored."""
        values = asdict(self)
        for file in values["files"]:
            file["staged"] = file.pop("uncommitted")
        return json.dumps(values, indent=1).encode()

    @classmethod
    def from_json(cls, data: bytes | str) -> Commit:
        """Read what `to_json` gave."""
        values = json.loads(data)
        files = [DataFile(uncommitted=f.pop("staged"), **f) for f in values.pop("files")]
        return cls(files=tuple(files), **values)


def commit_shard(
    store: Store,
    shard: int,
    *,
    rows: int,
    rejects: int,
    files: Mapping[str, tuple[bytes | memoryview, int]],
    work: Mapping[str, Any],
    started: float | None = None,
) -> Commit:
    """Make a shard's files data, all or none, unless another attempt was first.

    Takes the fields of a `Commit`, whose files are a folder that readers know → bytes and rows,
    and when this was `started`, by `time.perf_counter`; how long it took is added to the work.
    Returns the commit that won, this attempt's or the earlier one's.
    """
    attempt = uuid.uuid4().hex[:12]
    written = []
    for folder, (data, count) in files.items():
        file = DataFile(
            name=DATA_FILE.format(folder=folder, shard=shard),
            uncommitted=UNCOMMITTED_FILE.format(
                folder=PurePosixPath(folder).name, shard=shard, attempt=attempt
            ),
            rows=count,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )
        store.write(file.uncommitted, data)
        written.append(file)
    if started is not None:
        work = {**work, "commit_seconds": time.perf_counter() - started}
    commit = Commit(shard=shard, rows=rows, rejects=rejects, files=tuple(written), work=work)
    name = COMMIT.format(shard=shard)
    if not store.claim(name, commit.to_json()):
        commit = Commit.from_json(store.read(name))
        # It may be this attempt's own: a storage that answers too late is asked twice.
        kept = {file.uncommitted for file in commit.files}
        for file in written:
            if file.uncommitted not in kept:
                store.remove(file.uncommitted)
    publish(store, commit)
    return commit


def publish(store: Store, commit: Commit) -> None:
    """Move a shard's files to where readers look; may be repeated, by anyone."""
    for file in commit.files:
        store.move(file.uncommitted, file.name)


def remove_uncommitted(store: Store) -> None:
    """Delete the files of attempts that did not win.

    Only for when every shard has its commit: before, a worker that was given up may yet commit a
    shard with a file that it wrote.
    """
    store.clear(UNCOMMITTED)
