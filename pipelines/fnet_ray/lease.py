"""One driver at a time on an output folder.

A lease is a numbered file: who takes the next number holds it, and renews it while at work. It can
be taken over when its holder has not renewed it for a minute; at once where the holder was on this
machine and its lock on the folder is gone, so that a killed job can be started again right away.
A driver that was taken for dead and comes back sees the higher number and stops.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from fnet_ray.store import LocalStore, Store
from fnet_registry.errors import LeaseError

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
        numbers = [int(name.removesuffix(".json")) for name in self._store.names(FOLDER)]
        if numbers:
            self._check_free(self._read(numbers[-1]))
        self._number = (numbers or [0])[-1] + 1
        if not self._store.claim(self._name(self._number), self._content()):
            raise LeaseError(self._taken("a driver that started at the same moment"))

    def _unlock(self) -> None:
        if self._lock:
            self._lock.release()

    def __exit__(self, *_: object) -> None:
        """Give the lease back."""
        self._ended.set()
        self._renewal.join()
        if not self._lost.is_set():
            self._store.write(self._name(self._number), self._content(released=True))
        self._unlock()

    @classmethod
    def holder(cls, store: Store) -> str | None:
        """Return who works on an output at the moment, or None."""
        names = store.names(FOLDER)
        last = json.loads(store.read(f"{FOLDER}/{names[-1]}")) if names else {"released": True}
        if last["released"] or time.time() - last["renewed"] > EXPIRE_SECONDS:
            return None
        here = last["host"] == socket.gethostname()
        return None if here and not _is_running(last["pid"]) else _describe(last)

    def check(self) -> None:
        """Make sure that the lease still holds.

        Raises:
            LeaseError: Another driver took it over while this one was not heard of.
        """
        if self._lost.is_set():
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
            if self._store.exists(self._name(self._number + 1)):
                self._lost.set()
                return
            self._store.write(self._name(self._number), self._content())

    def _content(self, *, released: bool = False) -> bytes:
        holder = {"host": socket.gethostname(), "pid": os.getpid()}
        return json.dumps({**holder, "renewed": time.time(), "released": released}).encode()

    def _read(self, number: int) -> dict:
        return json.loads(self._store.read(self._name(number)))

    def _taken(self, holder: str) -> str:
        return f"Only one driver may work on {self._store.url}. Received: held by {holder}"

    @staticmethod
    def _name(number: int) -> str:
        return f"{FOLDER}/{number:08d}.json"


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
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / ".lock", timeout=0)
