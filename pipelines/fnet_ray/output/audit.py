"""Whether an output still holds what its commits say."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from fnet_ray.corpus.shards import digest_of
from fnet_ray.output.commits import Commit, DataFile, publish
from fnet_ray.output.layout import (
    COMMIT,
    COMMIT_NAME,
    COMMITS,
    DATA_FILE,
    DATA_FOLDERS,
    UNCOMMITTED,
    numbers,
)
from fnet_ray.output.lease import Lease
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.store import Store

logger = logging.getLogger(__name__)

READ_THREADS = 16
_READ_AT_ONCE = 1000  # commits, of up to 20 kB


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A shard that has a commit.

    Args:
        shard: The shard's number.
        commit: The commit; None where it cannot be read.
        damage: What is wrong with the commit or the files that it names, if anything.
        is_published: Whether all its files are where readers look.
    """

    shard: int
    commit: Commit | None
    damage: str | None = None
    is_published: bool = False


def audit(store: Store, manifest: Manifest, *, digests: bool = False) -> Iterator[Finding]:
    """Compare every commit with the manifest and with the files that it names.

    With `digests`, all files are read; without, their sizes alone are compared.
    """
    shards = sorted(numbers(store.names(COMMITS), COMMIT_NAME))
    # After the commits, and in the order in which files move: one on its way is in either list.
    sizes = {
        f"{folder}/{name}": size
        for folder in (UNCOMMITTED, *DATA_FOLDERS)
        for name, size in store.sizes(folder).items()
    }
    with ThreadPoolExecutor(READ_THREADS) as threads:
        for start in range(0, len(shards), _READ_AT_ONCE):
            part = shards[start : start + _READ_AT_ONCE]
            for shard, commit in zip(
                part, threads.map(lambda each: _read(store, each, manifest), part), strict=True
            ):
                yield _find(store, shard, commit, sizes, digests)


def _find(
    store: Store, shard: int, commit: Commit | str, sizes: Mapping[str, int], digests: bool
) -> Finding:
    if isinstance(commit, str):
        return Finding(shard=shard, commit=None, damage=commit)
    wrong = (_wrong(store, file, sizes, digests) for file in commit.files)
    return Finding(
        shard=shard,
        commit=commit,
        damage=next(filter(None, wrong), None),
        is_published=all(sizes.get(file.name) == file.size for file in commit.files),
    )


def finish_commits(
    store: Store, manifest: Manifest, lease: Lease | None = None
) -> Iterator[Commit]:
    """Yield the commits of all shards that are done.

    Publishes what a worker committed but did not live to move, and takes damaged shards back, as
    long as the lease is held.
    """
    for finding in audit(store, manifest):
        if finding.damage is not None or finding.commit is None:
            if lease:
                lease.check()
            logger.warning("Shard %d is embedded again: %s", finding.shard, finding.damage)
            take_back(store, finding.shard)
            continue
        if not finding.is_published:
            publish(store, finding.commit)
        yield finding.commit


def take_back(store: Store, shard: int) -> None:
    """Make a shard one that is not done; may be repeated."""
    for folder in DATA_FOLDERS:
        store.remove(DATA_FILE.format(folder=folder, shard=shard))
    store.remove(COMMIT.format(shard=shard))  # last: until then, whatever stops this is done again


def _read(store: Store, shard: int, manifest: Manifest) -> Commit | str:
    name = COMMIT.format(shard=shard)
    try:
        commit = Commit.from_json(store.read(name))
    except FileNotFoundError:
        return f"{name} is gone"
    except (ValueError, TypeError, KeyError):
        return f"{name} cannot be read"
    if commit.shard != shard or not _is_planned(commit, manifest):
        return f"{name} is not of this job's shard"
    return commit


def _is_planned(commit: Commit, manifest: Manifest) -> bool:
    """Return whether a commit is of the rows that the manifest has for its shard."""
    sharding = manifest.sharding_of(commit.shard)
    if sharding is None or commit.rows != sharding.shard_length(commit.shard):
        return False
    ranges = commit.work.get("ranges")  # commits of earlier releases do not say
    return ranges is None or ranges == digest_of(sharding.ranges_of(commit.shard))


def _wrong(store: Store, file: DataFile, sizes: Mapping[str, int], digests: bool) -> str | None:
    """Return what is wrong with a data file, which may not be moved yet."""
    is_moved = sizes.get(file.name) == file.size
    name = file.name if is_moved or file.uncommitted not in sizes else file.uncommitted
    if name not in sizes:
        return f"{name} is missing"
    if sizes[name] != file.size:
        return f"{name} has {sizes[name]:,} bytes, not {file.size:,}"
    if digests and _digest(store, file, name) != file.sha256:
        return f"{name} does not hold the bytes that were committed"
    return None


def _digest(store: Store, file: DataFile, name: str) -> str | None:
    """Return the digest of a data file, which may have been moved since it was listed."""
    for place in (name, file.name):
        with suppress(FileNotFoundError):
            return hashlib.sha256(store.read(place)).hexdigest()
    return None
