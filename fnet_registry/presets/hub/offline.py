"""Presets from the cache alone, without any request."""

from __future__ import annotations

import logging
from contextlib import suppress

from fnet_registry.errors import DamagedFileError, OfflineError, PresetError
from fnet_registry.presets.folder import PresetFolder, select_files
from fnet_registry.presets.formats import FORMATS
from fnet_registry.presets.formats.format import WeightsFiles
from fnet_registry.presets.handles.hub import HubHandle
from fnet_registry.presets.hub.cache import CacheEntry
from fnet_registry.presets.hub.record import DigestRecord

logger = logging.getLogger(__name__)


def find(handle: HubHandle, *, weights: bool) -> PresetFolder:
    """Open what a handle stands for, or the newest complete revision where it leaves that open.

    Raises:
        OfflineError: No revision is complete.
        DamagedFileError: A file is not as recorded.
    """
    entries = map(CacheEntry, [handle] if handle.pinned else handle.cached())
    entry = next((entry for entry in entries if is_complete(entry, weights=weights)), None)
    if entry is None:
        raise OfflineError(
            "Offline, and the cache does not hold the whole preset. Fetch it once with a network"
            f" and with HF_HUB_OFFLINE unset, or give a local folder. Received: {handle}"
        )
    if not handle.pinned:
        logger.warning("Without the hub, %s is taken to be %s.", handle, entry.handle)
    record = entry.record()
    if record is None:
        return _open_unrecorded(entry, weights=weights)
    folder = open_recorded(entry, record, weights=weights)
    if folder is None:
        files = select_files(record.names, weights=weights)
        damaged = sorted(set(files) - set(record.intact(entry.path, files)))
        raise DamagedFileError(
            "Files in the cache are damaged, and without a network they cannot be fetched again:"
            f" {', '.join(damaged)} in {entry.path}. Received: {entry.handle}"
        )
    return folder


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
    if files.single in present or files.index not in present:
        return files.single in present
    with suppress(PresetError):  # an index that names no files
        return present.issuperset(files.needed(entry.path))
    return False
