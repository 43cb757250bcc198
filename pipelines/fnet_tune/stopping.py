"""Ctrl-C and SIGTERM as a question that is asked between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Yield what tells whether the process was asked to stop; asked again, it stops at once.

    Outside of the main thread, which alone may handle signals, it tells nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {each: signal.signal(each, ask) for each in _SIGNALS}
    try:
        yield lambda: bool(asked)
    except KeyboardInterrupt:
        handler = before[signal.SIGTERM]
        if asked[:1] == [signal.SIGTERM] and callable(handler):
            handler(signal.SIGTERM, None)  # it ends as whoever handles SIGTERM ends
        raise
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
