"""Bars on a terminal."""

from __future__ import annotations

import shutil
import sys
from typing import Any

from tqdm import tqdm


def progress_bar(**options: Any) -> tqdm:
    """Return tqdm's bar on stderr, which it would hide on a terminal that says it has no size."""
    return tqdm(file=sys.stderr, **_size(), **options)


def _size() -> dict[str, int]:
    columns, lines = shutil.get_terminal_size((0, 0))
    return {} if columns and lines else {"ncols": 80, "nrows": 24}
