"""One driver at a time on an output folder.

A lease is a numbered file: who takes the next number holds it, and renews it while at work. It can
be taken over when its holder has not renewed it for a minute; at once where the holder was on this
machine and its lock on the folder is gone, so that a killed job can be started again right away.
A driver that was taken for dead and comes back sees the higher number and stops.
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

from fnet_ray.output.store import LocalStore, Store, writing
from fnet_registry.errors import LeaseError, OutputError

logger = logging.getLogger(__name__)

FOLDER = "run/lease"
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
        if last:
            self._check_free(_read(self._store, last))
        self._number = last + 1
        if not self._store.claim(_name(self._number), self._content()):
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
                self._store.write(_name(self._number), self._content(released=True))
        except (OSError, OutputError) as error:  # such as a full disk, which ended the job
            logger.warning("The lease could not be given back, and runs out: %s", error)
        finally:
            self._unlock()

    @classmethod
    def holder(cls, store: Store) -> str | None:
        """Return who works on an output at the moment, or None."""
        number = _last_number(store)
        last = _read(store, number) if number else _FREE
        if last["released"] or time.time() - last["renewed"] > EXPIRE_SECONDS:
            return None
        here = last["host"] == socket.gethostname()
        return None if here and not _is_running(last["pid"]) else _describe(last)

    def check(self) -> None:
        """Make sure that the lease still holds.

        Raises:
            LeaseError: Another driver took it over while this one was not heard of.
        """
        if self._is_lost():
            raise LeaseError(self._taken("a driver that took this one for dead"))

    def _check_free(self, last: dict) -> None:
        if last["released"] or (self._lock and last["host"] == socket.gethostname()):
            return
        silent = time.time() - last["renewed"]
        if silent < EXPIRE_SECONDS:
            left = f"free in {EXPIRE_SECONDS - silent:.0f} s if it is dead"
            raise LeaseError(self._taken(f"{_describe(last)}; {left}"))

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            try:
                if self._is_lost():
                    return
                self._store.write(_name(self._number), self._content())
            except Exception as error:  # the storage may be back before the lease runs out
                logger.warning("The lease could not be renewed: %s", error)

    def _is_lost(self) -> bool:
        """Look again each time: a driver that slept may ask before its renewal woke up."""
        if not self._lost.is_set() and self._store.exists(_name(self._number + 1)):
            self._lost.set()
        return self._lost.is_set()

    def _content(self, *, released: bool = False) -> bytes:
        holder = {"host": socket.gethostname(), "pid": os.getpid()}
        return json.dumps({**holder, "renewed": time.time(), "released": released}).encode()

    def _taken(self, holder: str) -> str:
        return f"Only one driver may work on {self._store.url}. Received: held by {holder}"


_FREE = {"released": True}


def _name(number: int) -> str:
    return f"{FOLDER}/{number:08d}.json"


def _last_number(store: Store) -> int:
    """Return the number of the latest lease, 0 where none was taken."""
    numbers = (name.removesuffix(".json") for name in store.names(FOLDER))
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def _read(store: Store, number: int) -> dict[str, Any]:
    """Return a lease; a damaged one is free, for a driver at work would have written it anew."""
    try:
        lease = json.loads(store.read(_name(number)))
        return lease if {"host", "pid", "renewed", "released"} <= lease.keys() else _FREE
    except (ValueError, AttributeError):
        return _FREE


def _describe(lease: dict) -> str:
    return f"process {lease['pid']} on {lease['host']}"


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _lock_on(store: Store) -> FileLock | None:
    """Return a lock that the system drops when its holder dies; object stores have none."""
    if not isinstance(store, LocalStore):
        return None
    folder = Path(store.path("run"))
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    # One for each machine: on a folder that machines share, a lock may outlive the lease of a
    # machine that is cut off or asleep.
    return FileLock(folder / f".lock-{socket.gethostname()}", timeout=0)
