"""Bars on a terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm


def progress_bar(**options: Any) -> tqdm:
    """Return tqdm's bar on stderr, which it would hide on a terminal that says it has no size."""
    from tqdm import tqdm  # a served model, which draws no bar, is not to need it

    return tqdm(file=sys.stderr, **_size(), **options)


def batch_starts(count: int, size: int, *, show_progress: bool) -> Iterator[int]:
    """Yield where each batch of texts begins, and draw how many are done if that is wanted."""
    starts = range(0, count, size)
    if not show_progress:
        yield from starts
        return
    with progress_bar(total=count, unit="text") as bar:
        for start in starts:
            yield start
            bar.update(min(size, count - start))


def _size() -> dict[str, int]:
    columns, lines = shutil.get_terminal_size((0, 0))
    return {} if columns and lines else {"ncols": 80, "nrows": 24}
