"""Presets from the cache alone, without any request."""

from __future__ import annotations

import logging

from fnet_registry.errors import PresetError
from fnet_registry.presets.folder import PresetFolder, select_files
from fnet_registry.presets.formats import FORMATS
from fnet_registry.presets.formats.format import WeightsFiles
from fnet_registry.presets.handles.hub import HubHandle
from fnet_registry.presets.hub.cache import CacheEntry
from fnet_registry.presets.hub.failure import damaged_offline, not_cached
from fnet_registry.presets.hub.record import DigestRecord

logger = logging.getLogger(__name__)


def find(handle: HubHandle, *, weights: bool) -> PresetFolder:
    """Open what a handle stands for, or the newest complete revision where it leaves that open.

    Args:
        handle: A pinned or unpinned handle.
        weights: Whether the weights are wanted too.

    Raises:
        OfflineError: No revision is complete.
        DamagedFileError: A file is not as recorded.
    """
    entry = _newest_complete(handle, weights=weights)
    if entry is None:
        raise not_cached(handle)
    if not handle.pinned:
        logger.warning("Without the hub, %s is taken to be %s.", handle, entry.handle)
    record = entry.record()
    if record is None:
        return _open_unrecorded(entry, weights=weights)
    folder = open_recorded(entry, record, weights=weights)
    if folder is None:
        files = select_files(record.names, weights=weights)
        raise damaged_offline(entry, set(files) - set(record.intact(entry.path, files)))
    return folder


def holds(handle: HubHandle, *, weights: bool) -> bool:
    """Return whether the cache has a complete revision."""
    return _newest_complete(handle, weights=weights) is not None


def open_recorded(entry: CacheEntry, record: DigestRecord, *, weights: bool) -> PresetFolder | None:
    """Open a revision whose files are all there and as recorded; otherwise None."""
    files = select_files(record.names, weights=weights)
    intact = record.intact(entry.path, files)
    return folder_of(entry, record, weights=weights) if len(intact) == len(files) else None


def folder_of(entry: CacheEntry, record: DigestRecord, *, weights: bool) -> PresetFolder:
    """Open a revision whose files were just found to be as recorded."""
    files = select_files(record.names, weights=weights)
    verified = record.checked.issuperset(files)
    if not verified:
        logger.warning("%s is unverified: the hub gave no digest to check it by.", entry.handle)
    return PresetFolder(
        path=entry.path,
        handle=entry.handle,
        files=files,
        root=entry.root,
        verified=verified,
        recorded={name: record.sha256[name] for name in files},
    )


def is_complete(entry: CacheEntry, *, weights: bool) -> bool:
    """Return whether all files are there: by our record, or else the config and all weights."""
    present = set(entry.present())
    if (record := entry.record()) is not None:
        return present.issuperset(select_files(record.names, weights=weights))
    if "config.json" not in present:
        return False
    kinds = (files for known in FORMATS for files in known.weights)
    return not weights or any(_holds(entry, files, present) for files in kinds)


def _newest_complete(handle: HubHandle, *, weights: bool) -> CacheEntry | None:
    entries = map(CacheEntry, [handle] if handle.pinned else handle.cached())
    return next((entry for entry in entries if is_complete(entry, weights=weights)), None)


def _open_unrecorded(entry: CacheEntry, *, weights: bool) -> PresetFolder:
    logger.warning(
        "%s is unverified: it was not fetched by fnet-registry, and without the hub there is "
        "nothing to check it by.",
        entry.handle,
    )
    return PresetFolder(
        path=entry.path,
        handle=entry.handle,
        files=select_files(entry.present(), weights=weights),
        root=entry.root,
        verified=False,
    )


def _holds(entry: CacheEntry, files: WeightsFiles, present: set[str]) -> bool:
    try:
        needed = files.needed(entry.path)
    except PresetError:
        return False
    return bool(needed) and present.issuperset(needed)
