"""One driver at a time on an output folder.

A lease is a numbered file: who takes the next number holds it, and renews it while at work. It can
be taken over when its holder has not renewed it for a minute; at once where the holder was on this
machine and its lock on the folder is gone, so that a killed job can be started again right away.
A driver that stopped responding and comes back sees the higher number and stops.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from fnet_ray.output.layout import LEASE, LEASE_NAME, LEASES, LOCK, RUN, numbers
from fnet_ray.output.local_store import LocalStore, writing
from fnet_ray.output.store import Store
from fnet_registry.errors import LeaseError, OutputError

logger = logging.getLogger(__name__)

RENEW_SECONDS = 10.0
EXPIRE_SECONDS = 60.0


class Lease:
    """The right to work on an output folder, for the length of a `with` block.

    Args:
        store: The output folder.

    Raises:
        LeaseError: On entering: another driver holds it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = _lock_on(store)
        self._number = 0
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._renewal = threading.Thread(target=self._renew, name="fnet-lease", daemon=True)

    def __enter__(self) -> Self:
        """Take the lease."""
        if self._lock:
            with writing(Path(self._lock.lock_file)):
                try:
                    self._lock.acquire()
                except Timeout:
                    raise LeaseError(self._taken("another driver on this machine")) from None
        try:
            self._take()
        except BaseException:
            self._unlock()
            raise
        self._renewal.start()
        return self

    def _take(self) -> None:
        last = _last_number(self._store)
        self._check_free(_read(self._store, last))
        self._number = last + 1
        name, content = LEASE.format(number=self._number), self._content()
        # A storage that answers too late is asked twice, and then refuses what it has taken.
        if not self._store.claim(name, content) and self._store.read(name) != content:
            raise LeaseError(self._taken("a driver that started at the same moment"))

    def _unlock(self) -> None:
        if self._lock:
            self._lock.release()

    def __exit__(self, *_: object) -> None:
        """Give the lease back."""
        self._ended.set()
        self._renewal.join()
        try:
            if not self._is_lost():
                self._store.write(LEASE.format(number=self._number), self._content(released=True))
        except (OSError, OutputError) as error:  # such as a full disk, which ended the job
            logger.warning("The lease could not be given back, and runs out: %s", error)
        finally:
            self._unlock()

    @classmethod
    def holder(cls, store: Store) -> str | None:
        """Return who works on an output at the moment, or None."""
        last = _read(store, _last_number(store))
        if last["released"] or time.time() - last["renewed"] > EXPIRE_SECONDS:
            return None
        here = last["host"] == socket.gethostname()
        return None if here and not _is_running(last["pid"]) else _describe(last)

    def check(self) -> None:
        """Make sure that the lease still holds.

        Raises:
            LeaseError: Another driver took over because this one stopped responding.
        """
        if self._is_lost():
            raise LeaseError(self._taken(_TOOK_OVER))

    def _check_free(self, last: dict) -> None:
        if last["released"] or (self._lock and last["host"] == socket.gethostname()):
            return
        silent = time.time() - last["renewed"]
        if silent < EXPIRE_SECONDS:
            left = f"free in {EXPIRE_SECONDS - silent:.0f} s if it does not respond"
            raise LeaseError(self._taken(f"{_describe(last)}; {left}"))

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            try:
                if self._is_lost():
                    return
                self._store.write(LEASE.format(number=self._number), self._content())
            except Exception as error:  # the storage may be back before the lease runs out
                logger.warning("The lease could not be renewed: %s", error)

    def _is_lost(self) -> bool:
        """Look again each time: a driver that slept may ask before its renewal woke up."""
        if not self._lost.is_set() and self._store.exists(LEASE.format(number=self._number + 1)):
            self._lost.set()
        return self._lost.is_set()

    def _content(self, *, released: bool = False) -> bytes:
        holder = {"host": socket.gethostname(), "pid": os.getpid()}
        return json.dumps({**holder, "renewed": time.time(), "released": released}).encode()

    def _taken(self, holder: str) -> str:
        return f"Only one driver may work on {self._store.url}. Received: held by {holder}"


_FREE = {"released": True}
_TOOK_OVER = "a driver that took over because this driver stopped responding"


def _last_number(store: Store) -> int:
    """Return the number of the latest lease, 0 where none was taken."""
    return max(numbers(store.names(LEASES), LEASE_NAME), default=0)


def _read(store: Store, number: int) -> dict[str, Any]:
    """Return a lease; a damaged one is free, for a driver at work would have written it anew."""
    if not number:
        return _FREE
    try:
        lease = json.loads(store.read(LEASE.format(number=number)))
        return lease if {"host", "pid", "renewed", "released"} <= lease.keys() else _FREE
    except (ValueError, AttributeError):
        return _FREE


def _describe(lease: dict) -> str:
    return f"process {lease['pid']} on {lease['host']}"


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True


def _lock_on(store: Store) -> FileLock | None:
    """Return a lock that the system drops when its holder dies; object stores have none."""
    if not isinstance(store, LocalStore):
        return None
    folder = Path(store.path(RUN))
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    # One for each machine: on a folder that machines share, a lock may outlive the lease of a
    # machine that is cut off or asleep.
    return FileLock(store.path(LOCK.format(host=socket.gethostname())), timeout=0)
