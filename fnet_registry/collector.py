"""Python's garbage collector, in processes that are this project's own."""

from __future__ import annotations

import atexit
import gc

OBJECTS_BETWEEN = 5_000  # Python's own 700 costs a tenth of the time that imports of torch take


def spare_collector() -> None:
    """Have the collector walk seldom over what is imported, and not once more at the end.

    At the end of a process that holds torch that last walk takes 0.3 to 0.6 s.
    """
    gc.set_threshold(OBJECTS_BETWEEN)
    atexit.register(gc.freeze)


def collect_at_the_end() -> None:
    """Have the collector walk at the end after all, for a library that needs it."""
    atexit.unregister(gc.freeze)
