"""The folder of a tuning that is under way: named by what it does, so that it is found again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fnet_registry import __version__
from fnet_registry.cache import cache_folder
from fnet_registry.errors import FNetError, TuningError, WorkersError

STATE_FILE = "state.safetensors"
"""Is there once steps are taken."""
_LAYOUT = 2
"""What a folder holds, and where; one of another layout is not gone on with."""


@contextmanager
def workspace(identity: Mapping[str, Any]) -> Iterator[Path]:
    """Hold the folder of a tuning, which no other process then takes.

    It is removed when the work is done, or cannot go on; it stays where the work is interrupted,
    and where steps are taken already: data or a server may be away for a while alone.

    Args:
        identity: All that the result depends on; the release of this code is added.

    Raises:
        TuningError: Another process is at work in it.
    """
    text = json.dumps({"version": __version__, "layout": _LAYOUT, **identity}, sort_keys=True)
    folder = cache_folder("tuning") / hashlib.sha256(text.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{folder}.lock", timeout=0)
    try:
        with lock:
            _remove_unfinished(folder)
            shutil.rmtree(_removed(folder), ignore_errors=True)
            try:
                yield folder
            except WorkersError:
                raise
            except FNetError as error:
                if isinstance(error, TuningError) or not (folder / STATE_FILE).exists():
                    _remove(folder)
                raise
            _remove(folder)
    except Timeout:
        raise TuningError(
            f"One process may work on a tuning. Received: another one is at work in {folder}"
        ) from None
    finally:
        if not folder.exists():
            Path(lock.lock_file).unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    """Remove a folder so that a kill leaves all of it, or none that would be found again."""
    shutil.rmtree(folder.rename(_removed(folder)))


def _removed(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}")


def _remove_unfinished(folder: Path) -> None:
    """Remove what a process that was killed had not written to its end."""
    for path in folder.glob(".*"):
        shutil.rmtree(path, ignore_errors=True)
