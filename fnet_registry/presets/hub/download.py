"""One revision of a preset, from its hub into the cache."""

from __future__ import annotations

import logging
from dataclasses import replace

import filelock

from fnet_registry.errors import DamagedFileError, FetchTimeoutError
from fnet_registry.presets.folder import PresetFolder, digest_file, select_files
from fnet_registry.presets.hub.cache import CacheEntry
from fnet_registry.presets.hub.failure import to_error
from fnet_registry.presets.hub.messages import Event, Failed, Fetched, Listed, Progress, Request
from fnet_registry.presets.hub.offline import folder_of, open_recorded
from fnet_registry.presets.hub.process import HubSession
from fnet_registry.presets.hub.record import DigestRecord
from fnet_registry.progress import progress_bar

logger = logging.getLogger(__name__)


def download(entry: CacheEntry, session: HubSession, *, weights: bool) -> PresetFolder:
    """Open a revision in the cache, after it has fetched what is missing, damaged or unknown.

    Raises:
        FetchError: The hub did not deliver.
    """
    try:
        record = entry.record()
        if record and (folder := open_recorded(entry, record, weights=weights)):
            return folder
        entry.state.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(entry.lock_path, timeout=session.remaining()):
            return _Download(entry, weights=weights).run(session)
    except filelock.Timeout as error:
        raise FetchTimeoutError(
            "Another process is fetching the same preset, and was not done within"
            f" {session.seconds:g} s (it holds {error.lock_file}). Received: {entry.handle}"
        ) from None
    except OSError as error:
        failed = Failed(kind="storage", detail=f"{error.strerror}: {error.filename}")
        raise to_error(failed, entry.handle) from error


class _Download:
    """One download under way: what is good so far, what is recorded, what is shown."""

    def __init__(self, entry: CacheEntry, *, weights: bool):
        self._entry = entry
        self._weights = weights
        self._earlier = entry.record() or DigestRecord(names=())
        files = select_files(self._earlier.names, weights=weights)
        self._good = set(self._earlier.intact(entry.path, files))
        self._damaged = {name for name in files if name in self._earlier.sha256} - self._good
        self._record = self._earlier
        # disable=None: shown on a terminal only.
        self._bar = progress_bar(desc=str(entry.handle), unit="B", unit_scale=True, disable=None)

    def run(self, session: HubSession) -> PresetFolder:
        with self._bar:
            session.run(self._request, self._on_event)
            self._bar.update((self._bar.total or 0) - self._bar.n)
        return folder_of(self._entry, self._record, weights=self._weights)

    def _request(self) -> Request:
        return Request(
            task="fetch",
            handle=str(self._entry.handle),
            weights=self._weights,
            keep=tuple(self._good),
            replace=tuple(self._damaged - self._good),
        )

    def _on_event(self, event: Event) -> None:
        match event:
            case Listed(names=names, size=size):
                self._record = replace(self._record, names=names)
                self._bar.reset(total=size)
                logger.info("Fetching %s (%.1f MB).", self._entry.handle, size / 1e6)
            case Progress(size=size):
                self._bar.update(size - self._bar.n)
            case Fetched(name=name, checked=checked):
                self._add(name, checked=checked)

    def _add(self, name: str, *, checked: bool) -> None:
        digest = digest_file(self._entry.path / name)
        if name in self._earlier.checked and digest != self._earlier.sha256[name]:
            handle = self._entry.handle
            raise DamagedFileError(
                f"{handle.hub_name} now delivers another {name} for the same"
                f" {handle.REVISION_WORD} than it did before. To accept it, remove"
                f" {self._entry.record_path}. Received: {handle}"
            )
        self._record = self._record.with_file(name, digest, checked=checked)
        self._record.write(self._entry.record_path)
        self._good.add(name)
        logger.debug("%s: %s is there.", self._entry.handle, name)
