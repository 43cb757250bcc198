"""A reader of the output that has read enough, as `head` does: that is nobody's mistake."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

UNREAD = 141
"""The exit status that a shell gives to SIGPIPE."""


def until_unread(run: Callable[[], int]) -> int:
    """Run a command; where its output is no longer read, end without a word.

    Raises:
        BrokenPipeError: It was another pipe.
    """
    try:
        try:
            return run()
        finally:  # here rather than at the process's end, where Python would complain
            _flush()
    except BrokenPipeError:
        if _is_read():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _is_read() -> bool:
    """Return whether an empty line still reaches somebody."""
    try:
        print(flush=True)
    except BrokenPipeError:
        return False
    return True
