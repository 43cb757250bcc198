"""Where the hub clients keep a preset on this machine.

The folders are the clients' own, so that KerasHub and Transformers find what was fetched here, and
the other way round. Beside them lies `.fnet-registry/`: our record and lock of each revision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fnet_registry.presets.folder import DESCRIPTION_FILES, is_weights
from fnet_registry.presets.handles import HUBS
from fnet_registry.presets.handles.hub import HubHandle
from fnet_registry.presets.hub.record import DigestRecord


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One revision of a preset in a hub client's cache.

    Args:
        handle: The pinned handle.
    """

    handle: HubHandle

    def __post_init__(self) -> None:
        assert self.handle.pinned

    @property
    def path(self) -> Path:
        """The folder of its files; it may not exist yet."""
        return self.handle.revision_folder

    @property
    def root(self) -> Path:
        """The cache of this repository, which no link of the files may lead out of."""
        return self.handle.repository_folder

    @property
    def state(self) -> Path:
        """The folder of our records and locks."""
        return self.root / ".fnet-registry"

    @property
    def record_path(self) -> Path:
        """Where our digests of the files are kept."""
        return self.state / f"{self.path.name}.json"

    @property
    def lock_path(self) -> Path:
        """The lock that whoever writes into the folder holds."""
        return self.state / f"{self.path.name}.lock"

    def record(self) -> DigestRecord | None:
        """Read our digests of the files, if they were fetched by us."""
        return DigestRecord.read(self.record_path)

    def present(self) -> tuple[str, ...]:
        """List the known files that were fetched to their end, sorted."""
        weights = filter(is_weights, (path.name for path in self.path.glob("*")))
        return tuple(sorted(filter(self.handle.is_whole, {*DESCRIPTION_FILES, *weights})))


def cached_entries() -> Iterator[CacheEntry]:
    """Walk over every revision of every model in all caches, whatever it is a model of."""
    for hub in HUBS:
        yield from map(CacheEntry, hub.all_cached())
