"""What the child process asks of a hub's client, and what can fail there."""

from __future__ import annotations

import email.utils
import errno
import hashlib
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path

from fnet_registry.presets.folder import size_limit
from fnet_registry.presets.hub.cache import CacheEntry
from fnet_registry.presets.hub.messages import Failed, FailureKind

MAX_FILES = 20_000

_TRY_AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_CREDENTIALS = re.compile(
    r"(?P<scheme>(?i:bearer|basic)\s+)\S+"
    r"|(?P<slashes>://)[^\s/@]+(?P<at>@)"
    r"|(?P<query>\?)\S+"
    r"|\bhf_\w{8,}"
)


class HubClientError(Exception):
    """A failure that is known for what it is where it happens."""

    def __init__(self, kind: FailureKind, detail: str, *, retry_after: float | None = None):
        super().__init__(detail)
        self.failed = Failed(kind=kind, detail=detail, retry_after=retry_after)


class HubClient(ABC):
    """One hub's client, bound to one preset."""

    @abstractmethod
    def resolve(self) -> str:
        """Name the revision that an unpinned handle stands for now, as a pinned handle."""

    @abstractmethod
    def list_files(self) -> Mapping[str, int]:
        """List the revision's files with their sizes in bytes, 0 where the hub tells none."""

    @abstractmethod
    def is_intact(self, name: str) -> bool:
        """Return whether a file in the cache matches a digest that the hub gives."""

    @abstractmethod
    def download(self, name: str) -> bool:
        """Bring a file into the cache; tell whether the hub gave a digest that it matched."""

    @abstractmethod
    def discard(self, name: str) -> None:
        """Take a file out of the cache."""

    @abstractmethod
    def received(self) -> int:
        """Return the bytes that have come of the file that is under way."""

    @abstractmethod
    def secrets(self) -> Iterable[str | None]:
        """Return the credentials that this client may send."""

    @abstractmethod
    def classify(self, error: Exception) -> Failed:
        """Tell what kind of failure an exception of this client is."""


def check_size(name: str, size: int) -> None:
    """Refuse a file that claims to be larger than any preset's."""
    if size > size_limit(name):
        raise HubClientError("oversized", f"{name} is said to hold {size:,} bytes")


def is_busy(status: int) -> bool:
    """Return whether the same request may well succeed later."""
    return status in _TRY_AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def from_status(status: int, headers: Mapping[str, str], *, missing: FailureKind) -> Failed:
    """Tell what an HTTP status means: of 404, that what `missing` names is not there."""
    detail = f"HTTP status {status}"
    if is_busy(status):
        retry_after = _seconds(headers.get("Retry-After"))
        return Failed(kind="unavailable", detail=detail, retry_after=retry_after)
    kinds: dict[int, FailureKind] = {401: "unauthorized", 403: "denied", 404: missing}
    return Failed(kind=kinds.get(status, "unexpected"), detail=detail)


def from_exception(error: Exception) -> Failed:
    """Tell what an exception means that is not a hub client's own."""
    match error:
        case HubClientError(failed=failed):
            return failed
        case OSError(errno=errno.EFBIG):
            return Failed(kind="oversized", detail="it never ended, or unpacked to too much")
        case OSError(errno=int()):
            return Failed(kind="storage", detail=f"{error.strerror}: {error.filename}")
    return Failed(kind="unexpected", detail=f"{type(error).__name__}: {error}")


def redact(text: str, secrets: Iterable[str | None]) -> str:
    """Take credentials out of a text and make it one short line."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    text = _CREDENTIALS.sub(r"\g<scheme>\g<slashes>\g<query>***\g<at>", text)
    return " ".join(text.split())[:300]


def digest(path: Path, algorithm: str, *, prefix: bytes = b"") -> bytes:
    """Digest a file with something put before it."""
    state = hashlib.new(algorithm, prefix, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            state.update(chunk)
    return state.digest()


def discard_linked(path: Path, entry: CacheEntry) -> None:
    """Remove a cached file, and what it links to where that lies in the same cache."""
    target = path.resolve()
    if target.is_relative_to(entry.root.resolve()):
        target.unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _seconds(retry_after: str | None) -> float | None:
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
