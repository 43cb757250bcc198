"""A job in a process of its own, whose memory and that of its workers is watched."""

import multiprocessing
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil


@dataclass
class Peaks:
    """The peak MB of the driver, and of the worker that took most."""

    driver: float = 0.0
    worker: float = 0.0


@contextmanager
def watched(workers: str) -> Iterator[Peaks]:
    """Watches this process and its children whose command line holds a text."""
    ended, found, peaks = threading.Event(), [0], Peaks()

    def watch() -> None:
        while not ended.wait(0.5):
            children = psutil.Process().children(recursive=True)
            found.append(max((_own_memory(child, workers) for child in children), default=0))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peaks
    finally:
        ended.set()
        watcher.join()
    # Not `ru_maxrss`, which begins at what the parent process held.
    status = Path("/proc/self/status").read_text()
    peaks.driver = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
    peaks.worker = max(found) / 2**20


def _own_memory(process: psutil.Process, workers: str) -> int:
    """Bytes of a worker that no other process shares; 0 for any other process."""
    try:
        works = workers in "".join(process.cmdline())
        return process.memory_full_info().uss if works else 0
    except psutil.Error:
        return 0


def in_own_process(function: Callable[..., tuple[float, ...]], *args: Any) -> tuple[float, ...]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, args)
