"""Ctrl-C and SIGTERM: both end a command in order, with a line that says how to go on."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED, TERMINATED = 130, 143


class _TerminatedError(KeyboardInterrupt):
    """SIGTERM, which ends whatever runs as Ctrl-C does."""


def stoppable(run: Callable[[], int], *, resumes: bool) -> int:
    """Run a command; stopped, it says what the same command would do.

    Returns:
        The command's exit status, or the one that a shell gives to the signal.
    """
    try:
        with _sigterm_raises():
            return run()
    except KeyboardInterrupt as stop:
        then = "goes on from here" if resumes else "starts anew"
        print(f"fnet: stopped; the same command {then}", file=sys.stderr)
        return TERMINATED if isinstance(stop, _TerminatedError) else INTERRUPTED


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Have SIGTERM raise; outside of the main thread, which alone may ask for it, do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    if sys.platform != "win32":
        signal.alarm(0)  # of Ray's handler, where it still stands before this: it would abort
    raise _TerminatedError
