"""From a handle to a folder on this machine."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

from fnet_registry.errors import HubUnavailableError, OfflineError
from fnet_registry.presets.folder import PresetFolder, check_files
from fnet_registry.presets.handle import BuiltInHandle, Handle, LocalHandle, parse_handle
from fnet_registry.presets.handles.hub import HubHandle
from fnet_registry.presets.hub import offline as offline_cache
from fnet_registry.presets.hub.cache import CacheEntry
from fnet_registry.presets.hub.download import download
from fnet_registry.presets.hub.messages import Request
from fnet_registry.presets.hub.process import HubSession

logger = logging.getLogger(__name__)

DEFAULT_DEADLINE = 1800.0


def fetch(
    handle: str | os.PathLike[str] | Handle,
    *,
    weights: bool = True,
    offline: bool | None = None,
    deadline: float = DEFAULT_DEADLINE,
) -> PresetFolder:
    """Bring a preset's files to this machine, or find them there.

    An unpinned handle is resolved once, to a version or a commit; only known file names of that
    revision are fetched, into the hub client's own cache. Each file is checked against the hub's
    digest when it comes, and against our SHA-256 record of it at every later load; a damaged file
    is fetched again. A pinned preset that is recorded takes no request. Without a network, what is
    complete in the cache is taken.

    Args:
        handle: A handle, or what `parse_handle` reads.
        weights: Whether the weights are wanted too.
        offline: Whether to do without any request. By default as `HF_HUB_OFFLINE` says, which
            holds for Kaggle too, as its client has no such variable.
        deadline: Wall-clock seconds for the whole.

    Returns:
        The folder, whose `handle` is pinned: it leads to the same bytes later.

    Raises:
        HandleError: The handle cannot be read.
        PresetError: A file of a local folder leads out of it or is no regular file.
        FetchError: The hub did not deliver; its subclasses tell why, and the way out.
    """
    handle = parse_handle(handle)
    if isinstance(handle, LocalHandle):
        return _open_local(handle.path, handle, weights=weights)
    if isinstance(handle, BuiltInHandle):
        target = handle.target
        if isinstance(target, LocalHandle):
            return _open_local(target.path, handle, weights=weights)
        handle = target
    if _is_offline() if offline is None else offline:
        return offline_cache.find(handle, weights=weights)
    try:
        return _fetch_online(handle, HubSession(handle, seconds=deadline), weights=weights)
    except HubUnavailableError as error:
        with suppress(OfflineError):
            folder = offline_cache.find(handle, weights=weights)
            logger.warning("%s Taking what is in the cache.", error)
            return folder
        raise


def _fetch_online(handle: HubHandle, session: HubSession, *, weights: bool) -> PresetFolder:
    request = Request(task="resolve", handle=str(handle))
    pinned = handle if handle.pinned else session.run(lambda: request)
    folder = download(CacheEntry(pinned), session, weights=weights)
    if pinned != handle:
        handle.remember(pinned)
        logger.info("%s is %s now.", handle, pinned)
    return folder


def _open_local(path: Path, handle: LocalHandle | BuiltInHandle, *, weights: bool) -> PresetFolder:
    root = _links_root(path)
    files = tuple(sorted(check_files(path, weights=weights, root=root)))
    return PresetFolder(path=path, handle=handle, files=files, root=root, verified=False)


def _links_root(path: Path) -> Path:
    """Return the folder itself, or the whole repository where it is a snapshot in a hub's cache."""
    repository = path.parent.parent
    is_snapshot = path.parent.name == "snapshots" and repository.name.startswith("models--")
    return repository if is_snapshot else path


def _is_offline() -> bool:
    switch = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return switch.upper() in {"1", "ON", "YES", "TRUE"}
