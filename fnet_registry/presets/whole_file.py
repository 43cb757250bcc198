"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Replace a file in one step: a reader, or a mapping of the old one, never sees half a file.

    `write` is given the path to write to.

    Raises:
        OSError: It cannot be written, for example because the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        unfinished = Path(scratch, path.name)
        try:
            write(unfinished)
        except SafetensorError as error:  # which says so in its own way
            raise OSError(f"{path} could not be written: {error}") from None
        os.replace(unfinished, path)
