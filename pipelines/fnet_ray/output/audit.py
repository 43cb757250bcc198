"""Whether an output still holds what its markers say was committed."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from fnet_ray.output.commits import (
    EMBEDDINGS,
    MARKERS,
    REJECTS,
    STAGING,
    CommittedFile,
    Marker,
    data_name,
    marker_name,
    publish,
)
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.store import Store

logger = logging.getLogger(__name__)

READ_THREADS = 16
_MARKER = re.compile(r"shard-(\d{8,})\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A shard that has a marker."""

    shard: int
    marker: Marker | None
    """None where it cannot be read."""
    damage: str | None
    """What is wrong with the marker or the files that it names, if anything."""
    is_published: bool
    """Whether all its files are where readers look."""


def audit(store: Store, manifest: Manifest, *, digests: bool = False) -> Iterator[Finding]:
    """Compare every marker with the plan and with the files that it names.

    Args:
        store: The output folder.
        manifest: The plan.
        digests: Whether to read the files and compare their digests, rather than the sizes alone.
    """
    found = (_MARKER.fullmatch(name) for name in store.names(MARKERS))
    shards = [int(match[1]) for match in found if match]
    with ThreadPoolExecutor(READ_THREADS) as threads:
        markers = list(threads.map(lambda shard: _read(store, shard, manifest), shards))
    # After the markers, and in the order in which files move: one on its way is in either list.
    sizes = {
        f"{folder}/{name}": size
        for folder in (STAGING, EMBEDDINGS, REJECTS)
        for name, size in store.sizes(folder).items()
    }
    for shard, marker in zip(shards, markers, strict=True):
        if isinstance(marker, str):
            yield Finding(shard=shard, marker=None, damage=marker, is_published=False)
            continue
        wrong = [_wrong(store, file, sizes, digests) for file in marker.files]
        yield Finding(
            shard=shard,
            marker=marker,
            damage=next(filter(None, wrong), None),
            is_published=all(sizes.get(file.name) == file.size for file in marker.files),
        )


def finish_commits(store: Store, manifest: Manifest) -> Iterator[Marker]:
    """Yield the markers of all shards that are done.

    Publishes what a worker claimed but did not live to move, and takes damaged shards back.
    """
    for finding in audit(store, manifest):
        if finding.damage is not None or finding.marker is None:
            logger.warning("Shard %d is made anew: %s", finding.shard, finding.damage)
            take_back(store, finding.shard)
            continue
        if not finding.is_published:
            publish(store, finding.marker)
        yield finding.marker


def take_back(store: Store, shard: int) -> None:
    """Make a shard one that is not done; may be repeated."""
    for folder in (EMBEDDINGS, REJECTS):
        store.remove(data_name(folder, shard))
    store.remove(marker_name(shard))  # last: until then, whatever stops this is done again


def _read(store: Store, shard: int, manifest: Manifest) -> Marker | str:
    name = marker_name(shard)
    try:
        marker = Marker.from_json(store.read(name))
    except FileNotFoundError:
        return f"{name} is gone"
    except (ValueError, TypeError, KeyError):
        return f"{name} cannot be read"
    if (marker.shard, marker.rows) != (shard, manifest.shard_length(shard)):
        return f"{name} is not of this job's shard"
    return marker


def _wrong(store: Store, file: CommittedFile, sizes: dict[str, int], digests: bool) -> str | None:
    name = file.name if sizes.get(file.name) == file.size else file.staged
    if name not in sizes:
        size = sizes.get(file.name)
        return (
            f"{file.name} is missing"
            if size is None
            else (f"{file.name} has {size:,} bytes, not {file.size:,}")
        )
    if sizes[name] != file.size:
        return f"{name} has {sizes[name]:,} bytes, not {file.size:,}"
    if digests and hashlib.sha256(store.read(name)).hexdigest() != file.sha256:
        return f"{name} does not hold the bytes that were committed"
    return None
